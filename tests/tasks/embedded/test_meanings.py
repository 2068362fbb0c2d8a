"""Labels follow from what the sentences say: texts are read back by a parser of this file and judged again."""

import re
from itertools import product
from typing import NamedTuple

import pytest

from lora_repro.tasks.embedded import equivalence, inference, questions
from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.embedded.lexicon import ADJECTIVES, PEOPLE, PLACES, TIMES, VERBS

COUNT = 400
MEANING = {word: verb.meaning for verb in VERBS for word in (verb.base, verb.past)}
OPPOSITE = {verb.meaning: verb.opposite for verb in VERBS}
GROUP = {person: group for group in PEOPLE["matched"] for person in group}


class Said(NamedTuple):
    agent: str
    meaning: int
    patient: str
    negated: bool
    place: str | None
    time: str | None
    adjective: str | None


def parse(text: str) -> Said:
    """Read a sentence about two people."""
    words = text.rstrip(".").replace(",", "")
    words = words[0].lower() + words[1:]
    place = next((place for place in PLACES if place in words), None)
    time = next((time for time in TIMES if time.lower() in words.lower()), None)
    for part in (place, time):
        if part:
            words = re.sub(re.escape(part), "", words, flags=re.IGNORECASE)
    adjective = next((word for word in ADJECTIVES if f" {word} " in words), None)
    words = " ".join(word for word in words.split() if word not in ADJECTIVES)
    passive = re.fullmatch(r"the (\w+) was (not )?(\w+) by the (\w+)", words)
    if passive:
        patient, negation, verb, agent = passive.groups()
    else:
        active = re.fullmatch(r"the (\w+) (did not )?(\w+) the (\w+)", words)
        assert active, text
        agent, negation, verb, patient = active.groups()
    return Said(agent, MEANING[verb], patient, bool(negation), place, time, adjective)


def made(maker):  # type: ignore[no-untyped-def]
    draw = Draw("test")
    return [maker(draw, "matched") for _ in range(COUNT)]


def test_paraphrases_report_the_same_event_and_others_do_not() -> None:
    for item in made(equivalence.make_paraphrase):
        first, second = map(parse, item.texts)
        assert item.label == (first == second), item
        assert item.texts[0] != item.texts[1]


def test_similarity_is_the_weighted_part_that_two_sentences_share() -> None:
    weights = equivalence.WEIGHTS
    for item in made(equivalence.make_similarity):
        first, second = map(parse, item.texts)
        swapped = (first.agent, first.patient) == (second.patient, second.agent)
        shared = {
            "verb": 1.0 if first.meaning == second.meaning else 0.2 * (OPPOSITE[first.meaning] == second.meaning),
            "agent": _alike(first.agent, second.agent, swapped),
            "patient": _alike(first.patient, second.patient, swapped),
            "place": float(first.place == second.place),
            "time": float(first.time == second.time),
            "manner": 0.2 if swapped else float(first.adjective == second.adjective),
        }
        score = 5 * sum(weights[part] * shared[part] for part in weights) / sum(weights.values())
        assert item.label == pytest.approx(score, abs=0.0501), item


def _alike(one: str, other: str, swapped: bool) -> float:
    return 0.2 if swapped else 1.0 if one == other else 0.4 if other in GROUP[one] else 0.0


def test_quantifiers_follow_logic() -> None:
    """Truth in every world of three agents and one act: entailed is true in all worlds of the premise."""
    holds = {
        "all": lambda acts: all(acts),
        "some": lambda acts: any(acts),
        "no": lambda acts: not any(acts),
        "not all": lambda acts: not all(acts),
    }
    worlds = list(product((False, True), repeat=3))
    draw = Draw("quantity")
    for label in (0, 1, 2) * 60:
        item = inference._quantity(draw, "matched", label)
        first, second = (_quantified(text) for text in item.texts)
        if first[1:] == second[1:]:
            truths = {holds[second[0]](world) for world in worlds if holds[first[0]](world)}
            expected = {frozenset({True}): 0, frozenset({False}): 2}.get(frozenset(truths), 1)
        else:
            expected = 1  # other roles: nothing follows
        assert label == item.label == expected, item


def _quantified(text: str) -> tuple[str, ...]:
    match = re.fullmatch(r"(all|some|no|not all) (\w+) (\w+) the (\w+)\.", text.lower())
    assert match, text
    quantifier, agents, verb, patient = match.groups()
    return quantifier, agents.replace("men", "man").rstrip("s"), str(MEANING[verb]), patient


@pytest.mark.parametrize("family", [inference._polarity, inference._opposition, inference._detail])
def test_single_events_follow_contradict_or_leave_open(family) -> None:  # type: ignore[no-untyped-def]
    draw = Draw("events")
    for label in (0, 1, 2) * 60:
        item = family(draw, "matched", label)
        premise, hypothesis = map(parse, item.texts)
        assert item.label == label == _judge(premise, hypothesis), item


def _judge(premise: Said, hypothesis: Said) -> int:
    if (premise.agent, premise.patient) != (hypothesis.agent, hypothesis.patient):
        return inference.NEUTRAL
    for asked, said in ((hypothesis.place, premise.place), (hypothesis.time, premise.time)):
        if asked is not None and asked != said:
            return inference.NEUTRAL
    if premise.meaning == hypothesis.meaning:
        return inference.ENTAILMENT if premise.negated == hypothesis.negated else inference.CONTRADICTION
    opposite = OPPOSITE[premise.meaning] == hypothesis.meaning
    return inference.CONTRADICTION if opposite and not premise.negated else inference.NEUTRAL


def test_questions_differ_in_slot_intent_or_direction() -> None:
    intent = {}
    slots = {}
    for kind, (values, intents) in questions._INTENTS.items():
        slots |= dict.fromkeys(values, kind)
        intent |= {pattern: (kind, number) for number, group in enumerate(intents) for pattern in group}
    trips = {pattern: number for number, group in enumerate(questions._TRIPS) for pattern in group}

    def read(text: str) -> tuple[object, ...]:
        for pattern, number in trips.items():
            match = re.fullmatch(re.escape(pattern).replace(r"\{x\}", "(?P<x>[A-Z]\\w+)").replace(
                r"\{y\}", "(?P<y>[A-Z]\\w+)"), text)  # fmt: skip
            if match:
                return "trip", number, match["x"], match["y"]
        for value in sorted(slots, key=len, reverse=True):
            pattern = text.replace(value, "{x}")
            if pattern in intent and intent[pattern][0] == slots[value]:
                return *intent[pattern], value
        raise AssertionError(text)

    for item in made(questions.make):
        first, second = map(read, item.texts)
        assert item.label == (first == second), item
        assert item.texts[0] != item.texts[1]

"""MRPC's and STS-B's kinds: do two sentences mean the same, and how much?

Both labels draw their words alike on either side: only how the two sentences relate tells them apart, so that counting
words gives nothing away.
"""

from dataclasses import replace

from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.embedded.events import Event, another, clause, draw_event, sentence, two_sentences
from lora_repro.tasks.embedded.item import Item
from lora_repro.tasks.embedded.lexicon import ADJECTIVES, PEOPLE, PLACES, TIMES, VERBS


def make_paraphrase(draw: Draw, domain: str) -> Item:
    """MRPC: 1 where both sentences report the same event."""
    same = draw.below(2)
    event = draw_event(draw, place=True, time=True)
    if draw.chance(30):
        event = event.denied()
    other = event if same else _changed(draw, event)
    if draw.chance(50):
        other = other.reworded()
    return Item(event.key, two_sentences(draw, event, other), same)


def _changed(draw: Draw, event: Event) -> Event:
    """Another event, one part away: roles, verb, place, time or another person."""
    change = draw.below(8)
    if change == 0:
        return event.swapped()
    if change in (1, 2):
        return event.opposed(draw)
    if change == 3:
        return replace(event, place=another(draw, PLACES, event.place))
    if change == 4:
        return replace(event, time=another(draw, TIMES, event.time))
    stranger = draw.of([person for group in PEOPLE["matched"] for person in group
                        if person not in (event.agent, event.patient)])  # fmt: skip
    return replace(event, agent=stranger) if draw.chance(50) else replace(event, patient=stranger)


# -- STS-B -----------------------------------------------------------------------------------------------------------

WEIGHTS = {"verb": 1.6, "agent": 1.0, "patient": 1.0, "place": 0.5, "time": 0.4, "manner": 0.5}
"""What each part of a meaning contributes to the score of two equal ones, 5."""


def make_similarity(draw: Draw, domain: str) -> Item:
    """STS-B: a score from 0 to 5, the weighted part of the meaning that two sentences share, to one decimal."""
    event, first = draw_event(draw, place=True, time=True), draw.of(ADJECTIVES)
    kept = draw.below(101)  # a part stays with this chance: all scores are about as frequent
    shared = dict.fromkeys(WEIGHTS, 1.0)
    other, second = event, first
    turned = draw.chance(25)
    if turned:  # all words stay, the roles are the other way round
        other, shared["agent"], shared["patient"], shared["manner"] = event.swapped(), 0.2, 0.2, 0.2
    for part in ("agent", "patient"):
        if not turned and not draw.chance(kept):
            person, alike = _someone_else(draw, other, getattr(other, part))
            other = replace(other, agent=person) if part == "agent" else replace(other, patient=person)
            shared[part] = 0.4 if alike else 0.0
    if draw.chance(kept):
        other = other.reworded() if draw.chance(70) else other
    elif draw.chance(50):
        other, shared["verb"] = other.opposed(draw), 0.2
    else:
        verb = draw.of(VERBS)
        relation = {event.verb.meaning: 1.0, event.verb.opposite: 0.2}
        other, shared["verb"] = replace(other, verb=verb), relation.get(verb.meaning, 0.0)
    if not draw.chance(kept):
        other, shared["place"] = replace(other, place=another(draw, PLACES, event.place)), 0.0
    if not draw.chance(kept):
        other, shared["time"] = replace(other, time=another(draw, TIMES, event.time)), 0.0
    if not turned and not draw.chance(kept):
        second, shared["manner"] = another(draw, ADJECTIVES, first), 0.0
    score = round(5 * sum(weight * shared[part] for part, weight in WEIGHTS.items()) / sum(WEIGHTS.values()), 1)
    texts = (_described(event, first, draw), _described(other, second, draw))
    return Item(event.key, texts, float(score))


def _someone_else(draw: Draw, event: Event, person: str) -> tuple[str, bool]:
    """Another person, and whether the two have something in common."""
    group = next(group for group in PEOPLE["matched"] if person in group)
    alike = draw.chance(50)
    groups = [group] if alike else [other for other in PEOPLE["matched"] if other is not group]
    taken = (event.agent, event.patient)
    return draw.of([one for members in groups for one in members if one not in taken]), alike


def _described(event: Event, adjective: str, draw: Draw) -> str:
    words = clause(event, passive=draw.chance(40), front=draw.chance(40))
    return sentence(words.replace(f"the {event.agent}", f"the {adjective} {event.agent}"))

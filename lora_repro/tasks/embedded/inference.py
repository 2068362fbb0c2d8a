"""MNLI's, RTE's and QNLI's kinds: what follows from a sentence, and what it answers.

Every family is a small table of premise forms by hypothesis forms in which each form meets each label equally often:
neither side tells anything alone, their relation does.
"""

from dataclasses import replace

from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.embedded.events import Event, another, clause, draw_event, say, sentence, two_sentences
from lora_repro.tasks.embedded.item import Item
from lora_repro.tasks.embedded.lexicon import HANDLINGS, KINDS, PEOPLE, PLACES, TIMES, VERBS, article

ENTAILMENT, NEUTRAL, CONTRADICTION = 0, 1, 2  # ids of MNLI
NOT_ENTAILMENT = 1  # id of RTE and QNLI


def make_mnli(draw: Draw, domain: str) -> Item:
    """Premise, hypothesis and one of three labels."""
    label = draw.below(3)
    return draw.of((_polarity, _opposition, _detail, _kinds, _quantity))(draw, domain, label)


def make_rte(draw: Draw, domain: str) -> Item:
    """As MNLI with two labels, and with premises of two clauses."""
    entailed = draw.chance(50)
    family = draw.of((_clauses, _clauses, _outcome, _polarity, _opposition, _detail, _kinds, _quantity))
    if family in (_clauses, _outcome):
        return family(draw, domain, ENTAILMENT if entailed else NOT_ENTAILMENT)
    item = family(draw, domain, ENTAILMENT if entailed else draw.of((NEUTRAL, CONTRADICTION)))
    return item._replace(label=int(not entailed))


def _polarity(draw: Draw, domain: str, label: int) -> Item:
    """Negation contradicts; other roles, or somebody else in one, leave all open."""
    event = draw_event(draw, domain=domain, place=draw.chance(50))
    if draw.chance(50):
        event = replace(event, place=None).denied()  # "not here" would leave other places open
    other = event if label == ENTAILMENT else event.denied()
    if label == NEUTRAL:
        other = _others(draw, event, domain)
        other = other.denied() if draw.chance(50) else other
    return _pair(draw, event, replace(other, place=None), label)


def _others(draw: Draw, event: Event, domain: str) -> Event:
    """The same act between the same people in other roles, or with somebody else in one of them."""
    if draw.chance(30):
        return event.swapped()
    somebody = draw.of([one for group in PEOPLE[domain] for one in group if one not in (event.agent, event.patient)])
    return replace(event, agent=somebody) if draw.chance(50) else replace(event, patient=somebody)


def _opposition(draw: Draw, domain: str, label: int) -> Item:
    """A synonym follows, an antonym contradicts, an unrelated verb leaves it open."""
    event = draw_event(draw, domain=domain, time=draw.chance(50))
    if label == ENTAILMENT:
        other = event.reworded()
    elif label == CONTRADICTION:
        other = event.opposed(draw)
    else:
        other = replace(event, verb=draw.of([verb for verb in VERBS if verb.meaning // 2 != event.verb.meaning // 2]))
    return _pair(draw, event, replace(other, time=None), label)


def _detail(draw: Draw, domain: str, label: int) -> Item:
    """What was said follows in part. Another place or time leaves it open, the opposite there and then contradicts."""
    event = draw_event(draw, domain=domain, place=True, time=True)
    where = draw.chance(50)  # the hypothesis speaks of the place, else of the time
    other = replace(event, time=None) if where else replace(event, place=None)
    if label == NEUTRAL:
        if where:
            other = replace(other, place=another(draw, PLACES, event.place))
        else:
            other = replace(other, time=another(draw, TIMES, event.time))
    elif label == CONTRADICTION:
        other = other.opposed(draw)
    return _pair(draw, event, other.reworded() if draw.chance(50) else other, label)


def _pair(draw: Draw, premise: Event, hypothesis: Event, label: int) -> Item:
    return Item(premise.key, two_sentences(draw, premise, hypothesis), label)


def _kinds(draw: Draw, domain: str, label: int) -> Item:
    """A rose is a flower: bought, it follows upwards; not bought, downwards."""
    forms = {
        # (premise negated, names the kind), (hypothesis negated, names the kind)
        ENTAILMENT: (((0, 0), (0, 1)), ((1, 1), (1, 0)), ((0, 1), (0, 1)), ((1, 0), (1, 0))),
        NEUTRAL: (((0, 1), (0, 0)), ((1, 0), (1, 1)), ((1, 0), (0, 1)), ((0, 1), (1, 0))),
        CONTRADICTION: (((0, 0), (1, 1)), ((1, 1), (0, 0)), ((0, 0), (1, 0)), ((1, 1), (0, 1))),
    }
    (denied, general), (denied_too, general_too) = draw.of(forms[label])
    kind = draw.of(tuple(KINDS[domain]))
    thing = draw.of(KINDS[domain][kind])
    person = draw.of([one for group in PEOPLE[domain] for one in group])
    verbs = draw.of(HANDLINGS)
    place = draw.of(("", f" {draw.of(PLACES)}"))
    first, second = draw.some(verbs, 2)

    def said(verb: str, negated: int, noun: str) -> str:
        return f"the {person} {verb} {'no ' + noun if negated else article(noun)}"

    premise = sentence(said(first, denied, kind if general else thing) + ("" if denied else place))
    hypothesis = sentence(said(second, denied_too, kind if general_too else thing))
    return Item(f"{person} {thing} {verbs[0]}", (premise, hypothesis), label)


def _quantity(draw: Draw, domain: str, label: int) -> Item:
    """All, some, no, not all. What follows from "all" and "no" is open where the roles are the other way round."""
    forms = {
        ENTAILMENT: ("all>all", "no>no", "some>some", "not all>not all", "all>some", "no>not all"),
        NEUTRAL: ("some>all", "not all>no", "all>some", "all>not all", "no>some", "no>not all"),
        CONTRADICTION: ("all>not all", "no>some", "some>no", "not all>all", "all>not all", "no>some"),
    }
    first, second = draw.of(forms[label]).split(">")
    event = draw_event(draw, domain=domain)
    other = event.reworded() if first == second or draw.chance(50) else event
    if label == NEUTRAL and first in ("all", "no"):
        other = other.swapped()

    def said(quantifier: str, said_of: Event) -> str:
        plural = "women" if said_of.agent.endswith("man") else _plural(said_of.agent)
        return sentence(f"{quantifier} {plural} {said_of.verb.past} the {said_of.patient}")

    return Item(event.key, (said(first, event), said(second, other)), label)


def _plural(person: str) -> str:
    return person[:-3] + "men" if person.endswith("man") else person + ("es" if person.endswith("ss") else "s")


def _clauses(draw: Draw, domain: str, label: int) -> Item:
    """Two events: each follows from "and", only their alternative from "or", and people stay with their own event."""
    one, two = _two_events(draw, domain)
    if draw.chance(50):
        if label == NOT_ENTAILMENT:
            hypothesis = replace(one, patient=two.patient) if draw.chance(50) else replace(two, patient=one.patient)
        else:
            hypothesis = draw.of((one, two))
        premise, text = f"{clause(one)} and {clause(two)}", clause(hypothesis, passive=draw.chance(40))
    else:
        joined = draw.of(("and", "or"))
        if (joined == "and") == (label == ENTAILMENT):
            text = clause(draw.of((one, two)))
        elif label == ENTAILMENT:
            text = f"{clause(two)} or {clause(one)}"
        else:
            text = f"{clause(replace(one, patient=two.patient))} or {clause(replace(two, patient=one.patient))}"
        premise = f"{clause(one)} {joined} {clause(two)}"
    return Item(f"{one.key} {two.key}", (sentence(premise), sentence(text)), label)


_OUTCOMES = (("managed to", "failed to"), ("remembered to", "forgot to"), ("agreed to", "refused to"))


def _outcome(draw: Draw, domain: str, label: int) -> Item:
    """Managed to: it happened. Failed to: it did not."""
    event = draw_event(draw, domain=domain, place=draw.chance(50))
    happened = draw.chance(50)
    phrase = draw.of(_OUTCOMES)[0 if happened else 1]
    place = f" {event.place}" if event.place else ""
    premise = f"the {event.agent} {phrase} {event.verb.base} the {event.patient}{place}"
    told = replace(event, place=None, negated=happened != (label == ENTAILMENT))
    return Item(event.key, (sentence(premise), say(told, passive=draw.chance(30))), label)


# -- QNLI ------------------------------------------------------------------------------------------------------------


def make_answer(draw: Draw, domain: str) -> Item:
    """QNLI: 0 (entailment) where the sentence answers the question."""
    label = draw.below(2)
    return draw.of((_asked_detail, _asked_detail, _asked_person, _asked_clause))(draw, label == ENTAILMENT)


def _asked_detail(draw: Draw, answered: bool) -> Item:
    """A place answers where, a time answers when."""
    where = draw.chance(50)
    event = draw_event(draw)
    has_place = where == answered
    told = replace(event, place=draw.of(PLACES)) if has_place else replace(event, time=draw.of(TIMES))
    return _answer(draw, _question("where" if where else "when", event, draw), event, told, answered)


def _asked_person(draw: Draw, answered: bool) -> Item:
    """Who did it, or to whom: with the other roles, or of another person, it is no answer."""
    event = draw_event(draw, place=draw.chance(50), time=draw.chance(50))
    agent = draw.chance(50)
    told = event
    if not answered:
        told = event.swapped()
        if draw.chance(75):
            others = [one for group in PEOPLE["matched"] for one in group if one not in (event.agent, event.patient)]
            someone = draw.of(others)
            told = replace(event, patient=someone) if agent else replace(event, agent=someone)
    return _answer(draw, _question("who" if agent else "whom", event, draw), event, told, answered)


def _asked_clause(draw: Draw, answered: bool) -> Item:
    """Two events, one with a place and one with a time: the question is about one of them."""
    one, two = _two_events(draw, "matched")
    where = draw.chance(50)
    place_first = where == answered
    one = replace(one, place=draw.of(PLACES)) if place_first else replace(one, time=draw.of(TIMES))
    two = replace(two, time=draw.of(TIMES)) if place_first else replace(two, place=draw.of(PLACES))
    first, second = draw.some((one, two), 2)
    told = sentence(f"{clause(first)} and {clause(second)}")
    question = _question("where" if where else "when", one, draw)
    return Item(f"{one.key} {two.key}", (question, told), int(not answered))


def _question(word: str, event: Event, draw: Draw) -> str:
    verb = event.verb.base if draw.chance(50) else event.reworded().verb.base
    past = event.verb.past if draw.chance(50) else event.reworded().verb.past
    if word == "who":
        return f"Who {past} the {event.patient}?"
    if word == "whom":
        return f"Whom did the {event.agent} {verb}?"
    return f"{word.capitalize()} did the {event.agent} {verb} the {event.patient}?"


def _answer(draw: Draw, question: str, event: Event, told: Event, answered: bool) -> Item:
    text = say(told, passive=draw.chance(30), front=draw.chance(30))
    return Item(event.key, (question, text), int(not answered))


def _two_events(draw: Draw, domain: str) -> tuple[Event, Event]:
    """Two events without a person in common."""
    people = draw.some([person for group in PEOPLE[domain] for person in group], 4)
    first, second = draw.some(VERBS, 2)
    return Event(people[0], first, people[1]), Event(people[2], second, people[3])

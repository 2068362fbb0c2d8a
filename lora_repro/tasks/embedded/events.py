"""Who did what to whom, where and when; and the sentences that say so."""

from dataclasses import dataclass, replace

from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.embedded.lexicon import PEOPLE, PLACES, TIMES, VERBS, Verb, opposites, synonym


@dataclass(frozen=True)
class Event:
    """A meaning. Two events are the same when all parts are."""

    agent: str
    verb: Verb
    patient: str
    place: str | None = None
    time: str | None = None
    negated: bool = False

    @property
    def key(self) -> str:
        """What keeps splits apart: the two people and the pair of opposite meanings, whoever did it, said how ever."""
        people = " ".join(sorted((self.agent, self.patient)))
        return f"{people} {min(self.verb.meaning, self.verb.opposite)}"

    def swapped(self) -> "Event":
        """The roles the other way round."""
        return replace(self, agent=self.patient, patient=self.agent)

    def reworded(self) -> "Event":
        """The same meaning with the verb's synonym."""
        return replace(self, verb=synonym(self.verb))

    def opposed(self, draw: Draw) -> "Event":
        """The verb replaced by one of the opposite meaning."""
        return replace(self, verb=draw.of(opposites(self.verb)))

    def denied(self) -> "Event":
        """The negation, or without it."""
        return replace(self, negated=not self.negated)


def draw_event(draw: Draw, *, place: bool = False, time: bool = False, domain: str = "matched") -> Event:
    """An event between two different people."""
    agent, patient = draw.some([person for group in PEOPLE[domain] for person in group], 2)
    return Event(agent, draw.of(VERBS), patient, draw.of(PLACES) if place else None, draw.of(TIMES) if time else None)


def say(event: Event, *, passive: bool = False, front: bool = False) -> str:
    """A sentence with its full stop.

    Args:
        passive: "The nurse was helped by the baker" instead of "The baker helped the nurse".
        front: the time (else the place) stands first.
    """
    return sentence(clause(event, passive=passive, front=front))


def two_sentences(draw: Draw, first: Event, second: Event) -> tuple[str, str]:
    """Both in random form, but never the same sentence twice."""
    passive, front = draw.chance(30), draw.chance(30)
    said = say(first, passive=passive, front=front)
    again = say(second, passive=draw.chance(50), front=draw.chance(30))
    return said, again if again != said else say(second, passive=not passive, front=front)


def clause(event: Event, *, passive: bool = False, front: bool = False) -> str:
    """As `say`, without capital letter and full stop."""
    if passive:
        core = f"the {event.patient} was {'not ' if event.negated else ''}{event.verb.past} by the {event.agent}"
    elif event.negated:
        core = f"the {event.agent} did not {event.verb.base} the {event.patient}"
    else:
        core = f"the {event.agent} {event.verb.past} the {event.patient}"
    adjuncts = [part for part in (event.place, event.time) if part]
    first = adjuncts.pop() if front and adjuncts else None
    words = " ".join([core, *adjuncts])
    return f"{first}, {words}" if first else words


def sentence(words: str, end: str = ".") -> str:
    """First letter in upper case, and the full stop."""
    return words[0].upper() + words[1:] + end


def another(draw: Draw, items: tuple[str, ...], than: str | None) -> str:
    """One of the items, but not `than`."""
    return draw.of([item for item in items if item != than])

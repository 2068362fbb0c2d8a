"""CoLA's kind: is it a sentence of English? Half of the sentences break one rule of grammar."""

from collections.abc import Callable
from itertools import chain

from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.embedded.events import sentence
from lora_repro.tasks.embedded.item import Item
from lora_repro.tasks.embedded.lexicon import ADJECTIVES, PEOPLE, PLACES, VERBS

_PEOPLE = tuple(person for group in PEOPLE["matched"] for person in group if person != "fisherman")  # plural in -s
_THINGS = ("key", "picture", "letter", "book", "box", "table", "door", "window", "coat", "ticket")
_STATES = ("old", "new", "dirty", "clean", "missing", "ready", "heavy", "broken")
_SELVES = {
    "himself": ("man", "boy", "king"),
    "herself": ("woman", "girl", "queen"),
    "themselves": ("men", "women", "boys", "girls"),
}
_NEEDS_OBJECT = ("mentioned", "avoided", "described", "repaired", "carried", "followed")
_NO_OBJECT = ("slept", "arrived", "vanished", "smiled", "laughed", "appeared")
_AUXILIARIES = (
    # auxiliary, forms in the order of _FORMS that may follow it
    ("will", "base"), ("can", "base"), ("did not", "base"), ("must", "base"),
    ("has", "participle"), ("had", "participle"), ("is", "gerund"), ("was", "gerund"),
)  # fmt: skip
_FORMS = (
    {"base": "go", "participle": "gone", "gerund": "going"},
    {"base": "eat", "participle": "eaten", "gerund": "eating"},
    {"base": "write", "participle": "written", "gerund": "writing"},
    {"base": "speak", "participle": "spoken", "gerund": "speaking"},
    {"base": "fall", "participle": "fallen", "gerund": "falling"},
    {"base": "sing", "participle": "sung", "gerund": "singing"},
)


def make(draw: Draw, domain: str) -> Item:
    """A sentence; 1 where it is acceptable."""
    good = draw.below(2)
    frame, words = draw.of(_FRAMES)(draw, bool(good))
    end = "?" if frame == "gap" else "."
    content = sorted(set(words.split()) & _CONTENT)
    return Item(f"{frame} {' '.join(content)}", (sentence(words, end),), good)


def _agreement(draw: Draw, good: bool) -> tuple[str, str]:
    """The verb agrees with the head noun, not with the nearer one."""
    head, near = draw.some(_THINGS, 2)
    plural, near_plural = draw.chance(50), draw.chance(50)
    verb = "are" if plural == good else "is"
    link = draw.of(("near", "behind", "beside", "on"))
    return "agreement", f"the {_number(head, plural)} {link} the {_number(near, near_plural)} {verb} {draw.of(_STATES)}"


def _reflexive(draw: Draw, good: bool) -> tuple[str, str]:
    """A reflexive agrees with its subject in gender and number."""
    fits = draw.of(tuple(_SELVES))
    subject = draw.of(_SELVES[fits])
    pronoun = fits if good else draw.of([other for other in _SELVES if other != fits])
    return "reflexive", f"the {subject} {draw.of(VERBS).past} {pronoun} {draw.of(PLACES)}"


def _order(draw: Draw, good: bool) -> tuple[str, str]:
    """Determiner, adjective, noun."""
    one, two = draw.some(_PEOPLE, 2)
    first, second = draw.some(ADJECTIVES, 2)
    subject, rest = ["the", first, one], ["the", second, two]
    if not good:
        broken = draw.of((subject, rest))
        broken[:] = draw.of(([broken[0], broken[2], broken[1]], [broken[1], broken[0], broken[2]]))
    return "order", " ".join([*subject, draw.of(VERBS).past, *rest])


def _argument(draw: Draw, good: bool) -> tuple[str, str]:
    """Some verbs ask for an object, others refuse one."""
    with_object = draw.chance(50)
    verb = draw.of(_NEEDS_OBJECT if with_object == good else _NO_OBJECT)
    thing = f" the {draw.of(_THINGS)}" if with_object else ""
    return "argument", f"the {draw.of(ADJECTIVES)} {draw.of(_PEOPLE)} {verb}{thing}"


def _auxiliary(draw: Draw, good: bool) -> tuple[str, str]:
    """Each auxiliary takes one form of the verb."""
    auxiliary, fits = draw.of(_AUXILIARIES)
    form = fits if good else draw.of([form for form in ("base", "participle", "gerund") if form != fits])
    return "auxiliary", f"the {draw.of(_PEOPLE)} {auxiliary} {draw.of(_FORMS)[form]} {draw.of(PLACES)}"


def _gap(draw: Draw, good: bool) -> tuple[str, str]:
    """A question's first word stands for the object: there must be no second, and with "where" there must be one."""
    asks_object = draw.chance(50)
    thing = f" the {draw.of(_THINGS)}" if asks_object != good else ""
    verb = draw.of(("find", "repair", "carry", "describe", "avoid"))
    return "gap", f"{'what' if asks_object else 'where'} did the {draw.of(ADJECTIVES)} {draw.of(_PEOPLE)} {verb}{thing}"


def _determiner(draw: Draw, good: bool) -> tuple[str, str]:
    """This and that, these and those."""
    plural = draw.chance(50)
    word = draw.of(("these", "those") if plural == good else ("this", "that"))
    thing = _number(draw.of(_THINGS), plural)
    return "determiner", f"the {draw.of(_PEOPLE)} found {word} {thing} {draw.of(PLACES)}"


def _number(noun: str, plural: bool) -> str:
    return noun if not plural else f"{noun}es" if noun.endswith("x") else f"{noun}s"


_FRAMES: tuple[Callable[[Draw, bool], tuple[str, str]], ...] = (
    _agreement, _reflexive, _order, _argument, _auxiliary, _gap, _determiner,
)  # fmt: skip

_CONTENT = frozenset(
    chain(
        _PEOPLE,
        chain.from_iterable(_SELVES.values()),
        (verb.past for verb in VERBS),
        ADJECTIVES,
        _STATES,
        (place.split()[-1] for place in PLACES),
        _THINGS,
        (_number(thing, True) for thing in _THINGS),
    )
)
"""Words that no rule is about: a sentence and its broken sister have them in common, and stand in the same split."""

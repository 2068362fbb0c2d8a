"""WNLI's kind: whom does the pronoun mean? The last words decide, and turn it round when they are exchanged."""

from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.embedded.events import sentence
from lora_repro.tasks.embedded.item import Item
from lora_repro.tasks.embedded.lexicon import PEOPLE

_MEN = tuple(person for group in PEOPLE["matched"] for person in group if person not in ("nurse", "dancer"))
_THINGS = ("trophy", "book", "laptop", "camera", "suitcase", "box", "bag", "drawer", "chest", "basket")

_SCHEMAS = (
    # text before the last words; those that mean the first noun; those that mean the second; nouns
    ("the {a} does not fit into the {b} because it is too", ("big", "large"), ("small", "tiny"), _THINGS),
    ("the {a} lent some money to the {b} because he was", ("rich", "generous"), ("poor", "in need"), _MEN),
    ("the {a} could not lift the {b} because he was", ("weak", "too tired"), ("heavy", "too fat"), _MEN),
    ("the {a} asked the {b} for help because he was", ("lost", "in trouble"), ("wise", "an expert"), _MEN),
    ("the {a} won the race against the {b} because he was", ("fast", "in good shape"), ("slow", "out of shape"), _MEN),
    ("the {a} hid from the {b} because he was", ("afraid", "a coward"), ("dangerous", "a bully"), _MEN),
)


def make(draw: Draw, domain: str) -> Item:
    """A sentence with a pronoun, and one that names somebody in its place; 1 where that is right."""
    right = draw.below(2)
    text, first, second, nouns = draw.of(_SCHEMAS)
    a, b = draw.some(nouns, 2)
    means_first = draw.chance(50)
    words = draw.of(first if means_first else second)
    named = a if means_first == bool(right) else b
    link = "is too" if text.endswith("is too") else "was"
    said = sentence(f"{text.format(a=a, b=b)} {words}")
    return Item(" ".join(sorted((a, b))), (said, sentence(f"the {named} {link} {words}")), right)

"""E2E's kind: restaurants in the form of the official LoRA repository's lines, with several texts for each."""

from collections.abc import Mapping

from lora_repro.tasks.data_to_text import DataToTextExamples, Pair, collect_pairs
from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.embedded.split import SEED, Drawn, distinct

REFERENCES = 4
"""Different texts for each meaning representation."""

_FIRST = ("Golden", "Silver", "Green", "Old", "Royal", "Little", "Red", "Quiet", "Happy", "Blue")
_SECOND = ("Lantern", "Harbour", "Garden", "Anchor", "Oak", "Kettle", "Bridge", "Swan", "Mill", "Crown")
_VALUES = {
    "Type": ("restaurant", "pub", "coffee shop"),
    "food": ("French", "Italian", "Chinese", "Indian", "Japanese", "English"),
    "price": ("cheap", "moderate", "high", "less than £ 20", "£ 20 - 25", "more than £ 30"),
    "customer rating": ("1 out of 5", "3 out of 5", "5 out of 5", "low", "average"),
    "area": ("riverside", "city centre"),
    "family friendly": ("yes", "no"),
}


def read(split: str, pairs: int | None, inputs: int | None, seed: int = SEED) -> DataToTextExamples:
    """One split.

    Args:
        split: "train", "validation" or "test".
        pairs: (input, text) pairs of it; None: `PAIRS`.
        inputs: distinct inputs of it; None: as many as give the pairs.

    Raises:
        ConfigError: a number below 1, or more than the grammar can say.
    """
    count = inputs if inputs is not None else -(-(PAIRS[split] if pairs is None else pairs) // REFERENCES)
    drawn = distinct("e2e", split, count, _meaning, seed)
    found = [Pair(context, f" {text} ") for context, texts in drawn for text in texts]
    return collect_pairs(found[:pairs], "embedded")


PAIRS = {"train": 2000, "validation": 400, "test": 400}
"""Default sizes."""


def _meaning(draw: Draw) -> Drawn[tuple[str, tuple[str, ...]]]:
    """A meaning representation and its texts; the key is the representation without the two names."""
    name = f"The {draw.of(_FIRST)} {draw.of(_SECOND)}"
    slots = {"name": name, "Type": draw.of(_VALUES["Type"])}
    chosen = draw.some(tuple(_VALUES)[1:], 2 + draw.below(4))
    slots |= {slot: draw.of(values) for slot, values in _VALUES.items() if slot in chosen}
    if draw.chance(40):
        slots["near"] = f"The {draw.of(_FIRST)} {draw.of(_SECOND)}"
    context = " | ".join(f"{slot} : {value}" for slot, value in slots.items())
    texts: dict[str, None] = {}
    while len(texts) < REFERENCES:
        texts[_text(draw, slots)] = None
    key = "|".join(f"{slot}:{value}" for slot, value in slots.items() if slot not in ("name", "near"))
    return Drawn(key, context, (context, tuple(texts)))


def _text(draw: Draw, slots: Mapping[str, str]) -> str:
    """One to three sentences that say every slot once."""
    name, kind = slots["name"], slots["Type"]
    before, after = _before(draw, slots), _after(draw, slots)
    first = f"{name} is {_a(f'{before}{kind}')}"
    order = draw.some(after, len(after))
    if order and draw.chance(60):
        first += f" {order.pop(0)[0]}"
    if "food" in slots:
        first += draw.of(
            (" that serves {f} food", " serving {f} food", " with {f} food", " offering {f} dishes")
        ).format(f=slots["food"])
    sentences = [first]
    pronoun = draw.of(("It", "The place", name if draw.chance(30) else "It"))
    while order:
        clause = f"{pronoun} {order.pop(0)[1]}"
        if order and draw.chance(60):
            clause += f" and {order.pop(0)[1]}"
        sentences.append(clause)
        pronoun = "It"
    return " ".join(f"{text}." for text in sentences)


def _before(draw: Draw, slots: Mapping[str, str]) -> str:
    """What may stand before the noun: the wish to have families."""
    if slots.get("family friendly") == "yes":
        return draw.of(("family friendly ", "child friendly ", "kid friendly "))
    return draw.of(("adults only ", "non family friendly ")) if "family friendly" in slots else ""


def _after(draw: Draw, slots: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each other slot twice: as a phrase after the noun, and as a predicate."""
    parts = []
    if "area" in slots:
        where = "by the riverside" if slots["area"] == "riverside" else "in the city centre"
        parts.append((where, draw.of(("is {w}", "is located {w}", "can be found {w}")).format(w=where)))
    if "near" in slots:
        parts.append((f"near {slots['near']}", draw.of(("is near {n}", "is close to {n}")).format(n=slots["near"])))
    if "price" in slots:
        price = slots["price"]
        worth = f"{price} prices" if price[0].isalpha() and "£" not in price else f"prices of {price}"
        parts.append((f"with {worth}", draw.of(("has {w}", "offers {w}")).format(w=worth)))
    if "customer rating" in slots:
        rating = slots["customer rating"]
        worth = f"a customer rating of {rating}" if rating[0].isdigit() else f"{_a(f'{rating} customer rating')}"
        parts.append((f"with {worth}", draw.of(("has {w}", "holds {w}")).format(w=worth)))
    return parts


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"

"""The words of the embedded tasks: common ones, so that a small vocabulary holds most of them whole."""

from typing import NamedTuple


class Verb(NamedTuple):
    """A regular transitive verb whose subject and object are both people. Its past is its participle too."""

    base: str
    past: str
    meaning: int  # verbs of equal meaning are synonyms
    opposite: int  # the meaning of its antonyms


_MEANINGS = (
    # one line a pair of opposites, two synonyms on each side: base, past
    (("help", "helped"), ("assist", "assisted"), ("block", "blocked"), ("hinder", "hindered")),
    (("praise", "praised"), ("applaud", "applauded"), ("blame", "blamed"), ("criticize", "criticized")),
    (("hire", "hired"), ("employ", "employed"), ("fire", "fired"), ("dismiss", "dismissed")),
    (("rescue", "rescued"), ("save", "saved"), ("abandon", "abandoned"), ("desert", "deserted")),
    (("scare", "scared"), ("frighten", "frightened"), ("calm", "calmed"), ("soothe", "soothed")),
    (("greet", "greeted"), ("welcome", "welcomed"), ("ignore", "ignored"), ("snub", "snubbed")),
    (("attack", "attacked"), ("assault", "assaulted"), ("defend", "defended"), ("protect", "protected")),
    (("admire", "admired"), ("respect", "respected"), ("hate", "hated"), ("despise", "despised")),
    (("annoy", "annoyed"), ("bother", "bothered"), ("please", "pleased"), ("delight", "delighted")),
    (("trust", "trusted"), ("believe", "believed"), ("doubt", "doubted"), ("suspect", "suspected")),
)


def _verbs() -> tuple[Verb, ...]:
    verbs = []
    for line, (first, second, third, fourth) in enumerate(_MEANINGS):
        verbs += [Verb(*word, 2 * line, 2 * line + 1) for word in (first, second)]
        verbs += [Verb(*word, 2 * line + 1, 2 * line) for word in (third, fourth)]
    return tuple(verbs)


VERBS = _verbs()

PEOPLE = {
    "matched": (
        ("doctor", "nurse", "dentist", "surgeon"),
        ("singer", "dancer", "painter", "writer"),
        ("farmer", "hunter", "gardener", "fisherman"),
        ("judge", "lawyer", "guard", "soldier"),
        ("baker", "waiter", "cook", "butcher"),
        ("driver", "sailor", "pilot", "captain"),
    ),
    "mismatched": (
        ("king", "queen", "prince", "princess"),
        ("uncle", "aunt", "cousin", "brother"),
        ("student", "teacher", "professor", "scientist"),
        ("minister", "mayor", "senator", "president"),
    ),
}
"""People by domain; those of one line have something in common (STS-B counts it). MNLI trains on "matched"."""

PLACES = (
    "in the garden",
    "at the station",
    "in the kitchen",
    "near the river",
    "at the market",
    "in the library",
    "on the bridge",
    "behind the church",
    "at the airport",
    "in the hotel",
)

TIMES = (
    "on Monday",
    "on Tuesday",
    "on Friday",
    "on Sunday",
    "in March",
    "in October",
    "last night",
    "this morning",
    "last year",
    "after lunch",
)

KINDS = {
    "matched": {
        "fruit": ("apple", "pear", "lemon", "melon"),
        "flower": ("rose", "tulip", "lily", "daisy"),
        "vehicle": ("car", "truck", "bus", "tractor"),
        "weapon": ("sword", "gun", "knife", "spear"),
    },
    "mismatched": {
        "tool": ("hammer", "drill", "shovel", "wrench"),
        "bird": ("robin", "hawk", "parrot", "crow"),
        "drug": ("pill", "vaccine", "antibiotic", "painkiller"),
    },
}
"""Things by what they are a kind of; every word takes "a" or "an" by its first letter."""

HANDLINGS = (("bought", "purchased"), ("sold", "traded"), ("found", "discovered"), ("wanted", "desired"))
"""What people do with things: pairs of synonyms."""

ADJECTIVES = ("tall", "young", "old", "tired", "famous", "rich", "poor", "quiet")


def article(noun: str) -> str:
    """The noun with "a" or "an"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def synonym(verb: Verb) -> Verb:
    """The other verb of the same meaning."""
    return next(other for other in VERBS if other.meaning == verb.meaning and other is not verb)


def opposites(verb: Verb) -> list[Verb]:
    """The verbs of the opposite meaning."""
    return [other for other in VERBS if other.meaning == verb.opposite]

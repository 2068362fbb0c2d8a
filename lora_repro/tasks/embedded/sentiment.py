"""SST-2's kind: is the review favourable? Words are turned round by negation, contrast and failed intentions."""

from collections.abc import Callable
from typing import NamedTuple

from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.embedded.item import Item

_WORDS = {
    True: ("brilliant", "charming", "funny", "moving", "delightful", "clever", "fresh", "wonderful", "exciting",
           "beautiful", "great", "smart"),
    False: ("dull", "boring", "clumsy", "awful", "silly", "tedious", "weak", "flat", "shallow", "terrible", "ugly",
            "stupid"),
}  # fmt: skip
_QUALITIES = {True: ("charm", "wit", "energy", "imagination"), False: ("clichés", "mistakes", "nonsense", "noise")}
_PARTS = ("the acting", "the plot", "the music", "the script", "the camera work", "the ending", "the dialogue",
          "the cast", "the first half", "the story")  # fmt: skip
_WHOLES = ("the film", "the movie", "the picture", "the whole", "the result")
_DEGREES = ("", "", "really ", "truly ", "so ", "rather ")


class _Clause(NamedTuple):
    text: str
    words: tuple[str, ...]  # what it is about and how it calls it


def make(draw: Draw, domain: str) -> Item:
    """A review in one sentence; 1 where it is positive."""
    positive = bool(draw.below(2))
    text, words = draw.of(_SENTENCES)(draw, positive)
    return Item(" ".join(sorted(words)), (f"{text} ." if draw.chance(50) else text,), int(positive))


def _says(draw: Draw, subjects: tuple[str, ...], positive: bool) -> _Clause:
    """A clause about one thing, plain or negated."""
    subject = draw.of(subjects)
    plain = draw.chance(70)
    word = draw.of(_WORDS[positive == plain])
    if plain:
        return _Clause(f"{subject} is {draw.of(_DEGREES)}{word}", (subject, word))
    pattern = draw.of(
        (
            "{subject} is not {word}",
            "{subject} is never {word}",
            "{subject} is far from {word}",
            "{subject} is anything but {word}",
            "nobody would call {subject} {word}",
            "there is nothing {word} about {subject}",
        )
    )
    return _Clause(pattern.format(subject=subject, word=word), (subject, word))


def _single(draw: Draw, positive: bool) -> tuple[str, tuple[str, ...]]:
    said = _says(draw, _PARTS + _WHOLES, positive)
    return said.text, said.words


def _contrast(draw: Draw, positive: bool) -> tuple[str, tuple[str, ...]]:
    """What is said of the whole, after "but" or beside "although", decides."""
    part, whole = _says(draw, _PARTS, draw.chance(50)), _says(draw, _WHOLES, positive)
    pattern = draw.of(
        (
            "{part} , but {whole}",
            "although {part} , {whole}",
            "{whole} , even though {part}",
            "{part} ; still , {whole}",
        )
    )
    return pattern.format(part=part.text, whole=whole.text), part.words + whole.words


def _quality(draw: Draw, positive: bool) -> tuple[str, tuple[str, ...]]:
    has = draw.chance(70)
    subject, quality = draw.of(_PARTS + _WHOLES), draw.of(_QUALITIES[positive == has])
    patterns = ("{s} has plenty of {q}", "{s} is full of {q}") if has else ("{s} is free of {q}", "{s} lacks any {q}")
    return draw.of(patterns).format(s=subject, q=quality), (subject, quality)


def _attempt(draw: Draw, positive: bool) -> tuple[str, tuple[str, ...]]:
    """What it turns out to be decides, not what it tries or promises."""
    subject, aim, end = draw.of(_WHOLES), draw.of(_WORDS[draw.chance(50)]), draw.of(_WORDS[positive])
    pattern = draw.of(
        ("{s} starts out {a} and ends up {e}", "{s} looks {a} at first and turns out {e}", "once {a} , {s} is now {e}")
    )
    return pattern.format(s=subject, a=aim, e=end), (subject, aim, end)


_SENTENCES: tuple[Callable[[Draw, bool], tuple[str, tuple[str, ...]]], ...] = (
    _single, _single, _contrast, _contrast, _quality, _attempt,
)  # fmt: skip

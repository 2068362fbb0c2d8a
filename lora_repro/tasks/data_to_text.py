"""Data-to-text: what a task is, and one split of it as text.

An input is a meaning representation (E2E) or a set of triples (WebNLG, DART), written on one line, a chat (SAMSum), or
the columns of a table with a question (WikiSQL); people have written several texts for most of the first two kinds.
Training takes every pair; decoding takes every distinct input once, and all texts of equal inputs are its references,
as in the official code (``gpt2_decode.py``).
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from lora_repro.errors import ConfigError, DataError
from lora_repro.tasks.examples import SUBSET_SEED

SPLITS = ("train", "validation", "test")

SEEN_CATEGORIES = frozenset(
    {
        "Airport", "Astronaut", "Building", "City", "ComicsCharacter",
        "Food", "Monument", "SportsTeam", "University", "WrittenWork",
    }
)  # fmt: skip
"""WebNLG 2017: the categories of the training set. The test set has these and five that were never seen."""


@dataclass(frozen=True)
class DataToTextTask:
    """A task of texts for inputs, as Tables 3, 4, 13 and 14 have them.

    Attributes:
        name: "e2e", "webnlg", "dart", "samsum" or "wikisql".
        folder: its folder under ``data.dir``.
        protocol: how it is scored; a key of `lora_repro.metrics.text.score.METRICS`.
        headline: the metric that tells runs apart.
        pairs: (input, text) pairs of the official train, validation and test splits.
        groups: the groups of inputs that are scored apart.
        scored: the split whose inputs are decoded and scored: the one that the paper reports.
        cut: what a pair that is too long loses: tokens at its end, as in the official code, or at its input's
            beginning, as every input that is too long does in decoding.
    """

    name: str
    folder: str
    protocol: Literal["e2e", "triples", "summaries", "sql"]
    headline: str
    pairs: tuple[int, int, int]
    groups: tuple[str, ...] = ("all",)
    scored: Literal["validation", "test"] = "test"
    cut: Literal["end", "input"] = "end"

    @property
    def scored_as(self) -> str:
        """The scored split's name in a record, where a validation split beside it tells the loss."""
        return self.scored if self.scored == "test" else f"{self.scored}_decoded"


DATA_TO_TEXT: dict[str, DataToTextTask] = {
    "e2e": DataToTextTask("e2e", "e2e", "e2e", "BLEU", (42_061, 4_672, 4_693)),
    "webnlg": DataToTextTask("webnlg", "webnlg", "triples", "BLEU", (18_025, 2_258, 4_928), ("seen", "unseen", "all")),
    "dart": DataToTextTask("dart", "dart", "triples", "BLEU", (62_659, 6_980, 12_552)),
    "samsum": DataToTextTask("samsum", "samsum", "summaries", "R1", (14_732, 818, 819), cut="input"),
    "wikisql": DataToTextTask(
        "wikisql", "wikisql", "sql", "LF", (56_355, 8_421, 15_878), scored="validation", cut="input"
    ),
}


class Pair(NamedTuple):
    """One training example: the input on one line, a text for it, and its category (WebNLG; else None)."""

    context: str
    completion: str
    category: str | None = None


@dataclass(frozen=True)
class DataToTextExamples:
    """One split, in the order of the source.

    Attributes:
        pairs: every (input, text) pair; what is trained on, and what validation loss is taken over.
        inputs: the distinct inputs, in order of first appearance; what is decoded.
        references: for each input its texts, in order; empty ones are left out.
        categories: for each input its category, or None where the task has none.
        entries: the input of each entry of the source (E2E: of each line); equal inputs may stand in several entries.
        source: ``"local"`` or ``"hub"``.
        fingerprint: 16 hex digits of the SHA-256 of the pairs; the source does not enter.
    """

    pairs: list[Pair]
    inputs: list[str]
    references: list[list[str]]
    categories: list[str] | None
    entries: list[str]
    source: str
    fingerprint: str

    def __len__(self) -> int:
        return len(self.pairs)

    def groups(self) -> dict[str, list[int]]:
        """Positions in `inputs` by group: "seen" and "unseen" categories where there are categories, and "all"."""
        every = list(range(len(self.inputs)))
        if self.categories is None:
            return {"all": every}
        seen = [i for i in every if self.categories[i] in SEEN_CATEGORIES]
        unseen = [i for i in every if self.categories[i] not in SEEN_CATEGORIES]
        return {"seen": seen, "unseen": unseen, "all": every}

    def by_entry(self, outputs: Sequence[str]) -> list[str]:
        """One output per entry of the source from one per distinct input: DART's own references are by entry."""
        by_input = dict(zip(self.inputs, outputs, strict=True))
        return [by_input[context] for context in self.entries]

    def first_pairs(self, limit: int | None) -> "DataToTextExamples":
        """The first `limit` pairs after a fixed shuffle, for training on a part; None: all.

        A larger limit holds all pairs of a smaller one.
        """
        if limit is None or limit >= len(self.pairs):
            return self
        chosen = _chosen(limit, len(self.pairs))
        return collect_pairs([self.pairs[i] for i in chosen], self.source)

    def first_inputs(self, limit: int | None) -> "DataToTextExamples":
        """The first `limit` distinct inputs after a fixed shuffle with all their pairs; None: all."""
        if limit is None or limit >= len(self.inputs):
            return self
        kept = {self.inputs[i] for i in _chosen(limit, len(self.inputs))}
        pairs = [pair for pair in self.pairs if pair.context in kept]
        return collect_pairs(pairs, self.source, [entry for entry in self.entries if entry in kept])


def collect_pairs(
    pairs: Sequence[Pair], source: str, entries: Iterable[str] | None = None, lacking: str | None = None
) -> DataToTextExamples:
    """Group pairs by equal input.

    Args:
        entries: the input of each entry of the source; None: that of each pair.
        lacking: what to say where there is no pair; None: that may be.

    Raises:
        DataError: an input has empty texts only, or there is no pair and that may not be.
    """
    if lacking is not None and not pairs:
        raise DataError(lacking)
    texts: dict[str, list[str]] = {}
    categories: dict[str, str | None] = {}
    for pair in pairs:
        texts.setdefault(pair.context, []).append(as_scored(pair.completion))
        categories.setdefault(pair.context, pair.category)  # no input of WebNLG's test set has two categories
    references = [[text for text in group if text] for group in texts.values()]
    for context, group in zip(texts, references, strict=True):
        if not group:
            raise DataError(f"input {context!r}: expected at least one text, found empty ones only")
    named = [category for category in categories.values() if category is not None]
    return DataToTextExamples(
        pairs=list(pairs),
        inputs=list(texts),
        references=references,
        categories=named if len(named) == len(texts) else None,
        entries=list(entries) if entries is not None else [pair.context for pair in pairs],
        source=source,
        fingerprint=_fingerprint(pairs),
    )


def task_named(name: str) -> DataToTextTask:
    """Look a task up.

    Raises:
        ConfigError: the valid names.
    """
    if name not in DATA_TO_TEXT:
        raise ConfigError(f"no data-to-text task {name!r}; there are {', '.join(DATA_TO_TEXT)}")
    return DATA_TO_TEXT[name]


def as_scored(text: str) -> str:
    """A text, a person's or a model's, as the official code writes it out for scoring (``gpt2_decode.py``): up to an
    end-of-text mark or an empty line."""
    return text.split("<|endoftext|>")[0].split("\n\n")[0].strip()


def _chosen(limit: int, total: int) -> list[int]:
    if limit < 1:
        raise ConfigError(f"task.train_examples/task.eval_examples={limit}: use a number from 1 up, or null for all")
    chosen: list[int] = np.random.default_rng(SUBSET_SEED).permutation(total)[:limit].tolist()
    return chosen


def _fingerprint(pairs: Sequence[Pair]) -> str:
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(json.dumps(pair).encode())  # quoted: no two lists of pairs run alike
    return digest.hexdigest()[:16]

"""Text to pre-train on: documents out of a folder, without what the evaluation sets also say."""

import csv
import json
import lzma
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lora_repro.errors import DataError

HELDOUT = "heldout"  # the file of this stem is never trained on
GRAM = 10  # words: a paragraph that shares so long a run with an evaluation text is dropped

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Corpus:
    """Documents to train on and to measure on; a document is its paragraphs joined by newlines."""

    train: list[str]
    heldout: list[str]
    dropped: dict[str, int]  # file stem -> paragraphs that shared a 10-gram with an evaluation text
    paragraphs: int  # read, the held-out ones included


def read_corpus(folder: Path, evaluation: Path | None) -> Corpus:
    """Read every ``*.txt`` and ``*.txt.xz``: one paragraph a line, an empty line between documents.

    Args:
        evaluation: folder with glue/, e2e/, webnlg/ and dart/; a paragraph that shares `GRAM` consecutive words (case
            and punctuation aside) with a development or test text there is dropped. None: nothing is compared.

    Raises:
        DataError: the folder has no such file or lacks the held-out one.
    """
    files = sorted(path for path in folder.glob("*.txt*") if path.name.endswith((".txt", ".txt.xz")))
    stems = [path.name.split(".")[0] for path in files]
    if HELDOUT not in stems or len(files) < 2:
        raise DataError(f"{folder} holds {stems or 'no .txt or .txt.xz file'}; it needs {HELDOUT}.txt[.xz] and others")
    seen = grams(evaluation_texts(evaluation)) if evaluation else set()
    train: list[str] = []
    heldout: list[str] = []
    dropped = {}
    paragraphs = 0
    for stem, path in zip(stems, files, strict=True):
        into = heldout if stem == HELDOUT else train
        lost = 0
        for document in _documents(path):
            kept = [p for p in document if not seen or seen.isdisjoint(_grams_of(p))]
            paragraphs += len(document)
            lost += len(document) - len(kept)
            if kept:
                into.append("\n".join(kept))
        dropped[stem] = lost
    return Corpus(train, heldout, dropped, paragraphs)


def evaluation_texts(folder: Path) -> Iterator[str]:
    """Every field of every development and test file under `folder`: TSV, CSV, JSON, JSON lines and plain lines.

    Raises:
        DataError: there is no such file.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_evaluation(path)]
    if not files:
        raise DataError(f"{folder} holds no development or test file to compare the corpus with")
    for path in files:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        if path.suffix == ".json":
            yield from _strings(json.loads(text))
        elif path.suffix == ".jsonl":
            for line in text.splitlines():
                yield from _strings(json.loads(line))
        elif path.suffix == ".csv":
            for row in csv.reader(text.splitlines()):
                yield from row
        else:
            for line in text.splitlines():
                yield from re.split(r"\t|\|\|", line)


def grams(texts: Iterable[str]) -> set[tuple[str, ...]]:
    """The runs of `GRAM` words in `texts`."""
    return {gram for text in texts for gram in _grams_of(text)}


def _grams_of(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return (tuple(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1))


def _is_evaluation(path: Path) -> bool:
    name = path.name.lower()
    return path.suffix in (".tsv", ".csv", ".json", ".jsonl", ".txt", ".lex") and (
        name.startswith(("dev", "test", "valid", "diagnostic", "reference")) or "_test" in name or "_valid" in name
    )


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _documents(path: Path) -> Iterator[list[str]]:
    with ExitStack() as stack:
        lines: Iterable[str]
        if path.suffix == ".xz":
            lines = stack.enter_context(lzma.open(path, "rt", encoding="utf-8"))
        else:
            lines = stack.enter_context(path.open(encoding="utf-8"))
        document: list[str] = []
        for line in lines:
            if line.strip():
                document.append(line.strip())
            elif document:
                yield document
                document = []
        if document:
            yield document

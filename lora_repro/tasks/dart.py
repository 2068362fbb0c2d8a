"""DART v1.1.1 (Nan et al. 2021): sets of triples from tables, WebNLG and E2E, to text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

from lora_repro.errors import DataError
from lora_repro.tasks.data_to_text import DataToTextExamples
from lora_repro.tasks.jsonfile import member, read_json, typed
from lora_repro.tasks.textfile import damaged, read_lines, shown
from lora_repro.tasks.triples import Described, Triple, examples_of_triples

STEMS = {"train": ("train",), "validation": ("dev", "validation"), "test": ("test",)}
OFFICIAL = "dart-v1.1.1-full-{}.json"
REFERENCE_NAMES = (
    "reference{}.lex",
    "all-delex-reference{}.lex",
    "reference{}",
)  # DART's own; last: LoRA's for eval.py


@dataclass(frozen=True)
class Entry:
    """One set of triples and its texts."""

    triples: list[Triple]
    texts: list[str]


def find(split: str, folder: Path) -> Path | None:
    """The split's file in a folder, under a short name or the official one."""
    names = (name for stem in STEMS[split] for name in (f"{stem}.json", OFFICIAL.format(stem)))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read(path: Path) -> DataToTextExamples:
    """Read a JSON file: a list of ``{"tripleset": [[s, r, o], ...], "annotations": [{"text": ...}, ...]}``.

    Raises:
        DataError: names the file and the line or entry.
    """
    return examples_of(json_entries(path), "local", str(path))


def examples_of(entries: Iterable[Entry], source: str, name: str) -> DataToTextExamples:
    """Examples of all texts, the relations in lower case (see `examples_of_triples`).

    Args:
        name: of the source, for messages.

    Raises:
        DataError: there is no text.
    """
    sets = (
        Described([(subject, relation.lower(), value) for subject, relation, value in entry.triples], entry.texts)
        for entry in entries
    )
    return examples_of_triples(sets, source, f"{name}: expected texts under 'annotations', found none")


def json_entries(path: Path) -> Iterator[Entry]:
    """The entries of a JSON file. A text that is null is an empty one: the official test set has one such.

    Raises:
        DataError: names the entry that is damaged.
    """
    for number, item in enumerate(typed(read_json(path), list, str(path)), start=1):
        where = f"{path}, entry {number}"
        record = typed(item, dict, where)
        triples = [triple_of(triple, where) for triple in member(record, "tripleset", list, where)]
        annotations = [typed(one, dict, where) for one in member(record, "annotations", list, where)]
        texts = ["" if one.get("text", "") is None else member(one, "text", str, where) for one in annotations]
        if not triples or not any(text.strip() for text in texts):
            raise DataError(f"{where}: expected triples and a text, found {len(triples)} triples, {len(texts)} texts")
        yield Entry(triples, texts)


def triple_of(triple: object, where: str) -> Triple:
    """A triple from a list of three texts.

    Raises:
        DataError: it is none.
    """
    if not (isinstance(triple, list) and len(triple) == 3 and all(isinstance(part, str) for part in triple)):
        raise DataError(f"{where}: expected [subject, relation, object], found {shown(repr(triple))}")
    return triple[0], triple[1], triple[2]


def read_references(folder: Path) -> list[list[str]]:
    """References in columns: files ``reference0.lex``, ``reference1.lex``, ...; a line per entry, empty where the
    entry has fewer texts.

    DART's own evaluation has three such files. Their lines are the first three texts of each entry of the test set
    (`DataToTextExamples.by_entry`), lower-cased and cut into words as `metrics.text.tokenise.separate` does. The
    official LoRA code does not use them: it groups all texts of equal inputs and writes six files ``reference0`` to
    ``reference5``, which are read as well.

    Raises:
        DataError: there is no such file, the files differ in length, or an entry has no reference; with file and line.
    """
    paths = _reference_paths(folder)
    columns = [_padded_lines(path) for path in paths]
    total = max(map(len, columns))
    for path, column in zip(paths, columns, strict=True):
        if len(column) != total:
            raise DataError(f"{path}: expected {total} lines like the other reference files, found {len(column)}")
    references = [[text.strip() for text in texts if text.strip()] for texts in zip(*columns, strict=True)]
    bare = next((number for number, texts in enumerate(references, start=1) if not texts), None)
    if bare is not None:
        raise damaged(paths[0], bare, "a reference", "none here, nor in the other reference files")
    return references


def _reference_paths(folder: Path) -> list[Path]:
    for name in REFERENCE_NAMES:
        paths = list(takewhile(Path.is_file, (folder / name.format(i) for i in count())))
        if paths:
            return paths
    raise DataError(f"{folder}: expected reference files {REFERENCE_NAMES[0].format(0)}, ..., found none")


def _padded_lines(path: Path) -> list[str]:
    """All lines, also the empty ones at the end, which stand for entries without a second or third reference."""
    lines, _ = read_lines(path)
    ends = path.read_bytes().count(b"\n") + (not path.read_bytes().endswith(b"\n"))
    return lines + [""] * (ends - len(lines))

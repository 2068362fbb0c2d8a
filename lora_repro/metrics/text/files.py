"""Files of outputs and of references. Compressed text files (.gz, .xz) are read as what they hold."""

import gzip
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_repro.errors import DataError
from lora_repro.tasks import dart, e2e
from lora_repro.tasks.data_to_text import DataToTextExamples, DataToTextTask
from lora_repro.tasks.load_text import READERS
from lora_repro.tasks.textfile import damaged, read_lines, shown

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open}


@dataclass(frozen=True)
class References:
    """What outputs are scored against.

    Attributes:
        texts: (n,) lists of references, one list per input, in the order of the outputs.
        groups: positions in `texts` by group, "all" among them.
    """

    texts: list[list[str]]
    groups: dict[str, list[int]]


def read_outputs(path: Path, *, allow_empty: bool = False) -> list[str]:
    """A file of outputs, one per line.

    Raises:
        DataError: missing, not UTF-8, empty, or (unless allowed) with an empty line; with the line.
    """
    lines = _all_lines(path)
    if not allow_empty:
        while lines and not lines[-1].strip():
            lines.pop()
        empty = next((number for number, line in enumerate(lines, start=1) if not line.strip()), None)
        if empty is not None:
            raise damaged(path, empty, "an output", "an empty line; --allow-empty scores it as it is")
    return [line.strip() for line in lines]


def read_references(path: Path, task: DataToTextTask) -> References:
    """References in any form that the task's data or its official scripts have.

    A CSV file or a ``||`` file of E2E, a data file of another task (JSON, JSON lines, XML), a folder of reference files
    (`dart.read_references`), or a text file of groups (`read_groups`).

    Raises:
        DataError: with file and line.
    """
    if path.is_dir() and not any(path.rglob("*.xml")):
        return _ungrouped(dart.read_references(path))
    if task.name == "e2e" and path.suffix.lower() == ".csv":
        return _of(e2e.read(path))
    if path.is_dir() or path.suffix.lower() in (".json", ".jsonl", ".xml"):
        if task.name == "e2e":
            raise DataError(f"{path}: expected references of E2E as .csv or text; for the other tasks set --task")
        return _of(READERS[task.name].read(path))
    if task.name == "e2e" and any("||" in line for line in _all_lines(path)[:1]):
        return _of(e2e.read(path))
    return _ungrouped(read_groups(path))


def read_groups(path: Path) -> list[list[str]]:
    """References as the official E2E scorer takes them: one per line, an empty line between inputs. A file without
    empty lines has one reference per input.

    Raises:
        DataError: two empty lines in a row, or one at the start: an input without references; with the line.
    """
    groups: list[list[str]] = [[]]
    lines = [line.strip() for line in _all_lines(path)]
    while lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=1):
        if line:
            groups[-1].append(line)
        elif groups[-1]:
            groups.append([])
        else:
            raise damaged(path, number, "a reference", f"an empty line: input {len(groups)} would have no references")
    return [[line] for line in groups[0]] if len(groups) == 1 else groups


def _all_lines(path: Path) -> list[str]:
    """Every line, empty ones at the end too (`read_lines` leaves those out)."""
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None:
        lines, _ = read_lines(path)
        ends = path.read_bytes().count(b"\n") + (not path.read_bytes().endswith(b"\n"))
        return lines + [""] * (ends - len(lines))
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            text: str = file.read()
    except (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected compressed UTF-8 text, found {shown(str(error), 80)}") from None
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _of(examples: DataToTextExamples) -> References:
    return References(examples.references, examples.groups())


def _ungrouped(texts: list[list[str]]) -> References:
    return References(texts, {"all": list(range(len(texts)))})

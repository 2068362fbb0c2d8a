"""The record of an analysis: its settings, what it found, where it was found. One JSON file, written atomically.

As with runs, the identity is a hash of the settings that decide the numbers, and a record means done: the same analysis
of the same checkpoints has the same name and is not made twice. Times depend on the machine, so a latency's settings
hold the device, the threads and the precision.
"""

import dataclasses
import hashlib
import json
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from lora_repro.analysis.results import KINDS, Result
from lora_repro.errors import DataError
from lora_repro.records import Environment, write_atomically

SCHEMA = 1
ROOT = "results/analysis"
"""Where the records of analyses lie, apart from those of runs."""

_IDENTITY_LENGTH = 12
_T = TypeVar("_T")


@dataclass(frozen=True)
class AnalysisRecord:
    """A finished analysis."""

    schema: int
    kind: str  # a key of KINDS
    name: str  # what it is about, part of the file's name, e.g. "gpt2-medium-b1-t128"
    identity: str
    settings: dict[str, Any]
    result: Result
    command: str
    environment: Environment
    finished: str  # UTC, ISO 8601


def identity(kind: str, settings: Mapping[str, Any]) -> str:
    """12 hex digits that name an analysis."""
    canonical = json.dumps({"kind": kind, "settings": settings}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_IDENTITY_LENGTH]


def record_path(root: str | Path, kind: str, name: str, settings: Mapping[str, Any]) -> Path:
    """``<root>/<kind>/<name>-<identity>.json``."""
    return Path(root, kind, f"{name}-{identity(kind, settings)}.json")


def keep(
    root: str | Path,
    kind: str,
    name: str,
    settings: dict[str, Any],
    make: Callable[[], Result],
    environment: Callable[[], Environment],
    command: str,
) -> tuple[AnalysisRecord, Path]:
    """The record of these settings: read if it is there, else made, written and returned, with its path.

    Args:
        make: makes the result; called only when there is no record.
        environment: called after `make`, so that it says what the analysis set up (threads).
    """
    path = record_path(root, kind, name, settings)
    if path.exists():
        return load(path), path
    result = make()
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    record = AnalysisRecord(
        SCHEMA, kind, name, identity(kind, settings), settings, result, command, environment(), finished
    )
    save(path, record)
    return record, path


def save(path: Path, record: AnalysisRecord) -> None:
    """Write a record, atomically; a row of a matrix is one line of the file."""
    write_atomically(path, (_lines(dataclasses.asdict(record)) + "\n").encode())


def load(path: Path) -> AnalysisRecord:
    """Read one record.

    Raises:
        DataError: the file is not such a record; the message names it and what is wrong.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA:
            raise DataError(f"{path}: analysis of schema {raw['schema']}, this version reads {SCHEMA}; make it again")
        result: Any = decode(KINDS[raw["kind"]], raw["result"])
        return AnalysisRecord(**{**raw, "result": result, "environment": decode(Environment, raw["environment"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: not the record of an analysis ({type(error).__name__}: {error}); delete it and make it again"
        ) from error


def load_all(root: str | Path = ROOT) -> tuple[list[AnalysisRecord], list[str]]:
    """All records below `root`, in a fixed order, and one message for each file that is none."""
    found: list[AnalysisRecord] = []
    damaged: list[str] = []
    for path in sorted(Path(root).rglob("*.json")):
        try:
            found.append(load(path))
        except DataError as error:
            damaged.append(str(error))
    return found, damaged


def decode(kind: type[_T], value: Any) -> _T:
    """JSON values as the dataclass, list, dict or plain type `kind`; TypeError naming what does not fit."""
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        if not isinstance(value, dict) or set(value) - set(hints):
            raise TypeError(f"{kind.__name__} cannot be made of {str(value)[:60]}")
        return cast(_T, kind(**{key: decode(hints[key], own) for key, own in value.items()}))
    origin, inner = get_origin(kind), get_args(kind)
    if origin is list:
        return cast(_T, [decode(inner[0], item) for item in _of(list, value)])
    if origin is dict:
        return cast(_T, {key: decode(inner[1], item) for key, item in _of(dict, value).items()})
    if origin in (Union, types.UnionType):  # X | None
        return cast(_T, None if value is None else decode(inner[0], value))
    return cast(_T, float(value) if kind is float and type(value) is int else _of(kind, value))


def _of(kind: type[Any], value: Any) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"expected {kind.__name__}, got {str(value)[:60]}")
    return value


def _lines(value: Any, depth: int = 0) -> str:
    """JSON, indented by one, with lists of plain values on one line."""
    pad, end = " " * (depth + 1), " " * depth
    if isinstance(value, dict) and value:
        body = ",\n".join(f"{pad}{json.dumps(key)}: {_lines(own, depth + 1)}" for key, own in value.items())
        return f"{{\n{body}\n{end}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        body = ",\n".join(f"{pad}{_lines(item, depth + 1)}" for item in value)
        return f"[\n{body}\n{end}]"
    return json.dumps(value)

"""JSON files, with errors that say where they are damaged."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from lora_repro.errors import DataError
from lora_repro.tasks.textfile import damaged, read_lines, shown

T = TypeVar("T")
_NAMES: dict[type, str] = {dict: "an object", list: "a list", str: "text", int: "a whole number"}


def read_json(path: Path) -> Any:
    """The content of a UTF-8 JSON file.

    Raises:
        DataError: missing, not UTF-8, or not JSON; with the line.
    """
    lines, _ = read_lines(path)
    try:
        return json.loads("\n".join(lines))
    except json.JSONDecodeError as error:
        found = shown(lines[error.lineno - 1]) if error.lineno <= len(lines) else "its end"
        raise damaged(path, error.lineno, "JSON", f"{found} ({error.msg})") from None


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of each line of a UTF-8 file of JSON objects.

    Raises:
        DataError: missing, not UTF-8, or a line that is no JSON object; with the line.
    """
    lines, _ = read_lines(path)
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise damaged(path, number, "a JSON object", f"{shown(line)} ({error.msg})") from None
        if not isinstance(record, dict):
            raise damaged(path, number, "a JSON object", shown(line))
        yield number, record


def typed(value: Any, kind: type[T], where: str) -> T:
    """The value, which must be of a kind (dict, list, str or int).

    Args:
        where: file and place, for the message.

    Raises:
        DataError: it is of another kind.
    """
    if not isinstance(value, kind):
        raise DataError(f"{where}: expected {_NAMES.get(kind, kind.__name__)}, found {shown(repr(value))}")
    return value


def member(record: dict[str, Any], key: str, kind: type[T], where: str) -> T:
    """The value of a key, which must be there and of a kind.

    Raises:
        DataError: the key is missing, or its value is of another kind.
    """
    if key not in record:
        raise DataError(f"{where}: expected the key {key!r}, found {', '.join(map(repr, record)) or 'none'}")
    return typed(record[key], kind, f"{where}, {key!r}")

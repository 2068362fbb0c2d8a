"""JSON-lines files in a task's folder: one object per line, under the hub's or the official file's column names."""

from pathlib import Path

from lora_repro.errors import DataError
from lora_repro.tasks.examples import Examples, collect
from lora_repro.tasks.glue import GlueTask
from lora_repro.tasks.jsonfile import json_lines
from lora_repro.tasks.labels import expected_label, label_of
from lora_repro.tasks.official import LAYOUTS, STEMS
from lora_repro.tasks.textfile import damaged, shown


def find(task: GlueTask, split: str, folder: Path) -> Path | None:
    """The split's file (``train.jsonl``, ``dev_matched.jsonl``, or the hub's split name), or None."""
    candidates = (folder / f"{stem}.jsonl" for stem in (STEMS[split], split))
    return next((path for path in candidates if path.exists()), None)


def read(task: GlueTask, split: str, path: Path) -> Examples:
    """Read one file. Each object has the task's text columns and its label (name, or the hub's id).

    Raises:
        DataError: a line is no JSON object, lacks a key, or has a label that is none of the task's; with file and line.
    """
    layout = LAYOUTS.get(task.name)  # none where there is no official file: a task of one's own
    texts: list[list[str]] = [[] for _ in task.columns]
    labels: list[int | float] = []
    hub_names = (*task.columns, "label")
    official_names = (*layout.texts, layout.label) if layout is not None else hub_names
    for number, row in json_lines(path):
        names = hub_names if hub_names[0] in row else official_names
        missing = [name for name in names if name not in row]
        if missing:
            expected = f"the keys {', '.join(hub_names)}"
            raise damaged(path, number, expected, f"{', '.join(row) or 'none'}: no {', '.join(missing)}")
        *values, raw = (row[name] for name in names)
        for name, column, value in zip(names, texts, values, strict=False):
            if not isinstance(value, str):
                raise damaged(path, number, f"text under {name!r}", shown(repr(value)))
            column.append(value)
        label = label_of(task, raw)
        if label is None:
            raise damaged(path, number, f"{expected_label(task)} under {names[-1]!r}", shown(repr(raw)))
        labels.append(label)
    if not labels:
        raise DataError(f"{path}: expected at least one example, found none")
    return collect(texts, labels, "local")

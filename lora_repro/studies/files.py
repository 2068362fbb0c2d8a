"""``conf/studies/<name>.yaml``: the runs that answer one table or figure, as data.

A study is a grid: model x (parts: methods, their settings) x tasks x seeds. A file holds differences only; what it
does not say comes from the recipe. This file reads and checks; `lora_repro.studies.plan` makes runs of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from lora_repro.checks import did_you_mean
from lora_repro.errors import ConfigError
from lora_repro.overrides import METHODS, choices, config_dir

FOLDER = "studies"  # of conf/; not "study": Hydra would take the setting study=... for a choice of that folder's files

CUSTOM = "custom"  # the recipe of a study that sets every value itself

INIT_TASKS = ("mrpc", "rte", "stsb")
"""Tasks that start from the method's own MNLI run in the paper (section 5.2); `init_from: mnli` means these."""


@dataclass(frozen=True)
class Part:
    """Rows of a table that share their settings."""

    methods: tuple[str, ...]
    row: str | None = None  # as the paper calls it; None: the method's name
    tasks: tuple[str, ...] | None = None  # None: the study's
    models: tuple[str, ...] | None = None  # only for these; None: for every model
    not_models: tuple[str, ...] = ()  # for every model but these
    recipe: str | None = None  # source; None: the study's
    init_from: str | None = None  # "mnli": MRPC, RTE and STS-B start from the MNLI run of the same settings and seed
    set: tuple[str, ...] = ()  # settings of every run
    by_task: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # more settings for some tasks
    vary: tuple[tuple[str, ...], ...] = ((),)  # one row for each: its own settings


@dataclass(frozen=True)
class StudyFile:
    """What one file of conf/studies says."""

    name: str
    answers: str  # e.g. "Table 2"
    models: tuple[str, ...]  # the paper's; the first is the default, any other may be asked for
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    parts: tuple[Part, ...]
    set: tuple[str, ...] = ()  # settings of every run
    by_task: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # more settings for some tasks, in every part
    recipe: str | None = None  # source, where it has what the model asks for; None: paper, official, mini in this order
    statistic: str = "median"  # over seeds: median (GLUE) or mean (data-to-text)

    @property
    def plain(self) -> bool:
        """A grid without differences: takes any method and any task that is asked for."""
        return len(self.parts) == 1 and self.parts[0] == Part(self.parts[0].methods)

    def gives_way(self, source: str | None) -> bool:
        """Is the study its own recipe (`recipe: custom`), and another source asked for? Its question is then put to
        another backbone by that source's values, and may be put to any task that those know."""
        return self.recipe == CUSTOM and source not in (None, CUSTOM)

    def of_task(self, part: Part, task: str) -> tuple[str, ...]:
        """The settings that a part's runs have on one task more than on others."""
        return (*self.by_task.get(task, ()), *part.by_task.get(task, ()))

    def parts_for(self, model: str) -> list[Part]:
        """The rows that the table has for a model; for one that is not in the paper, those that are for any."""
        return [part for part in self.parts if model not in part.not_models and model in (part.models or (model,))]


def names() -> list[str]:
    """All study files, sorted."""
    return choices(FOLDER)


def split_name(text: str) -> tuple[str, str | None]:
    """``table2-roberta-base`` -> (``table2``, ``roberta-base``); ``table2`` -> (``table2``, None).

    Raises:
        ConfigError: no such study, or no such model after the study's name.
    """
    known = names()
    if text in known:
        return text, None
    models = choices("model")
    for name in sorted(known, key=len, reverse=True):
        if text.startswith(f"{name}-"):
            model = text[len(name) + 1 :]
            if model not in models:
                hint = did_you_mean(model, models)
                raise ConfigError(f"study {text}: no model {model!r}, choose from {', '.join(models)}{hint}")
            return name, model
    raise ConfigError(
        f"no study {text!r}, choose from {', '.join(known)} (-MODEL may follow){did_you_mean(text, known)}"
    )


def read(name: str) -> StudyFile:
    """One study.

    Raises:
        ConfigError: an unknown key, method, task or model, or a missing one; the message names the file.
    """
    return parse(config_dir() / FOLDER / f"{name}.yaml")


def parse(path: Path) -> StudyFile:
    """`read` for a file anywhere."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: a study is a mapping with answers, models, tasks, seeds and parts")
    if "runs_of" in raw:
        _known_keys(path, raw, {"answers", "runs_of"})
        other = parse(path.with_name(f"{raw['runs_of']}.yaml"))
        return replace(other, name=path.stem, answers=str(raw["answers"]))
    _known_keys(path, raw, {item.name for item in fields(StudyFile)} - {"name"})
    for key in ("answers", "models", "tasks", "seeds", "parts"):
        if not raw.get(key):
            raise ConfigError(f"{path}: {key} is missing or empty")
    study = StudyFile(
        name=path.stem,
        answers=str(raw["answers"]),
        models=_chosen(path, "models", raw["models"], choices("model")),
        tasks=_chosen(path, "tasks", raw["tasks"], choices("task")),
        seeds=tuple(int(seed) for seed in raw["seeds"]),
        parts=tuple(_part(path, part) for part in raw["parts"]),
        set=_settings(path, raw.get("set")),
        by_task=_by_task(path, raw),
        recipe=raw.get("recipe"),
        statistic=raw.get("statistic", "median"),
    )
    if study.statistic not in ("median", "mean"):
        raise ConfigError(f"{path}: statistic is median or mean, not {study.statistic!r}")
    return study


def _part(path: Path, raw: dict[str, Any]) -> Part:
    _known_keys(path, raw, {item.name for item in fields(Part)})
    if raw.get("init_from", "mnli") != "mnli":
        raise ConfigError(f"{path}: init_from takes mnli, not {raw['init_from']!r}")
    return Part(
        methods=_chosen(path, "methods", raw.get("methods"), METHODS),
        row=raw.get("row"),
        tasks=_chosen(path, "tasks", raw["tasks"], choices("task")) if "tasks" in raw else None,
        models=_chosen(path, "models", raw["models"], choices("model")) if "models" in raw else None,
        not_models=_chosen(path, "not_models", raw["not_models"], choices("model")) if "not_models" in raw else (),
        recipe=raw.get("recipe"),
        init_from=raw.get("init_from"),
        set=_settings(path, raw.get("set")),
        by_task=_by_task(path, raw),
        vary=tuple(_settings(path, items) for items in raw["vary"]) if "vary" in raw else ((),),
    )


def _by_task(path: Path, raw: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    found = raw.get("by_task") or {}
    if found:
        _chosen(path, "by_task", list(found), choices("task"))
    return {task: _settings(path, items) for task, items in found.items()}


def _settings(path: Path, items: Any) -> tuple[str, ...]:
    """``key=value`` items, given as a list or as one text with blanks between."""
    listed = items.split() if isinstance(items, str) else list(items or [])
    wrong = [item for item in listed if not isinstance(item, str) or "=" not in item]
    if wrong:
        raise ConfigError(f"{path}: {wrong[0]!r} is not a setting, write key=value")
    return tuple(listed)


def _chosen(path: Path, key: str, words: Any, valid: Any) -> tuple[str, ...]:
    if not isinstance(words, list) or not words:
        raise ConfigError(f"{path}: {key} must be a list that is not empty")
    for word in words:
        if word not in valid:
            raise ConfigError(f"{path}: {key}: no {word!r}, choose from {', '.join(valid)}{did_you_mean(word, valid)}")
    return tuple(words)


def _known_keys(path: Path, raw: dict[str, Any], valid: set[str]) -> None:
    for key in raw:
        if key not in valid:
            raise ConfigError(f"{path}: no key {key!r}, choose from {', '.join(sorted(valid))}")

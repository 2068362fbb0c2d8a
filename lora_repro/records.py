"""The record: what a finished run leaves, and the only source of tables and figures.

A run's identity is a hash of its science settings (backbone, method, task, recipe, seed, precision asked for,
initialisation); paths, trackers, launchers and devices are not in it. A record is one JSON file, written last and
atomically: a record = done.
"""

import dataclasses
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lora_repro.config import RunConfig
from lora_repro.errors import DataError

SCHEMA = 1
"""Version of the record's layout; raised when a field changes its meaning."""

_IDENTITY_LENGTH = 12  # hex digits: 48 bits, no collision among fewer than a million runs


@dataclass(frozen=True)
class Epoch:
    """One pass over the training data and the evaluation after it."""

    epoch: int  # from 1
    step: int  # optimiser steps since the start of the run
    train_loss: float  # mean over the epoch's examples (data-to-text: scored tokens), dropout on
    eval_loss: float  # mean over all evaluation splits, dropout off (data-to-text: per token, no label smoothing)
    metrics: dict[str, float]  # "<metric>", or "<split>/<metric>" where a task has several evaluation splits
    headline: float | None  # the paper's metric for the task, as a fraction; None: this epoch was not decoded
    collapsed: bool  # the predictions are constant, or the headline metric is no better than chance by construction
    seconds: float  # training and evaluation of this epoch


@dataclass(frozen=True)
class Parameters:
    """Trainable parameters, the head apart (no figure in the paper counts a head), and all of the model's."""

    method: int
    head: int
    total: int


@dataclass(frozen=True)
class Split:
    """What a split held: enough to see that two runs used the same data."""

    examples: int
    source: str  # local | saved | hub | embedded (generated)
    fingerprint: str


@dataclass(frozen=True)
class Cost:
    """What the run took. Times leave out what was lost to an interruption."""

    train_seconds: float
    eval_seconds: float
    train_tokens: int  # real ones: padding is not counted
    tokens_per_second: float  # train_tokens / train_seconds
    peak_memory_bytes: int  # of the process (CPU: resident set; CUDA: allocated)
    seconds_per_step: float | None = None  # train_seconds / optimiser steps; None in records older than the field


@dataclass(frozen=True)
class Decoding:
    """Texts written with one checkpoint, and their scores (data-to-text)."""

    checkpoint: str  # "last" | "best" (lowest validation loss)
    epoch: int
    inputs: int  # distinct ones: each is decoded once
    references: int
    empty: int  # outputs without a word
    unfinished: int  # outputs cut off at max_new_tokens
    scores: dict[str, dict[str, float | str]]  # group of inputs -> metric -> score, or why there is none
    seconds: float  # of decoding alone, what was lost to an interruption left out
    tokens: int  # written, stop tokens included; those of hypotheses that were given up do not count
    tokens_per_second: float
    outputs_sha256: str  # of the file of outputs, one line per input


@dataclass(frozen=True)
class Environment:
    """Where the run took place; no path and no host name."""

    device: str  # "cpu" or "cuda"
    machine: str  # processor or GPU, and cores
    precision: str  # fp32 | bf16, as computed
    threads: int
    processes: int
    versions: dict[str, str]
    commit: str  # of this suite; "unknown" outside a git checkout
    dirty: bool  # the checkout had uncommitted changes to code or configuration


@dataclass(frozen=True)
class Record:
    """A finished run."""

    schema: int
    identity: str
    model: str
    method: str
    task: str
    seed: int
    config: dict[str, Any]  # the science settings, resolved
    command: str
    headline_metric: str
    baseline: float  # headline metric of the constant prediction (majority class or mean score; data-to-text: 0)
    backbone_fingerprint: str
    splits: dict[str, Split]
    parameters: Parameters
    effective_batch: int
    epochs: list[Epoch]
    best: Epoch  # highest headline, the earliest of equals; data-to-text: the epoch that `recipe.decode` names
    last: Epoch
    cost: Cost
    environment: Environment
    finished: str  # UTC, ISO 8601
    study: str | None = None
    decodings: list[Decoding] = field(default_factory=list)  # data-to-text: of the best and of the last epoch


# -- identity --------------------------------------------------------------------------------------------------------


def science(config: RunConfig) -> dict[str, Any]:
    """The settings that decide a run's numbers: what the identity hashes and the record keeps.

    Of `init_from` the last two parts are kept, ``s<seed>-<identity>/best.safetensors`` of the run that it comes from.
    """
    model = {key: getattr(config.model, key) for key in ("name", "architecture", "hub_id", "revision")}
    return {
        "model": model,
        "method": dataclasses.asdict(config.method),
        "task": dataclasses.asdict(config.task),
        "recipe": dataclasses.asdict(config.recipe),
        "seed": config.seed,
        "precision": config.precision,
        "init_from": None if config.init_from is None else "/".join(Path(config.init_from).parts[-2:]),
        **({"data": "embedded"} if config.data.generated else {}),  # real data have no entry, wherever they came from
    }


def identity(config: RunConfig) -> str:
    """12 hex digits that name a run: the same settings give the same name on every machine.

    Settings at their schema default are left out of the hash, so that a setting that a later version adds does not
    rename the runs that were made before it.
    """
    settings = science(config)
    for part in ("method", "task", "recipe"):
        settings[part] = _beside_defaults(getattr(config, part), settings[part])
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_IDENTITY_LENGTH]


def _beside_defaults(node: object, values: dict[str, Any]) -> dict[str, Any]:
    defaults = schema_defaults(type(node))
    return {key: value for key, value in values.items() if key not in defaults or defaults[key] != value}


def schema_defaults(kind: type) -> dict[str, Any]:
    """The defaults of a part of the schema, by name; mandatory settings have none."""
    defaults: dict[str, Any] = {}
    for item in dataclasses.fields(kind):
        if item.default_factory is not dataclasses.MISSING:
            defaults[item.name] = item.default_factory()
        elif item.default is not dataclasses.MISSING:
            defaults[item.name] = item.default
    return defaults


def place(config: RunConfig) -> Path:
    """Where a run stands below `records` and below `runs`: ``<task>/<model>/<method>/s<seed>-<identity>``."""
    return Path(config.task.name, config.model.name, config.method.name, f"s{config.seed}-{identity(config)}")


def describe(record: Record) -> str:
    """A finished run in one line."""
    collapsed = ", COLLAPSED: it answers the same whatever the input" if record.last.collapsed else ""
    return (
        f"{record.task}, {record.method} on {record.model}, seed {record.seed}: {record.headline_metric} "
        f"{record.best.headline:.4f} (best, epoch {record.best.epoch} of {len(record.epochs)}), "
        f"{record.last.headline:.4f} (last), {record.baseline:.4f} (constant answer){collapsed}"
    )


def outputs_path(record_file: Path, checkpoint: str) -> Path:
    """Where the texts of a decoding are kept, compressed, beside the record: one line per distinct input."""
    return record_file.with_name(f"{record_file.stem}.{checkpoint}.txt.gz")


# -- the store -------------------------------------------------------------------------------------------------------


def record_path(config: RunConfig) -> Path:
    """The file that a finished run of `config` leaves."""
    return Path(config.records, f"{place(config)}.json")


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` so that whoever reads, or is killed, at any moment finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp's 0600 would hide records from the other users of a cluster
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def save(path: Path, record: Record) -> None:
    """Write a record, atomically."""
    write_atomically(path, (json.dumps(dataclasses.asdict(record), indent=1) + "\n").encode())


def load(path: Path) -> Record:
    """Read one record.

    Raises:
        DataError: the file is not a record of this schema; the message names the file and what is wrong with it.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA:
            raise DataError(f"{path}: record of schema {raw['schema']}, this version reads {SCHEMA}; run it again")
        nested: dict[str, Any] = {
            "splits": {name: Split(**split) for name, split in raw["splits"].items()},
            "parameters": Parameters(**raw["parameters"]),
            "epochs": [Epoch(**epoch) for epoch in raw["epochs"]],
            "best": Epoch(**raw["best"]),
            "last": Epoch(**raw["last"]),
            "cost": Cost(**raw["cost"]),
            "environment": Environment(**raw["environment"]),
            "decodings": [Decoding(**decoding) for decoding in raw.get("decodings", [])],
        }
        return Record(**{**raw, **nested})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: not a record ({type(error).__name__}: {error}); delete it and run it again"
        ) from error


def find(config: RunConfig) -> Record | None:
    """The record of `config`, if it is done."""
    path = record_path(config)
    return load(path) if path.exists() else None


def load_all(root: str | Path) -> tuple[list[Record], list[str]]:
    """All records below `root`, in a fixed order, and one message for each file that is not a record."""
    found: list[Record] = []
    damaged: list[str] = []
    for path in sorted(Path(root).rglob("*.json")):
        try:
            found.append(load(path))
        except DataError as error:
            damaged.append(str(error))
    return found, damaged

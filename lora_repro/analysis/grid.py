"""The cells of Table 1 and Figure 5, measured one after another, each kept as a record: stop and go on at any time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lora_repro.analysis.latency import MIN_ROUNDS, estimate, measure
from lora_repro.analysis.record import AnalysisRecord, keep, record_path
from lora_repro.analysis.results import BLOCK, PASS, Latency
from lora_repro.analysis.variants import Variant, random_backbone, variants
from lora_repro.config import AdapterConfig, LoRAConfig, ModelConfig
from lora_repro.environment import describe, machine
from lora_repro.errors import ConfigError
from lora_repro.models.architectures import architecture
from lora_repro.models.dims import Dims
from lora_repro.models.load import transformers_config
from lora_repro.models.sites import block_modules

TABLE1 = ((1, 128, (("adapter_l", 224), ("adapter_h", 112))),
          (16, 256, (("adapter_l", 224), ("adapter_h", 112))),
          (32, 512, (("adapter_l", 9), ("adapter_h", 5))))  # fmt: skip
"""Batch, length and adapters (11M, 11M, 0.5M parameters in GPT-2 medium) of Table 1's columns."""

FIGURE5_SIZES = (10, 100, 250)
FIGURE5 = tuple(
    (batch, length, tuple((method, r) for method in ("adapter_l", "adapter_h") for r in FIGURE5_SIZES))
    for length in (128, 256, 512)
    for batch in (1, 2, 4, 8, 16, 32)
)
"""Figure 5's grid; its r = 0 is the base model."""

GRIDS = {"table1": TABLE1, "figure5": FIGURE5}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Cell:
    """One batch size and length, and the adapters that are timed there."""

    batch: int
    length: int
    adapters: tuple[tuple[str, int], ...]  # (method, r)

    @property
    def tokens(self) -> int:
        """In one pass."""
        return self.batch * self.length


@dataclass(frozen=True)
class Conditions:
    """How the cells of a grid are measured."""

    precision: str = "fp32"  # fp32 | bf16
    device: str = "cpu"
    trials: int = 100  # rounds
    warmup: int = 2  # untimed passes of each variant
    cell_seconds: float | None = None  # stop a cell after so long, but not before MIN_ROUNDS
    turns: str = PASS  # pass | block: what the variants take turns by; block where passes take long, on a CPU
    minutes: float | None = None  # begin no cell that would not fit into what is left of them


def measure_grid(
    model: ModelConfig,
    cells: Sequence[Cell],
    conditions: Conditions,
    lora: LoRAConfig,
    adapter: Callable[[str, int], AdapterConfig],
    root: str | Path,
    command: str,
    say: Callable[[str], None] = print,
) -> list[AnalysisRecord]:
    """Measure the cells that have no record yet, the smallest first; returns all that are done.

    Args:
        adapter: the configuration of an adapter method at a size.
        root: folder of the records.
        say: told what is done, and what is left out and why.

    Raises:
        ConfigError: the precision is not known, the device is not there, or the model is too short.
    """
    if conditions.precision not in DTYPES:
        raise ConfigError(f"--precision {conditions.precision} is not one of {', '.join(DTYPES)}")
    if conditions.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda, but PyTorch finds no CUDA device here; choose --device cpu")
    if conditions.device != "cpu" and conditions.turns == BLOCK:
        raise ConfigError(f"--turns block is for passes that take minutes; on {conditions.device} leave it out")
    device = torch.device(conditions.device)
    dims = Dims.of(transformers_config(model))
    longest = max(cell.length for cell in cells)
    if dims.positions and longest > dims.positions:
        raise ConfigError(f"--length {longest} is more than the {dims.positions} positions of {model.name}")
    begin, done = time.perf_counter(), []
    built: list[Variant] = []
    built_for: tuple[tuple[str, int], ...] | None = None
    for cell in sorted(cells, key=lambda cell: cell.tokens):
        name, settings = _name(model, cell, conditions), _settings(model, cell, conditions, lora, device)
        path = record_path(root, "latency", name, settings)
        if not path.exists():
            if built_for != cell.adapters:
                built = []  # gives the memory back before the next set is made
                built = _build(model, lora, [adapter(*size) for size in cell.adapters], conditions, device)
                built_for = cell.adapters
            pass_seconds = estimate(built[0].model, cell.batch, cell.length)
            warmup = conditions.warmup / (1 if device.type == "cuda" else cell.batch)  # in passes of the whole batch
            needed = pass_seconds * len(built) * (warmup + MIN_ROUNDS[conditions.turns]) / 60
            left = None if conditions.minutes is None else conditions.minutes - (time.perf_counter() - begin) / 60
            if left is not None and needed > left:
                say(f"{name}: left out, it takes at least {needed:.1f} min and {left:.1f} are left; call again")
                continue
            say(f"{name}: about {pass_seconds:.2f} s a pass, {len(built)} variants")
        record, path = keep(
            root,
            "latency",
            name,
            settings,
            partial(_measure, built, model, dims.vocab, cell, conditions),
            partial(describe, device, conditions.precision, 1),
            command,
        )
        say(f"{name}: {path}")
        done.append(record)
    return done


def _measure(
    built: Sequence[Variant], config: ModelConfig, vocabulary: int, cell: Cell, conditions: Conditions
) -> Latency:
    sites = architecture(config.architecture)
    by_block = [block_modules(own.model, sites) for own in built]
    return measure(
        built,
        config.name,
        vocabulary,
        cell.batch,
        cell.length,
        trials=conditions.trials,
        warmup=conditions.warmup,
        seconds=conditions.cell_seconds,
        blocks=by_block if conditions.turns == BLOCK else None,
    )


def _build(
    model: ModelConfig,
    lora: LoRAConfig,
    adapters: list[AdapterConfig],
    conditions: Conditions,
    device: torch.device,
) -> list[Variant]:
    backbone = random_backbone(model)
    backbone.model.to(device)
    return variants(backbone, lora, adapters, DTYPES[conditions.precision])


def _name(model: ModelConfig, cell: Cell, conditions: Conditions) -> str:
    return f"{model.name}-{conditions.precision}-b{cell.batch}-t{cell.length}"


def _settings(
    model: ModelConfig, cell: Cell, conditions: Conditions, lora: LoRAConfig, device: torch.device
) -> dict[str, Any]:
    """What decides a cell's times. The number of rounds is not in it: a cell is measured once."""
    return {
        "model": model.name,
        "dims": model.dims,
        "batch": cell.batch,
        "length": cell.length,
        "adapters": [list(size) for size in cell.adapters],
        "lora": {key: asdict(lora)[key] for key in ("r", "targets")},
        "precision": conditions.precision,
        "device": conditions.device,
        "machine": machine(device),
        "threads": torch.get_num_threads(),
        **({"turns": conditions.turns} if conditions.turns != PASS else {}),  # younger than the first records
    }

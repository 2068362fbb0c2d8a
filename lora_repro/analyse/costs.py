"""``analyse latency``, ``memory`` and ``switching``: what a method costs (sections 3, 4.1 and 4.2)."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from lora_repro.analyse.arguments import (
    adapter,
    adapter_sizes,
    add_model,
    add_records,
    command,
    finish,
    label,
    listed,
    lora,
    on_cpu,
    read,
    refuse_absent,
    say,
)
from lora_repro.analysis.record import keep
from lora_repro.errors import ConfigError
from lora_repro.exchange import model_config
from lora_repro.report.parts import method_config

MEMORY_METHODS = ("ft", "ft_top2", "bitfit", "adapter_h", "adapter_l", "pre_embed", "pre_layer", "lora")


def add_latency(parser: argparse.ArgumentParser) -> None:
    """forward passes of FT = merged LoRA, unmerged LoRA and adapters (Table 1, Figure 5)"""
    parser.add_argument("--grid", choices=("table1", "figure5", "cell"), default="table1")
    parser.add_argument("--batch", type=int, help="with --grid cell")
    parser.add_argument("--length", type=int, help="with --grid cell: tokens")
    parser.add_argument("--adapters", help="with --grid cell, e.g. adapter_l:224,adapter_h:112")
    parser.add_argument("--model", default="gpt2-medium", help="dimensions; weights are random (default: %(default)s)")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, help="of PyTorch on the CPU (default: its own choice)")
    parser.add_argument("--trials", type=int, default=100, help="rounds per cell (default: %(default)s, the paper's)")
    parser.add_argument("--warmup", type=int, default=2, help="untimed passes per variant (default: %(default)s)")
    parser.add_argument("--cell-seconds", type=float, help="end a cell after so long, at least 3 rounds (by block: 1)")
    parser.add_argument(
        "--turns", choices=("pass", "block"), default="pass",
        help="what variants take turns by; block where a pass takes a minute, on a CPU (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, help="begin no cell that does not fit into so many; call again later")
    add_records(parser)


def latency(arguments: argparse.Namespace) -> int:
    for name, least in (("trials", 1), ("warmup", 0), ("threads", 1), ("batch", 1), ("length", 1)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise ConfigError(f"--{name} {value} must be at least {least}")
    cell = (arguments.batch, arguments.length, arguments.adapters)
    if (arguments.grid == "cell") != all(cell) or (arguments.grid != "cell" and any(cell)):
        raise ConfigError("--grid cell needs --batch, --length and --adapters; the other grids take none of them")
    model = model_config(arguments.model)
    sizes = adapter_sizes(arguments.adapters) if arguments.grid == "cell" else ()
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # read as torch is loaded: else its profiler announces each use
    import torch

    from lora_repro.analysis.grid import GRIDS, Cell, Conditions, measure_grid

    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    cells = [Cell(*cell) for cell in GRIDS.get(arguments.grid, ((arguments.batch, arguments.length, sizes),))]
    conditions = Conditions(
        arguments.precision,
        arguments.device,
        arguments.trials,
        arguments.warmup,
        arguments.cell_seconds,
        arguments.turns,
        arguments.minutes,
    )
    records = measure_grid(
        model, cells, conditions, lora(r=4), adapter, arguments.records, command("latency", arguments), say
    )
    if not records:
        print("nothing is measured yet; raise --minutes")
        return 1
    from lora_repro.report.analysis.tables import latency_tables

    for table in latency_tables(records).values():
        print(f"\n{table.markdown()}")
    return 0


def add_memory(parser: argparse.ArgumentParser) -> None:
    """training memory of FT and each method, by part, predicted and measured (section 4.2)"""
    parser.add_argument("--model", default="gpt2-medium", help="dimensions; weights are random (default: %(default)s)")
    parser.add_argument("--methods", default=" ".join(MEMORY_METHODS), help='default: "%(default)s"')
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--predict-only", action="store_true", help="from shapes; build nothing")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int)
    add_records(parser)


def memory(arguments: argparse.Namespace) -> int:
    for name in ("batch", "length"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name} {getattr(arguments, name)} must be at least 1")
    from lora_repro.overrides import choices

    names = listed("--methods", arguments.methods.replace(" ", ","), choices("method"))
    methods = [lora(r=4) if name == "lora" else method_config(name) for name in names]
    model = model_config(arguments.model)
    import torch

    from lora_repro.analysis.probe import memory_of_methods
    from lora_repro.environment import describe, machine

    device = torch.device(arguments.device)
    settings: dict[str, Any] = {
        "model": model.name,
        "dims": model.dims,
        "methods": names,
        "batch": arguments.batch,
        "length": arguments.length,
        "measured": not arguments.predict_only,
        "machine": "" if arguments.predict_only else machine(device),
    }
    record, path = keep(
        arguments.records,
        "memory",
        f"{model.name}-b{arguments.batch}-t{arguments.length}{'-predicted' if arguments.predict_only else ''}",
        settings,
        lambda: memory_of_methods(
            model,
            methods,
            arguments.batch,
            arguments.length,
            device=arguments.device,
            threads=arguments.threads,
            build=not arguments.predict_only,
        ),
        lambda: describe(device, "fp32", 1),
        command("memory", arguments),
    )
    return finish(record, path)


def add_switching(parser: argparse.ArgumentParser) -> None:
    """from task A to task B on one backbone: time and exactness (section 4.1)"""
    parser.add_argument("first", type=Path, help="adapter of this suite")
    parser.add_argument("second", type=Path, help="another one with the same ranks and targets")
    add_model(parser, needed=True)
    parser.add_argument("--trials", type=int, default=10)
    add_records(parser)


def switching(arguments: argparse.Namespace) -> int:
    if arguments.trials < 1:
        raise ConfigError(f"--trials {arguments.trials} must be at least 1")
    refuse_absent([arguments.first, arguments.second])
    from lora_repro.analysis.switching import switching

    first, second = (read(path, arguments) for path in (arguments.first, arguments.second))
    config = model_config(arguments.model, arguments.model_path)
    record, path = keep(
        arguments.records,
        "switching",
        f"{config.name}-{label(first)}-to-{label(second)}",
        {"first": first.note.fingerprint, "second": second.note.fingerprint, "trials": arguments.trials},
        lambda: switching(arguments.first, arguments.second, config, arguments.trials),
        on_cpu,
        command("switching", arguments),
    )
    return finish(record, path)

"""What the analyses' commands share: reading adapters, names of records, and judging arguments without torch."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lora_repro.analysis.record import ROOT, AnalysisRecord
from lora_repro.config import AdapterConfig, LoRAConfig, ModelConfig
from lora_repro.errors import CheckpointError, ConfigError
from lora_repro.exchange import model_config
from lora_repro.report.parts import method_config

if TYPE_CHECKING:
    from lora_repro.analysis.adapters import Updates


def add_model(parser: argparse.ArgumentParser, needed: bool) -> None:
    what = "backbone: a file of conf/model, or a folder" + ("" if needed else "; only for files that do not say it")
    parser.add_argument("--model", required=needed, help=what)
    parser.add_argument("--model-path", help="folder with the backbone; else the hub's cache, else the hub")


def add_records(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", default=ROOT, help="folder of the records (default: %(default)s)")


def read(path: Path, arguments: argparse.Namespace) -> Updates:
    from lora_repro.analysis.adapters import read_updates
    from lora_repro.models.architectures import architecture

    config: ModelConfig | None = model_config(arguments.model, arguments.model_path) if arguments.model else None
    arch = None if config is None else architecture(config.architecture)
    return read_updates(path, arch, getattr(arguments, "alpha", None))


def finish(record: AnalysisRecord, path: Path) -> int:
    from lora_repro.report.analysis.tables import tables_of

    for table in tables_of([record]).values():
        print(f"\n{table.markdown()}")
    say(f"record: {path}")
    return 0


def label(updates: Updates) -> str:
    """For a record's file name: ``mrpc-r8-s0`` of one of our runs, else what the file says of itself."""
    ranks = sorted(set(updates.note.ranks.values()))
    seed = updates.note.source.split("-")[0] if "/" in updates.note.source else updates.note.format
    return "-".join(filter(None, [updates.note.task, "r" + "_".join(map(str, ranks)), seed]))


def lora(r: int) -> LoRAConfig:
    config = method_config("lora", {"r": r, "targets": ["W_q", "W_v"]})
    assert isinstance(config, LoRAConfig)
    return config


def adapter(name: str, r: int) -> AdapterConfig:
    config = method_config(name, {"r": r})
    assert isinstance(config, AdapterConfig)
    return config


def adapter_sizes(text: str) -> tuple[tuple[str, int], ...]:
    """``adapter_l:224,adapter_h:112`` -> (("adapter_l", 224), ("adapter_h", 112))."""
    sizes = []
    for item in text.split(","):
        name, _, r = item.partition(":")
        if name not in ("adapter_l", "adapter_h", "adapter_p", "adapter_d") or not r.isdigit() or int(r) < 1:
            raise ConfigError(f"--adapters {item}: write METHOD:R, e.g. adapter_l:224,adapter_h:112")
        sizes.append((name, int(r)))
    return tuple(sizes)


def listed(option: str, text: str, known: Sequence[str]) -> list[str]:
    found = [word for word in text.split(",") if word]
    unknown = [word for word in found if word not in known]
    if unknown or not found:
        raise ConfigError(f"{option}: no '{(unknown or [''])[0]}', choose from {', '.join(known)}")
    return found


def numbers(option: str, text: str) -> list[int]:
    if not all(word.strip().isdigit() for word in text.split(",")):
        raise ConfigError(f"{option} {text}: write numbers from 0, e.g. 0,5")
    return [int(word) for word in text.split(",")]


def refuse_absent(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise CheckpointError(f"adapter {path} does not exist")


def command(verb: str, arguments: argparse.Namespace) -> str:
    """The command for the record: paths by their last two parts, no folder of this machine."""
    words = ["lora-repro", "analyse", verb]
    for key, value in vars(arguments).items():
        if key in ("verb", "records", "model_path") or value in (None, False):
            continue
        for item in value if isinstance(value, list) else [value]:
            plain = "/".join(item.parts[-2:]) if isinstance(item, Path) else str(item)
            if key == "model":
                plain = Path(plain).name  # it may be a folder
            flag = [] if isinstance(item, Path) else [f"--{key.replace('_', '-')}"]
            words += [*flag, *([] if item is True else [plain])]
    return shlex.join(words)


def on_cpu() -> Any:
    import torch

    from lora_repro.environment import describe

    return describe(torch.device("cpu"), "fp64", 1)


def say(text: str) -> None:
    print(text, flush=True)

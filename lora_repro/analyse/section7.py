"""``analyse subspaces`` and ``analyse amplification``: section 7, appendices G and H."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from lora_repro.analyse.arguments import (
    add_model,
    add_records,
    command,
    finish,
    label,
    listed,
    numbers,
    on_cpu,
    read,
    refuse_absent,
)
from lora_repro.analysis.record import keep
from lora_repro.errors import CheckpointError, ConfigError
from lora_repro.exchange import model_config

MATRICES = ("A", "B", "dW")


def add_subspaces(parser: argparse.ArgumentParser) -> None:
    """phi(i, j) of two adapters in every block (Figures 3, 4, 6, 7)"""
    parser.add_argument("first", type=Path, help="adapter whose directions are i (Figure 3: r = 8)")
    parser.add_argument("second", type=Path, help="adapter whose directions are j (Figure 3: r = 64)")
    parser.add_argument("--matrices", default=",".join(MATRICES), help="of %(default)s")
    parser.add_argument("--layers", help="blocks from 0, e.g. 0,5 (default: all)")
    parser.add_argument("--directions", type=int, help="at most so many of each adapter (default: all r)")
    add_model(parser, needed=False)
    parser.add_argument("--alpha", type=float, help="for files that do not say it (loralib)")
    add_records(parser)


def subspaces(arguments: argparse.Namespace) -> int:
    matrices = listed("--matrices", arguments.matrices, MATRICES)
    layers = None if arguments.layers is None else numbers("--layers", arguments.layers)
    if arguments.directions is not None and arguments.directions < 1:
        raise ConfigError(f"--directions {arguments.directions} must be at least 1")
    refuse_absent([arguments.first, arguments.second])
    from lora_repro.analysis.compare import compare, same_start

    first, second = (read(path, arguments) for path in (arguments.first, arguments.second))
    if same_start(first, second):
        print(
            "warning: both runs have one seed, so A started from overlapping rows in block 0; compare different seeds"
        )
    settings = {
        "first": first.note.fingerprint,
        "second": second.note.fingerprint,
        "matrices": list(matrices),
        "layers": layers,
        "directions": arguments.directions,
    }
    record, path = keep(
        arguments.records,
        "subspaces",
        f"{label(first)}-with-{label(second)}",
        settings,
        lambda: compare(first, second, matrices=matrices, layers=layers, directions=arguments.directions),
        on_cpu,
        command("subspaces", arguments),
    )
    return finish(record, path)


def add_amplification(parser: argparse.ArgumentParser) -> None:
    """Table 7, Figure 8 and spectra of adapters against their backbone's weights"""
    parser.add_argument("adapters", type=Path, nargs="+", help="one adapter for each r")
    add_model(parser, needed=True)
    parser.add_argument("--alpha", type=float, help="for files that do not say it (loralib)")
    parser.add_argument("--draws", type=int, default=20, help="random subspaces per matrix (default: %(default)s)")
    add_records(parser)


def amplification(arguments: argparse.Namespace) -> int:
    if arguments.draws < 1:
        raise ConfigError(f"--draws {arguments.draws} must be at least 1")
    refuse_absent(arguments.adapters)
    from lora_repro.analysis.amplification import amplifications
    from lora_repro.models.load import load_backbone

    adapters = [read(path, arguments) for path in arguments.adapters]
    config = model_config(arguments.model, arguments.model_path)
    decoder = config.architecture in ("gpt2", "llama")
    backbone = load_backbone(config, 2, problem="generation" if decoder else "classification")
    for updates in adapters:
        meta = updates.meta
        if meta is not None and meta.fingerprint != backbone.fingerprint:
            raise CheckpointError(
                f"{updates.note.source} was trained on {meta.backbone} with weights {meta.fingerprint}, "
                f"{config.name} here has {backbone.fingerprint}; give the backbone it was trained on by --model-path"
            )
        record, path = keep(
            arguments.records,
            "amplification",
            f"{config.name}-{label(updates)}",
            {"adapter": updates.note.fingerprint, "backbone": backbone.fingerprint, "draws": arguments.draws},
            partial(amplifications, updates, backbone.model, backbone.architecture, config.name, draws=arguments.draws),
            on_cpu,
            command("amplification", arguments),
        )
        finish(record, path)
    return 0

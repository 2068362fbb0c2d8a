"""Trainable parameters per backbone and method: counted, by the paper's formula, and as the paper prints them.

Models are built on the meta device from the sizes in conf/model, so no weights are needed and no memory is used. What
was counted is kept in .cache/, keyed by everything that can change it; torch is imported only when that is out of date.
"""

import argparse
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lora_repro.config import LoRAConfig, MethodConfig, ModelConfig
from lora_repro.errors import BackboneError
from lora_repro.report.parts import files_of, method_config, model_config, names

CACHE = Path(".cache/parameters.json")
LABELS = 2  # outputs of the counted head, as for most GLUE tasks


Chosen = Sequence[tuple[ModelConfig, Sequence[MethodConfig]]]
"""Backbones, each with the methods to count on it."""


@dataclass(frozen=True)
class Printed:
    """A figure of the paper and the settings it belongs to."""

    figure: str  # as printed
    settings: dict[str, Any]  # of the method; the figure is shown beside no other
    note: str = ""


PAPER: dict[
    tuple[str, str], Printed
] = {  # Table 2; no figure there counts a head (github.com/microsoft/LoRA/issues/16)
    ("roberta-base", "ft"): Printed("125.0M", {}, "124.6M with a head, rounded to millions"),
    ("roberta-base", "bitfit"): Printed("0.1M", {}),
    ("roberta-base", "lora"): Printed("0.3M", {"r": 8, "targets": ["W_q", "W_v"], "ranks": {}}),
    ("roberta-large", "ft"): Printed("355.0M", {}, "355.4M with a head, rounded to millions"),
    ("roberta-large", "lora"): Printed("0.8M", {"r": 8, "targets": ["W_q", "W_v"], "ranks": {}}),
    ("deberta-v2-xxlarge", "ft"): Printed("1500.0M", {}, "the nominal size"),
    ("deberta-v2-xxlarge", "lora"): Printed(
        "4.7M",
        {"r": 16, "targets": ["W_q", "W_v"], "ranks": {}},
        "r = 16 of the official scripts; Table 10's r = 8 gives half",
    ),
}


@dataclass(frozen=True)
class Row:
    """One line of the table; counts are of trainable parameters."""

    model: str
    method: str
    settings: str
    counted: int  # of the model that was really built, head excluded
    formula: int  # the paper's |Theta|
    head: int
    total: int  # counted + head
    printed: str  # by the paper, "" where it prints none
    note: str


@dataclass(frozen=True)
class Refused:
    """The line of a pair that cannot be: BitFit on a backbone without biases, say."""

    model: str
    method: str
    settings: str
    reason: str


def parameter_table(models: Sequence[ModelConfig], methods: Sequence[MethodConfig]) -> list[Row | Refused]:
    """One line for each pair of backbone and method, in the order given. Imports torch."""
    from lora_repro.methods.apply import adapt
    from lora_repro.methods.registry import method
    from lora_repro.models.architectures import architecture
    from lora_repro.models.dims import Dims
    from lora_repro.models.load import Backbone, build_meta, transformers_config

    rows: list[Row | Refused] = []
    for model in models:
        dims = Dims.of(transformers_config(model))
        for config in methods:
            backbone = Backbone(build_meta(model, LABELS), None, architecture(model.architecture), model, "")
            try:
                counts = adapt(backbone, config, seed=0).counts
            except BackboneError as error:
                rows.append(Refused(model.name, config.name, _settings(config), str(error)))
                continue
            printed = _printed(model.name, config)
            rows.append(
                Row(
                    model.name,
                    config.name,
                    _settings(config),
                    counts.method,
                    method(config.name).theta(config, dims),
                    counts.head,
                    counts.method + counts.head,
                    printed.figure,
                    printed.note,
                )
            )
    return rows


def markdown(rows: Iterable[Row | Refused]) -> str:
    """The table as Markdown."""
    lines = [
        f"Trainable parameters, counted on the meta device; |Theta| is the paper's formula; head for {LABELS} labels,",
        "counted apart as no figure in the paper includes it.",
        "",
        "| backbone | method | settings | counted | \\|Theta\\| | agree | paper | head | counted + head | note |",
        "|---|---|---|--:|--:|---|--:|--:|--:|---|",
    ]
    for row in rows:
        if isinstance(row, Refused):
            lines.append(f"| {row.model} | {row.method} | {row.settings} |{' -- |' * 6} {row.reason} |")
            continue
        agree = "yes" if row.counted == row.formula else f"NO, by {row.counted - row.formula:+,}"
        lines.append(
            f"| {row.model} | {row.method} | {row.settings} | {row.counted:,} | {row.formula:,} | {agree} | "
            f"{row.printed or '--'} | {row.head:,} | {row.total:,} | {row.note} |"
        )
    return "\n".join(lines) + "\n"


def render(cache: Path | None = CACHE, chosen: Chosen | None = None) -> str:
    """The table, from the cache when nothing has changed since.

    Args:
        chosen: backbones with their methods; None: all backbones and methods in conf/.
    """
    key = _key() if chosen is None else f"{_key()} {hashlib.sha256(repr(chosen).encode()).hexdigest()}"
    if cache is not None and (kept := _kept(cache, key)) is not None:
        return kept
    text = markdown(_rows() if chosen is None else _chosen_rows(chosen))
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial = cache.with_name(f"{cache.name}.{os.getpid()}.partial")
        partial.write_text(json.dumps({"key": key, "table": text}))
        partial.replace(cache)
    return text


def main(argv: Sequence[str]) -> int:
    """``lora-repro params``: print the table of all backbones and methods in conf/."""
    argparse.ArgumentParser(prog="lora-repro params", description=main.__doc__).parse_args(argv)
    print(render(), end="")
    return 0


def backbones() -> list[ModelConfig]:
    """The backbones whose weights can be had; GPT-3 stands in the audit (`lora_repro.report.audit`)."""
    return [model for model in map(model_config, names("model")) if model.hub_id or model.path]


def _chosen_rows(chosen: Chosen) -> list[Row | Refused]:
    return [row for model, methods in chosen for row in parameter_table([model], methods)]


def _rows() -> list[Row | Refused]:
    """Every backbone of conf/model with every method of conf/method, at the settings of the paper's figure."""
    rows: list[Row | Refused] = []
    for model in backbones():
        methods = []
        for config in map(method_config, names("method")):
            printed = PAPER.get((model.name, config.name))
            methods.append(replace(config, **printed.settings) if printed else config)
        rows += parameter_table([model], methods)
    return rows


def _settings(config: MethodConfig) -> str:
    if isinstance(config, LoRAConfig):
        ranks = "".join(f", r = {rank} for {weight}" for weight, rank in config.ranks.items())
        return f"r = {config.r} on {' '.join(config.targets)}{ranks}"
    return ", ".join(f"{key} = {value}" for key, value in asdict(config).items() if key != "name")


def _printed(model: str, config: MethodConfig) -> Printed:
    printed = PAPER.get((model, config.name), Printed("", {}))
    own = asdict(config)
    same = all(_plain(own[key]) == _plain(value) for key, value in printed.settings.items())
    return printed if same else Printed("", {})


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def _key() -> str:
    """Hash of all that the table depends on: settings, our sources, the versions of the libraries."""
    from importlib.metadata import version

    package = Path(__file__).parents[1]
    files = [*files_of("model"), *files_of("method"), *sorted((package / "models").glob("*.py"))]
    files += [*sorted((package / "methods").glob("*.py")), package / "config.py", Path(__file__)]
    digest = hashlib.sha256(f"transformers {version('transformers')} torch {version('torch')}".encode())
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _kept(cache: Path, key: str) -> str | None:
    """The cached table if it was made with `key`; a file that cannot be read counts as none and is written anew."""
    try:
        kept = json.loads(cache.read_text())
        return str(kept["table"]) if kept["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None

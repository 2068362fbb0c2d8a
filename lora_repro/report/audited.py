"""Parameters that the audit counted (``lora-repro audit``), looked up for rows of the paper's tables.

The audit builds models and needs torch and a minute; tables read what it saved.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from lora_repro.report.paper import PaperRow
from lora_repro.report.paper.answers import MODELS

UNKNOWN = "--"
_GPT3 = "gpt3-175b"
_METHODS = {
    "FT": "ft", "Fine-Tune": "ft", "BitFit": "bitfit", "FT^Top2": "ft_top2", "LoRA": "lora", "LoRA†": "lora",
    "PreEmbed": "pre_embed", "PrefixEmbed": "pre_embed", "PreLayer": "pre_layer", "PrefixLayer": "pre_layer",
    "PrefLayer": "pre_layer", "Prefix": "pre_layer", "LoRA+PE": "lora_pre_embed", "LoRA+PL": "lora_pre_layer",
    "Adapter^D": "adapter_d", "Adapter^P": "adapter_p", "Adapter^H": "adapter_h", "Adapter^L": "adapter_l",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One count of the audit."""

    model: str
    method: str
    settings: dict[str, str]
    printed: str
    counted: str


@dataclass(frozen=True)
class Audited:
    """What the audit counted."""

    lines: tuple[Line, ...]

    @classmethod
    def read(cls, path: Path) -> "Audited":
        """From the audit's CSV; empty, so that every count prints as ``--``, where there is none."""
        if not path.is_file():
            return cls(())
        with path.open(encoding="utf-8", newline="") as file:
            return cls(tuple(_line(raw) for raw in csv.DictReader(file)))

    def count(self, row: PaperRow) -> str:
        """``294,912`` for a row of the paper; ``--`` where the audit has none, or several that fit."""
        model, method = MODELS.get(row.model, _GPT3), _METHODS.get(row.method.split(" (")[0])
        if method == "pre_layer" and model != _GPT3:
            method = "prefix_kv"  # cited from Li & Liang; the audit's pre_layer line only shows what would come near
        mine = [line for line in self.lines if (line.model, line.method) == (model, method)]
        wanted = _settings(row.settings)
        fitting = [line for line in mine if wanted and wanted.items() <= line.settings.items()]
        fitting = fitting or [line for line in mine if line.printed == row.params]
        fitting = fitting or [line for line in mine if row.params and _close(line, row.params)]
        counts = {line.counted for line in fitting}
        return counts.pop() if len(counts) == 1 else UNKNOWN


def _line(raw: dict[str, str]) -> Line:
    settings = dict(part.split(" = ", 1) for part in raw["Configuration"].split(", ") if part)
    return Line(raw["Backbone"], raw["Method"], settings, raw["Paper"], raw["Counted"])


def _settings(text: str) -> dict[str, str]:
    """``"W_q W_v r=4"``, ``"rq=rv=4 lp=8 li=4"`` and ``"r=16"`` in the audit's words."""
    found: dict[str, str] = {}
    weights = [word for word in text.split() if word.startswith("W_")]
    for word in text.split():
        *names, value = word.split("=")
        if names and all(re.fullmatch("r[qkvo]", name) for name in names):
            weights = [f"W_{name[1]}" for name in names]
        for name in names:
            found["r" if name.startswith("r") else f"l_{name[1]}"] = value
    return found | ({"targets": " ".join(weights)} if weights else {})


def _close(line: Line, printed: str) -> bool:
    """Whether a count is meant by a shorter print of another table, rounded or truncated: 354M for 354.92M."""
    shown = printed.removesuffix("M").replace(",", "")
    if not re.fullmatch(r"[\d.]+", shown):
        return False
    unit = 10 ** -len(shown.partition(".")[2])
    return abs(float(line.counted.replace(",", "")) / 1e6 - float(shown)) < unit

"""The paper's tables as typed data (arXiv:2106.09685v2): value, spread, count, footnotes, known misprints.

The cells stand as printed in one CSV file a table; `facts` holds what the paper says about each table.
"""

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lora_repro.errors import DataError
from lora_repro.report.paper.facts import FACTS, Facts

_ASIDE = ("model", "method", "params", "settings", "prior_work", "dagger")
_CELL = re.compile(r"(?P<value>-?\d*\.?\d+)(?:±(?P<spread>\d*\.\d+))?(?: \((?P<note>[^)]*)\))?")


@dataclass(frozen=True)
class Value:
    """One printed number.

    Attributes:
        value: in the print's own unit (percent for GLUE and BLEU, milliseconds for latency, ...).
        spread: what the paper prints after ±; None where it prints none.
        printed: the number and its spread as printed.
        note: what stands in brackets beside it, e.g. Table 1's ``+20.7%``.
    """

    value: float
    spread: float | None
    printed: str
    note: str = ""

    @property
    def decimals(self) -> int:
        """Of the printed number."""
        return len(self.printed.split("±")[0].partition(".")[2])

    @property
    def tolerance(self) -> float | None:
        """How far another number may lie and still agree: the spread, at least half a unit of the last decimal."""
        return None if self.spread is None else max(self.spread, 0.5 * 10**-self.decimals)


@dataclass(frozen=True)
class PaperRow:
    """One row; `values` is by metric and lacks what the paper does not print.

    Attributes:
        model: backbone as the paper calls it, e.g. ``"RoBERTa base"``.
        method: as printed, with the size in brackets where a table has two of one method.
        params: trainable parameters as printed, "" where none are.
        settings: what the row varies, e.g. ``"W_q W_v r=4"``; "" in tables that compare methods.
        prior_work: a number that the paper cites from other work (marked * there).
        dagger: Table 2's restricted setting (marked † there).
    """

    model: str
    method: str
    params: str
    settings: str
    prior_work: bool
    dagger: bool
    values: Mapping[str, Value]

    @property
    def label(self) -> str:
        """The row's name in our tables, with the paper's own marks."""
        mark = "†" * (self.dagger and "†" not in self.method) + "*" * self.prior_work
        return " ".join(filter(None, [self.method + mark, self.settings]))


@dataclass(frozen=True)
class PaperTable:
    """One table of the paper."""

    number: str
    facts: Facts
    metrics: tuple[str, ...]
    rows: tuple[PaperRow, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """The backbones, in the order of the rows."""
        return tuple(dict.fromkeys(row.model for row in self.rows))

    def row(self, model: str, method: str, settings: str = "") -> PaperRow:
        """One row by its backbone, method and settings as printed.

        Raises:
            KeyError: the table has no such row.
        """
        for row in self.rows:
            if (row.model, row.method, row.settings) == (model, method, settings):
                return row
        raise KeyError(f"Table {self.number} has no row {model}, {method}, {settings}")


@functools.cache
def paper_table(number: str) -> PaperTable:
    """One table by its number in the paper, e.g. ``"2"``."""
    path = Path(__file__).parent / f"table{number}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    metrics = tuple(name for name in lines[0] if name not in _ASIDE)
    rows = tuple(
        PaperRow(
            line["model"],
            line["method"],
            line["params"],
            line["settings"],
            line["prior_work"] == "yes",
            line["dagger"] == "yes",
            {metric: parse(line[metric]) for metric in metrics if line[metric]},
        )
        for line in lines
    )
    return PaperTable(number, FACTS[number], metrics, rows)


def parse(printed: str) -> Value:
    """``"88.5±1.1"`` or ``"23.9±2.1 (+20.7%)"`` as a value.

    Raises:
        DataError: it is no number.
    """
    found = _CELL.fullmatch(printed)
    if found is None:
        raise DataError(f"{printed!r} is not a printed value such as 88.5±1.1")
    spread = found["spread"]
    return Value(
        float(found["value"]), None if spread is None else float(spread), printed.split(" (")[0], found["note"] or ""
    )

"""What the tables print of a task: which metrics in which unit, and the statistic over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lora_repro.records import Epoch, Record
from lora_repro.tasks.glue import GLUE

HEADLINE = ""
"""Key of a task's headline metric, whatever its name."""

EVAL_LOSS = "eval_loss"
"""Key of the evaluation loss, which stands beside the metrics of an epoch."""


@dataclass(frozen=True)
class Metric:
    """One column.

    Attributes:
        task: whose runs it is read from.
        title: of the column.
        key: in an epoch's metrics, whatever its case; `HEADLINE`, or `EVAL_LOSS`.
        scale: printed value over stored value: 100 for fractions that are printed in percent.
        decimals: printed.
        lower_is_better: TER and losses.
    """

    task: str
    title: str
    key: str = HEADLINE
    scale: float = 100
    decimals: int = 1
    lower_is_better: bool = False

    def of(self, epoch: Epoch) -> float | None:
        """The metric of one epoch, in the printed unit; None where it was not measured (no Java)."""
        if self.key == HEADLINE:
            return None if epoch.headline is None else self.scale * epoch.headline
        if self.key == EVAL_LOSS:
            return self.scale * epoch.eval_loss
        found = {name.lower(): value for name, value in epoch.metrics.items()}.get(self.key)
        return self.scale * found if isinstance(found, int | float) else None

    def format(self, value: float) -> str:
        """In the printed number of decimals."""
        return f"{value:.{self.decimals}f}"


@dataclass(frozen=True)
class Statistic:
    """What a cell is."""

    epoch: str  # "best" by the headline on the reported data, or "last"
    average: str  # "median" or "mean", over seeds
    seeds: int  # of a full cell, as in the paper
    text: str  # in a table's header

    def pick(self, record: Record) -> Epoch:
        """The epoch of a run that counts."""
        return record.best if self.epoch == "best" else record.last

    def over(self, values: Sequence[float]) -> float:
        """The average of at least one value."""
        return float(np.median(values) if self.average == "median" else np.mean(values))


GLUE_STATISTIC = Statistic(
    "best", "median", 5,
    "median over seeds of the best development epoch (the paper's); the best epoch is chosen on the data that is "
    "reported, as the paper does",
)  # fmt: skip
TEXT_STATISTIC = Statistic(
    "last", "mean", 3,
    "mean over seeds of the last epoch, as the official scripts decode it; the paper says best epoch",
)  # fmt: skip
TRANSFER_STATISTIC = Statistic(
    "last", "mean", 3, "mean over seeds of the last epoch; the paper does not say what its cells of GPT-3 are"
)

GLUE_TITLES = {"mnli": "MNLI", "sst2": "SST-2", "mrpc": "MRPC", "cola": "CoLA", "qnli": "QNLI", "qqp": "QQP",
               "rte": "RTE", "stsb": "STS-B", "wnli": "WNLI"}  # fmt: skip

TEXT_METRICS = {
    "e2e": (
        Metric("e2e", "BLEU", "bleu"),
        Metric("e2e", "NIST", "nist", 1, 2),
        Metric("e2e", "METEOR", "meteor"),
        Metric("e2e", "ROUGE-L", "rouge_l"),
        Metric("e2e", "CIDEr", "cider", 1, 2),
    ),
    "dart": (
        Metric("dart", "BLEU", "bleu"),
        Metric("dart", "MET", "meteor", 1, 2),
        Metric("dart", "TER", "ter", 1, 2, lower_is_better=True),
    ),
    "samsum": (Metric("samsum", "R1", "r1"), Metric("samsum", "R2", "r2"), Metric("samsum", "RL", "rl")),
    "wikisql": (Metric("wikisql", "Logical form", "lf"),),
    "webnlg": tuple(
        Metric("webnlg", f"{title}_{part}", f"{folder}{key}", scale, decimals, title == "TER")
        for title, key, scale, decimals in (("BLEU", "bleu", 100, 1), ("MET", "meteor", 1, 2), ("TER", "ter", 1, 2))
        for part, folder in (("U", "unseen/"), ("S", "seen/"), ("A", ""))
    ),
}
"""Columns of Tables 3, 4, 13 and 14 by task, titled as there."""

TRANSFERS = ("samsum", "wikisql")
"""Tasks that the paper has of GPT-3 175B alone: whatever is run on them stands in no row of the paper."""


def statistic_of(task: str) -> Statistic:
    """The paper's statistic for a task."""
    if task in TRANSFERS:
        return TRANSFER_STATISTIC
    return GLUE_STATISTIC if task in GLUE else TEXT_STATISTIC


def headline_title(task: str) -> str:
    """What a task's headline metric is called: for GLUE its own name."""
    return GLUE[task].headline if task in GLUE else TEXT_METRICS[task][0].title


@dataclass(frozen=True)
class Score:
    """One metric of runs that differ in their seed only; printed unit. Never of no runs."""

    metric: Metric
    value: float | None  # None: no run measured it
    std: float | None  # sample standard deviation over seeds; None for fewer than two
    by_seed: dict[int, float]
    n: int  # runs, those that did not measure it too
    collapsed: int

    def format(self) -> str:
        """``86.3 ± 0.9 (5) [1 collapsed]``."""
        if self.value is None:
            return f"not measured ({self.n})"
        spread = "" if self.std is None else f" ± {self.metric.format(self.std)}"
        collapsed = f" [{self.collapsed} collapsed]" if self.collapsed else ""
        return f"{self.metric.format(self.value)}{spread} ({self.n}){collapsed}"


def score(runs: Sequence[Record], metric: Metric) -> Score | None:
    """The paper's statistic of one cell's runs; None where there are none."""
    if not runs:
        return None
    statistic = statistic_of(metric.task)
    measured = {run.seed: metric.of(statistic.pick(run)) for run in runs}
    values = {seed: value for seed, value in measured.items() if value is not None}
    many = len(values) > 1
    return Score(
        metric=metric,
        value=statistic.over(list(values.values())) if values else None,
        std=float(np.std(list(values.values()), ddof=1)) if many else None,
        by_seed=values,
        n=len(runs),
        collapsed=sum(run.last.collapsed for run in runs),
    )

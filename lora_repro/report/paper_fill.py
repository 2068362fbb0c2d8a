"""The rows of a paper's table, filled with the runs that answer them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lora_repro.records import Record
from lora_repro.report.cells import Group, groups
from lora_repro.report.paper import PaperRow, PaperTable, Value, paper_table
from lora_repro.report.paper.answers import TASKS, answer
from lora_repro.report.scores import (
    EVAL_LOSS,
    GLUE_TITLES,
    TEXT_METRICS,
    Metric,
    Score,
    score,
)
from lora_repro.report.verdicts import Judgement, Verdict, deviations, judge

SOURCES = ("paper", "official")
"""Recipes whose runs stand in the paper's rows; where both have runs there are two rows."""

AVERAGE = "Avg"
"""Table 2's last column: the mean of the eight tasks."""

_METRICS = {
    "2": tuple(Metric(task, title) for task, title in GLUE_TITLES.items()),
    "3": TEXT_METRICS["e2e"],
    "13": TEXT_METRICS["dart"],
    "14": TEXT_METRICS["webnlg"],
    "18": (
        Metric("e2e", "val_loss", EVAL_LOSS, 1, 2, lower_is_better=True),
        Metric("e2e", "BLEU", "bleu", 100, 2),
        Metric("e2e", "NIST", "nist", 1, 4),
        Metric("e2e", "METEOR", "meteor", 1, 4),
        Metric("e2e", "ROUGE_L", "rouge_l", 1, 4),
        Metric("e2e", "CIDEr", "cider", 1, 4),
    ),
}
"""Columns by table, titled as the paper's data name them."""


@dataclass(frozen=True)
class PaperCell:
    """One cell: ours, the paper's, the verdict."""

    metric: Metric
    paper: Value
    ours: Score | None
    runs: tuple[Record, ...]
    judgement: Judgement
    seeds: int  # of a full cell

    @property
    def comparable(self) -> bool:
        """Whether the number may be ranked beside others of its column: the paper's experiment, and not collapsed."""
        verdicts = (Verdict.NOT_RUN, Verdict.OTHER_SETTING, Verdict.COLLAPSED)
        return self.judgement.verdict not in verdicts

    def text(self, mark: str = "") -> str:
        """``86.3 ± 0.9 (5) | 86.6±.7 | inside``; `mark` follows ours."""
        ours = f"-- (0/{self.seeds})" if self.ours is None else self.ours.format()
        return f"{ours}{mark} | {self.paper.printed} | {self.judgement}"


@dataclass(frozen=True)
class FilledRow:
    """A row of the paper with runs of one recipe; of no recipe where there are none."""

    row: PaperRow
    source: str
    cells: Mapping[str, PaperCell]  # by the paper's name of the metric
    counted: int | None  # trained parameters of the runs, the head apart

    @property
    def runs(self) -> list[Record]:
        """The runs of all cells, each once."""
        return list({run.identity: run for cell in self.cells.values() for run in cell.runs}.values())


_Pools = dict[tuple[int, str, str], list[Group]]
"""Groups by row number, recipe and task; the one to show first."""


def fill(number: str, records: Sequence[Record]) -> list[FilledRow]:
    """The rows of Table `number`, each once for every recipe that has runs of it."""
    table = paper_table(number)
    pools = _assign(table, records)
    filled = []
    for index, row in enumerate(table.rows):
        with_runs = [source for source in SOURCES if any((index, source, task) in pools for task in TASKS[number])]
        for source in with_runs or [""]:
            chosen = {t: found[0] for t in TASKS[number] if (found := pools.get((index, source, t)))}
            filled.append(_fill_row(table, row, source, chosen))
    return filled


def metric_of(number: str, name: str) -> Metric:
    """What we read for a column of the paper; for `AVERAGE` a column of no task."""
    return next((metric for metric in _METRICS[number] if metric.title == name), Metric("mnli", name))


def _fill_row(table: PaperTable, row: PaperRow, source: str, chosen: Mapping[str, Group]) -> FilledRow:
    seeds = table.facts.seeds or 1
    cells: dict[str, PaperCell] = {}
    for name, paper in row.values.items():
        metric = metric_of(table.number, name)
        if name == AVERAGE:
            cells[name] = _average(metric, paper, list(cells.values()), seeds)
            continue
        group = chosen.get(metric.task)
        runs = group.runs if group else ()
        ours = score(runs, metric)
        wrong = _deviations(table.number, row, group) if group else []
        cells[name] = PaperCell(metric, paper, ours, runs, judge(ours, wrong, paper, seeds), seeds)
    counts = {group.first.parameters.method for group in chosen.values()}
    return FilledRow(row, source, cells, counts.pop() if len(counts) == 1 else None)


def _average(metric: Metric, paper: Value, cells: Sequence[PaperCell], seeds: int) -> PaperCell:
    """The mean of the row's tasks, missing while any of them is; its spread is over the seeds that all tasks have."""
    scores = [cell.ours for cell in cells]
    if any(ours is None or ours.value is None for ours in scores):
        return PaperCell(metric, paper, None, (), Judgement(Verdict.NOT_RUN), seeds)
    full = [ours for ours in scores if ours is not None]
    shared = sorted(set.intersection(*(set(ours.by_seed) for ours in full)))
    by_seed = {seed: float(np.mean([ours.by_seed[seed] for ours in full])) for seed in shared}
    ours = Score(
        metric,
        float(np.mean([ours.value for ours in full if ours.value is not None])),
        float(np.std(list(by_seed.values()), ddof=1)) if len(by_seed) > 1 else None,
        by_seed,
        min(score.n for score in full),
        sum(score.collapsed for score in full),
    )
    reasons = [reason for cell in cells for reason in cell.judgement.reasons]
    runs = tuple(run for cell in cells for run in cell.runs)
    return PaperCell(metric, paper, ours, runs, judge(ours, list(dict.fromkeys(reasons)), paper, seeds), seeds)


def _assign(table: PaperTable, records: Iterable[Record]) -> _Pools:
    """Runs by row.

    Among the rows of its backbone, method and size (Table 2 has LoRA twice, free and restricted) a group stands in the
    one that it deviates from least; in both where the settings are the same, as on MNLI, SST-2 and CoLA. Within a row
    the paper's experiment comes before other settings.
    """
    answers = {
        (index, task): found
        for task in TASKS[table.number]
        for index, row in enumerate(table.rows)
        if (found := answer(table.number, row, task))
    }
    keys = {(found.model, found.method, task) for (_, task), found in answers.items()}
    mine: dict[tuple[str, str, str, str], list[Record]] = {}
    for record in records:
        source = record.config["recipe"]["source"]
        if (record.model, record.method, record.task) in keys and source in SOURCES:
            mine.setdefault((record.model, record.method, record.task, source), []).append(record)
    pools: _Pools = {}
    for (model, method, task, source), runs in mine.items():
        for group in groups(runs):
            fitting = [
                (len(deviations(group.first, found)), index)
                for (index, other), found in answers.items()
                if (found.model, found.method, other) == (model, method, task)
                and all(group.first.config["method"].get(key) == value for key, value in found.settings.items())
            ]
            for index in (index for count, index in fitting if count == min(fitting)[0]):
                pools.setdefault((index, source, task), []).append(group)
    for (index, _, _), pool in pools.items():
        pool.sort(key=lambda group: bool(_deviations(table.number, table.rows[index], group)))  # stable
    return pools


def _deviations(number: str, row: PaperRow, group: Group) -> list[str]:
    found = answer(number, row, group.first.task)
    return deviations(group.first, found) if found else []

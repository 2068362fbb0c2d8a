"""The GLUE comparison table (the paper's Table 2 in form), rendered from records and nothing else."""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from lora_repro.records import Record
from lora_repro.report.cells import choose
from lora_repro.report.inputs import add_records, read_records
from lora_repro.report.layout import Table, best_rows
from lora_repro.report.made import join, machines
from lora_repro.report.settings import is_generated
from lora_repro.report.statistics import CONFIDENCE, PAIRED_TEST, SIGNIFICANT, Summary, paired_p, summarise
from lora_repro.tasks.glue import GLUE

TASK_ORDER = ("mnli", "sst2", "mrpc", "cola", "qnli", "qqp", "rte", "stsb", "wnli")
"""Columns as in Table 2; WNLI, which the paper leaves out, last."""

METRIC_TITLES = {"accuracy": "acc.", "matthews_correlation": "Matthews", "pearson": "Pearson", "f1": "F1"}

MISSING = "--"

REFERENCE, DIFFERS = "lora", "‡"
"""Each method is compared with LoRA; the mark of one that differs."""


class Grid:
    """Runs of one backbone and recipe, by method and task."""

    def __init__(self, records: Iterable[Record], model: str, recipe: str) -> None:
        self.model, self.recipe = model, recipe
        self.records = [r for r in records if r.model == model and r.config["recipe"]["source"] == recipe]
        self.methods = in_order(r.method for r in self.records)
        self.tasks = [task for task in TASK_ORDER if any(r.task == task for r in self.records)]
        self._choices = {
            (method, task): choose(r for r in self.records if (r.method, r.task) == (method, task))
            for method in self.methods
            for task in self.tasks
        }

    def cell(self, method: str, task: str) -> list[Record]:
        """The runs of one cell, by seed; they differ in nothing else (`lora_repro.report.cells` has the rule)."""
        return self._choices[method, task].runs

    @property
    def shown(self) -> list[Record]:
        """The runs of all cells."""
        return [run for choice in self._choices.values() for run in choice.runs]

    def other_data(self, method: str, task: str) -> bool:
        """Whether a cell's runs saw other data than most of its column: such cells are not compared."""
        seen = Counter(self._data(m, task) for m in self.methods if self.cell(m, task))
        runs = self.cell(method, task)
        return bool(runs) and self._data(method, task) != seen.most_common(1)[0][0]

    def _data(self, method: str, task: str) -> str:
        splits = self.cell(method, task)[0].splits
        return str(sorted((name, split.fingerprint) for name, split in splits.items()))

    def left_out(self) -> list[str]:
        """What the cells leave out: runs of the same cell under other settings."""
        return [note for choice in self._choices.values() for note in choice.notes()]

    def summary(self, method: str, task: str) -> Summary | None:
        """The summary of one cell, None where nothing was run."""
        runs = self.cell(method, task)
        return summarise(runs) if runs else None


def comparison(grid: Grid, seeds: int) -> Table:
    """One row a method, one column a task; best of each column in bold.

    Args:
        seeds: how many seeds a full cell has; a missing cell prints ``-- (0/seeds)``.
    """
    columns = ["Method", "Trainable (method + head)"]
    columns += [f"{GLUE[task].folder} ({METRIC_TITLES[GLUE[task].headline]})" for task in grid.tasks]
    rows = [
        [method, _parameters(grid, method), *(_cell(grid, method, task, seeds) for task in grid.tasks)]
        for method in grid.methods
    ]
    rows.append(["constant answer", "0", *(_percent(_baseline(grid, task)) for task in grid.tasks)])
    return Table(
        title=f"{_title(grid)}, {grid.model}, recipe {grid.recipe}",
        notes=notes(grid),
        columns=columns,
        rows=rows,
        bold=_best_cells(grid),
    )


def details(grid: Grid) -> Table:
    """One row for each method and task: what stands beside the paper's statistic, the settings and the cost."""
    columns = ["Task", "Method", "n", "Median best", "Mean best", f"{CONFIDENCE:.0%} interval", "Median last",
               "Constant", "Collapsed", "lr", "Epochs", "Batch", "Minutes", "Real tokens/s", "Peak GB"]  # fmt: skip
    rows = []
    for task in grid.tasks:
        for method in grid.methods:
            runs = grid.cell(method, task)
            if runs:
                rows.append([task, method, *_detail(runs)])
    return Table(f"Details, {grid.model}, recipe {grid.recipe}", notes(grid), columns, rows)


def notes(grid: Grid) -> list[str]:
    """What a reader must know: statistic, data, seeds, machine, precision, commit."""
    runs = grid.shown
    data = Counter(split.source for r in runs for split in r.splits.values())
    examples = {task: next(r for r in runs if r.task == task).splits for task in grid.tasks}
    sizes = ", ".join(
        f"{task} {splits['train'].examples:,}/{sum(s.examples for name, s in splits.items() if name != 'train'):,}"
        for task, splits in examples.items()
    )
    generated = " GENERATED DATA, not GLUE itself." if "embedded" in data else ""
    statistic = (
        "Statistic: median over seeds of the best development epoch (the paper's), ± standard deviation over seeds, "
        "(n) runs; in percent. The best epoch is chosen on the data that is reported, as the paper does."
    )
    backbone = (
        f"Backbone: {grid.model} (weights {join(r.backbone_fingerprint for r in runs)}); "
        f"data: {join(data)} files, train/dev examples: {sizes}.{generated}"
    )
    seeds = (
        f"Seeds: {join(sorted({r.seed for r in runs}))}; recipe: {grid.recipe}, "
        f"effective batch {join(sorted({r.effective_batch for r in runs}))}; epochs: "
        + ", ".join(f"{task} {join(sorted({_epochs(r) for r in runs if r.task == task}))}" for task in grid.tasks)
        + "."
    )
    head = "The paper's counts leave the head out; every method trains it too, and it stands after the plus."
    test = f"Bold: best of its column. {DIFFERS}: differs from LoRA by the {PAIRED_TEST}."
    said, left_out = [statistic, backbone, seeds, machines(runs), head, test], grid.left_out()
    return [*said, "Left out: " + "; ".join(left_out) + "."] if left_out else said


def main(argv: Sequence[str]) -> int:
    """``lora-repro table``: render the comparison and the details, print the first, save both."""
    parser = argparse.ArgumentParser(prog="lora-repro table", description=__doc__)
    add_records(parser)
    parser.add_argument("--model", required=True, help="backbone, e.g. roberta-base")
    parser.add_argument("--recipe", default="paper", help="paper, official or mini (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of a full cell (default: %(default)s)")
    parser.add_argument("--out", default="results/tables", help="folder for the files (default: %(default)s)")
    arguments = parser.parse_args(argv)
    found, _ = read_records(arguments)
    return show(Grid(found, arguments.model, arguments.recipe), arguments.seeds, Path(arguments.out))


def show(grid: Grid, seeds: int, out: Path) -> int:
    """Print the comparison and save it with the details; 1 when there is nothing to show."""
    if not grid.records:
        print(f"no records of {grid.model} with recipe {grid.recipe} yet")
        return 1
    table = comparison(grid, seeds)
    print(table.markdown())
    written = table.save(out / f"glue_{grid.model}_{grid.recipe}")
    written += details(grid).save(out / f"glue_{grid.model}_{grid.recipe}_details")
    print("saved " + ", ".join(str(path) for path in written))
    return 0


def _title(grid: Grid) -> str:
    """What the numbers were measured on."""
    generated = any(map(is_generated, grid.shown))
    return "GENERATED DATA in the form of GLUE" if generated else "GLUE development sets"


def _cell(grid: Grid, method: str, task: str, seeds: int) -> str:
    summary = grid.summary(method, task)
    if summary is None:
        return f"{MISSING} (0/{seeds})"
    spread = "" if summary.std_best is None else f" ± {100 * summary.std_best:.1f}"
    collapsed = f" [{summary.collapsed} collapsed]" if summary.collapsed else ""
    other = " [other data]" if grid.other_data(method, task) else ""
    return f"{_percent(summary.median_best)}{spread} ({summary.n}){_mark(grid, method, task)}{collapsed}{other}"


def _mark(grid: Grid, method: str, task: str) -> str:
    """`DIFFERS` where the paired test tells a method from LoRA on the same data."""
    if method == REFERENCE or REFERENCE not in grid.methods or grid.other_data(method, task):
        return ""
    one, other = (
        {r.seed: r.best.headline for r in grid.cell(name, task) if r.best.headline is not None}
        for name in (method, REFERENCE)
    )
    p = None if grid.other_data(REFERENCE, task) else paired_p(one, other)
    return DIFFERS if p is not None and p < SIGNIFICANT else ""


def _detail(runs: list[Record]) -> list[str]:
    summary, recipe = summarise(runs), runs[0].config["recipe"]
    interval = "" if summary.interval is None else " to ".join(_percent(end) for end in summary.interval)
    return [
        str(summary.n),
        _percent(summary.median_best),
        _percent(summary.mean_best),
        interval,
        _percent(summary.median_last),
        _percent(runs[0].baseline),
        str(summary.collapsed),
        f"{recipe['lr']:g}",
        str(recipe["epochs"]),
        str(recipe["batch_size"]),
        f"{sum(r.cost.train_seconds + r.cost.eval_seconds for r in runs) / 60 / len(runs):.1f}",
        f"{sum(r.cost.tokens_per_second for r in runs) / len(runs):,.0f}",
        f"{max(r.cost.peak_memory_bytes for r in runs) / 1e9:.2f}",
    ]


def _best_cells(grid: Grid) -> frozenset[tuple[int, int]]:
    best = set()
    for column, task in enumerate(grid.tasks, start=2):
        medians = {
            row: s.median_best
            for row, m in enumerate(grid.methods)
            if (s := grid.summary(m, task)) and not grid.other_data(m, task)
        }
        best |= {(row, column) for row in best_rows(medians)}
    return frozenset(best)


def _parameters(grid: Grid, method: str) -> str:
    """Method + head; heads differ with a task's number of labels, so a range where they do."""
    runs = [r for r in grid.shown if r.method == method]
    heads = sorted({r.parameters.head for r in runs})
    head = f"{heads[0]:,}" if len(heads) == 1 else f"{heads[0]:,} to {heads[-1]:,}"
    return f"{join(sorted({f'{r.parameters.method:,}' for r in runs}))} + {head}"


def _epochs(record: Record) -> int:
    return int(record.config["recipe"]["epochs"])


def _baseline(grid: Grid, task: str) -> float:
    return next(r.baseline for r in grid.shown if r.task == task)


def in_order(names: Iterable[str]) -> list[str]:
    """Methods as the paper's tables list them: FT and BitFit first, LoRA last."""
    order = ("ft", "ft_top2", "bitfit", "pre_embed", "pre_layer", "prefix_kv", "adapter_d", "adapter_p", "adapter_l",
             "adapter_h", "lora", "lora_pre_embed", "lora_pre_layer")  # fmt: skip
    found = set(names)
    return [name for name in order if name in found] + sorted(found - set(order))


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"

"""Data-to-text tables (the paper's Tables 3, 13, 14 in form) of one backbone and recipe, from records."""

from collections.abc import Iterable, Sequence

from lora_repro.records import Record
from lora_repro.report.cells import Choice, choose
from lora_repro.report.glue_table import DIFFERS, MISSING, REFERENCE, in_order
from lora_repro.report.layout import Table, best_rows
from lora_repro.report.made import join, machines
from lora_repro.report.scores import TEXT_METRICS, TRANSFERS, Metric, Score, score, statistic_of
from lora_repro.report.settings import is_generated
from lora_repro.report.statistics import PAIRED_TEST, SIGNIFICANT, paired_p

TITLES = {"e2e": "E2E NLG Challenge", "dart": "DART", "webnlg": "WebNLG", "samsum": "SAMSum", "wikisql": "WikiSQL"}


class TextGrid:
    """Runs of one task, backbone and recipe, by method."""

    def __init__(self, records: Iterable[Record], task: str, model: str, recipe: str) -> None:
        self.task, self.model, self.recipe = task, model, recipe
        mine = [r for r in records if (r.task, r.model, r.config["recipe"]["source"]) == (task, model, recipe)]
        self.methods = in_order(r.method for r in mine)
        self.choices: dict[str, Choice] = {m: choose(r for r in mine if r.method == m) for m in self.methods}

    @property
    def shown(self) -> list[Record]:
        """The runs of all rows."""
        return [run for choice in self.choices.values() for run in choice.runs]

    def score(self, method: str, metric: Metric) -> Score | None:
        """One cell."""
        return score(self.choices[method].runs, metric)


def comparison(grid: TextGrid, seeds: int) -> Table:
    """One row a method, one column a metric; best of each column in bold.

    Args:
        seeds: of a full cell.
    """
    metrics = TEXT_METRICS[grid.task]
    rows = [[method, _parameters(grid, method), *(_cell(grid, method, metric, seeds) for metric in metrics)]
            for method in grid.methods]  # fmt: skip
    data = f"GENERATED DATA in the form of {TITLES[grid.task]}" if _generated(grid) else TITLES[grid.task]
    title = f"{data}, {grid.model}, recipe {grid.recipe}"
    return Table(title, notes(grid), ["Method", "Trainable", *(m.title for m in metrics)], rows, _best(grid, metrics))


def notes(grid: TextGrid) -> list[str]:
    """Statistic, data, settings, machine, commit, test."""
    runs = grid.shown
    splits = runs[0].splits
    sizes = ", ".join(f"{name} {split.examples:,}" for name, split in splits.items())
    generated = " GENERATED DATA, not the task's own." if _generated(grid) else ""
    left_out = [note for choice in grid.choices.values() for note in choice.notes()]
    lower = [metric.title for metric in TEXT_METRICS[grid.task] if metric.lower_is_better]
    found = [
        f"Statistic: {statistic_of(grid.task).text}; ± standard deviation over seeds, (n) runs. Units are the paper's."
        f"{' Lower is better: ' + ', '.join(lower) + '.' if lower else ''}",
        f"Backbone: {grid.model} (weights {join(r.backbone_fingerprint for r in runs)}); data: "
        f"{join(s.source for s in splits.values())}, examples: {sizes}.{generated}",
        f"Seeds: {join(sorted({r.seed for r in runs}))}; recipe: {grid.recipe}, effective batch "
        f"{join(sorted({r.effective_batch for r in runs}))}, epochs "
        f"{join(sorted({int(r.config['recipe']['epochs']) for r in runs}))}.",
        machines(runs),
        f"Bold: best of its column. {DIFFERS}: differs from LoRA by the {PAIRED_TEST}.",
    ]
    if grid.task in TRANSFERS:
        found.insert(0, f"A transfer of Table 4's question: the paper has GPT-3 175B, here it is {grid.model}.")
    return [*found, "Left out: " + "; ".join(left_out) + "."] if left_out else found


def _generated(grid: TextGrid) -> bool:
    return any(map(is_generated, grid.shown))


def _cell(grid: TextGrid, method: str, metric: Metric, seeds: int) -> str:
    found = grid.score(method, metric)
    if found is None:
        return f"{MISSING} (0/{seeds})"
    other = grid.score(REFERENCE, metric) if method != REFERENCE and REFERENCE in grid.methods else None
    p = paired_p(found.by_seed, other.by_seed) if other and _same_data(grid, method) else None
    mark = DIFFERS if p is not None and p < SIGNIFICANT else ""
    return found.format() + mark + ("" if _same_data(grid, method) else " [other data]")


def _same_data(grid: TextGrid, method: str) -> bool:
    """Whether a method saw the data that most methods saw."""
    seen = [_data(grid.choices[name].runs) for name in grid.methods]
    return _data(grid.choices[method].runs) == max(seen, key=seen.count)


def _data(runs: Sequence[Record]) -> str:
    return str(sorted((name, split.fingerprint) for name, split in runs[0].splits.items()))


def _best(grid: TextGrid, metrics: Sequence[Metric]) -> frozenset[tuple[int, int]]:
    best = set()
    for column, metric in enumerate(metrics, start=2):
        values = {
            row: found.value
            for row, method in enumerate(grid.methods)
            if (found := grid.score(method, metric)) and found.value is not None and _same_data(grid, method)
        }
        best |= {(row, column) for row in best_rows(values, metric.lower_is_better)}
    return frozenset(best)


def _parameters(grid: TextGrid, method: str) -> str:
    return join(sorted({f"{run.parameters.method:,}" for run in grid.choices[method].runs}))

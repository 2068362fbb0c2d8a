"""Tables of one setting varied: LoRA's weight types and rank (Tables 5, 6 in form), training examples (Table 16)."""

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from lora_repro.records import Record
from lora_repro.report.cells import Group, groups
from lora_repro.report.glue_table import MISSING, in_order
from lora_repro.report.layout import Table, best_rows
from lora_repro.report.made import commits
from lora_repro.report.scores import EVAL_LOSS, HEADLINE, TEXT_METRICS, Metric, headline_title, score, statistic_of
from lora_repro.report.settings import is_generated, say, settings_of

Key = TypeVar("Key", bound=Hashable)

_RANK_KEYS = {"method.r", "method.targets", "method.alpha", "method.ranks"}
_SIZE_KEYS = {"task.train_examples", "recipe.epochs", "recipe.batch_size", "recipe.lr"}


def weights_and_rank(records: Iterable[Record], model: str, task: str, recipe: str) -> Table | None:
    """LoRA's headline metric by weight types (rows) and r (columns); None while fewer than two settings were run."""
    shown = rank_grid(records, model, task, recipe)
    if len(shown) < 2:
        return None
    targets = sorted({key[0] for key in shown}, key=lambda names: (names.count(" "), names))
    ranks = sorted({key[1] for key in shown})
    headline = headline_of(task)
    rows = [[names, *(_cell(shown.get((names, r)), headline) for r in ranks)] for names in targets]
    alphas = sorted({group.first.config["method"]["alpha"] for group in shown.values()})
    notes = _notes(list(shown.values()), task, model, recipe, _RANK_KEYS)
    notes.append(f"alpha: {', '.join(f'{alpha:g}' for alpha in alphas)}; |Theta| grows with r and the number of types.")
    best = _best(rows, lambda row, column: shown.get((targets[row], ranks[column])), headline)
    title = f"Weight types and rank (Tables 5 and 6 in form), {task}, {model}, recipe {recipe}"
    return Table(title, notes, ["Weight types", *(f"r = {r}" for r in ranks)], rows, best)


def rank_metrics(records: Iterable[Record], model: str, task: str, recipe: str) -> Table | None:
    """LoRA's validation loss and every metric of a task of texts (columns) by weight types and r (rows): Table 18.

    None for a task that has one metric, and while fewer than two settings were run.
    """
    metrics = (loss_of(task), *TEXT_METRICS.get(task, ()))
    shown = rank_grid(records, model, task, recipe)
    if len(shown) < 2 or len(metrics) < 3:
        return None
    keys = sorted(shown, key=lambda key: (key[0].count(" "), key))
    scores = [[score(shown[key].runs, metric) for metric in metrics] for key in keys]
    rows = [
        [names, str(r), f"{shown[names, r].first.parameters.method:,}", *(s.format() if s else MISSING for s in line)]
        for (names, r), line in zip(keys, scores, strict=True)
    ]
    best = set()
    for column, metric in enumerate(metrics):
        values = {row: s.value for row, line in enumerate(scores) if (s := line[column]) and s.value is not None}
        best |= {(row, column + 3) for row in best_rows(values, metric.lower_is_better)}
    notes = _notes(list(shown.values()), task, model, recipe, _RANK_KEYS, "Units of Tables 3, 13 and 14")
    notes.append("Evaluation loss: per token of the validation pairs. Bold: best of its column.")
    title = f"The rank r (Table 18 in form), {task}, {model}, recipe {recipe}"
    return Table(title, notes, ["Weight types", "r", "Trainable", *(m.title for m in metrics)], rows, frozenset(best))


def rank_grid(records: Iterable[Record], model: str, task: str, recipe: str) -> dict[tuple[str, int], Group]:
    """LoRA's runs by (weight types, r), of runs that agree in every other setting but alpha."""
    wanted = (model, task, "lora", recipe)
    mine = [
        r for r in records
        if (r.model, r.task, r.method, r.config["recipe"]["source"]) == wanted and not r.config["method"].get("ranks")
    ]  # fmt: skip
    return most_varied(groups(mine), _RANK_KEYS, lambda group: (targets_of(group), _r(group)))


def training_examples(records: Iterable[Record], model: str, task: str, recipe: str) -> Table | None:
    """Methods (rows) after training on n examples (columns); None while no method was run on two sizes."""
    mine = [r for r in records if (r.model, r.task, r.config["recipe"]["source"]) == (model, task, recipe)]
    by_method: dict[str, dict[int, Group]] = {}
    for method in in_order(r.method for r in mine):
        found: dict[int, Group] = {}
        for group in groups(r for r in mine if r.method == method):
            found.setdefault(group.first.splits["train"].examples, group)
        by_method[method] = found
    if all(len(found) < 2 for found in by_method.values()):
        return None
    sizes = sorted({size for found in by_method.values() for size in found})
    headline = headline_of(task)
    methods = list(by_method)
    rows = [[method, *(_cell(by_method[method].get(size), headline) for size in sizes)] for method in methods]
    shown = [group for found in by_method.values() for group in found.values()]
    notes = _notes(shown, task, model, recipe, _SIZE_KEYS)
    epochs = sorted({int(group.first.config["recipe"]["epochs"]) for group in shown})
    notes.append(f"Epochs: {', '.join(map(str, epochs))}; a smaller part of the data means fewer steps.")
    best = _best(rows, lambda row, column: by_method[methods[row]].get(sizes[column]), headline)
    title = f"Parts of the training data (Table 16 in form), {task}, {model}, recipe {recipe}"
    return Table(title, notes, ["Method", *(f"n = {size:,}" for size in sizes)], rows, best)


def headline_of(task: str) -> Metric:
    """A task's headline metric as a column."""
    return Metric(task, headline_title(task), HEADLINE)


def loss_of(task: str) -> Metric:
    """A task's evaluation loss as a column."""
    return Metric(task, "evaluation loss", EVAL_LOSS, 1, 3, lower_is_better=True)


def most_varied(found: Sequence[Group], varied: set[str], key: Callable[[Group], Key]) -> dict[Key, Group]:
    """Of the groups that agree in all but the varied settings, those with the most cells; one group a cell."""
    families: defaultdict[str, dict[Key, Group]] = defaultdict(dict)
    for group in found:  # the group to show first comes first
        rest = {name: value for name, value in settings_of(group.first).items() if name not in varied}
        families[json.dumps(rest, sort_keys=True, default=str)].setdefault(key(group), group)
    return max(families.values(), key=len, default={})


def targets_of(group: Group) -> str:
    """LoRA's weight types in the paper's order: ``"W_q W_v"``."""
    order = ("W_q", "W_k", "W_v", "W_o", "W_fc1", "W_fc2")
    return " ".join(sorted(group.first.config["method"]["targets"], key=order.index))


def _r(group: Group) -> int:
    return int(group.first.config["method"]["r"])


def _cell(group: Group | None, metric: Metric) -> str:
    found = score(group.runs, metric) if group else None
    return found.format() if found else MISSING


def _best(
    rows: Sequence[Sequence[str]], at: Callable[[int, int], Group | None], metric: Metric
) -> frozenset[tuple[int, int]]:
    """The best cell of each column that has two or more."""
    best = set()
    for column in range(len(rows[0]) - 1):
        values = {
            row: found.value
            for row in range(len(rows))
            if (group := at(row, column)) and (found := score(group.runs, metric)) and found.value is not None
        }
        best |= {(row, column + 1) for row in best_rows(values)}
    return frozenset(best)


def _notes(
    shown: Sequence[Group], task: str, model: str, recipe: str, varied: set[str], unit: str | None = None
) -> list[str]:
    runs = [run for group in shown for run in group.runs]
    wanted = ["recipe.lr", "recipe.epochs", "recipe.batch_size", "task.train_examples", "method.r", "method.targets"]
    if task in TEXT_METRICS:
        wanted.append("recipe.beams")
    own = settings_of(shown[0].first)
    said = {key: own[key] for key in wanted if key in own and key not in varied}
    generated = " GENERATED DATA, not the task's own." if any(map(is_generated, runs)) else ""
    unit = unit or f"{headline_of(task).title} in percent"
    return [
        f"Statistic: {statistic_of(task).text}; ± standard deviation over seeds, (n) runs. {model}, no paper row.",
        f"{unit} on {task}; recipe {recipe}: {say(said) or 'as in conf/'}.{generated}",
        f"Made at {commits(runs)}.",
    ]

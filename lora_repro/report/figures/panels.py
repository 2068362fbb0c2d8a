"""What the panels of a figure show: one task each, runs by method, of one backbone and recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lora_repro.records import Record
from lora_repro.report.cells import Group, choose
from lora_repro.report.glue_table import METRIC_TITLES, in_order
from lora_repro.report.scores import (
    GLUE_TITLES,
    HEADLINE,
    TEXT_METRICS,
    Metric,
    Statistic,
    headline_title,
    statistic_of,
)
from lora_repro.report.settings import is_generated, settings_of
from lora_repro.report.text_table import TITLES
from lora_repro.tasks.glue import GLUE


@dataclass(frozen=True)
class Panel:
    """One task.

    Attributes:
        shown: by method, the group of runs that the tables show.
        others: by method, groups that differ from it in the method's own settings only (another r).
    """

    task: str
    metric: Metric
    shown: Mapping[str, Group]
    others: Mapping[str, tuple[Group, ...]]

    @property
    def statistic(self) -> Statistic:
        """Of the panel's task."""
        return statistic_of(self.task)

    @property
    def title(self) -> str:
        """``MRPC (accuracy)``."""
        return GLUE_TITLES.get(self.task) or TITLES.get(self.task, self.task)

    @property
    def baseline(self) -> float:
        """The constant answer's score, in the printed unit."""
        return self.metric.scale * next(iter(self.shown.values())).first.baseline

    @property
    def runs(self) -> list[Record]:
        """The runs that the tables show."""
        return [run for group in self.shown.values() for run in group.runs]


def panels(records: Sequence[Record], model: str, recipe: str) -> list[Panel]:
    """The tasks of one backbone and recipe, in the order of the paper's tables."""
    mine = [r for r in records if (r.model, r.config["recipe"]["source"]) == (model, recipe)]
    order = [*GLUE_TITLES, *TEXT_METRICS]
    return [_panel(task, [r for r in mine if r.task == task]) for task in order if any(r.task == task for r in mine)]


def methods_of(found: Sequence[Panel]) -> list[str]:
    """The methods of several panels, in the paper's order."""
    return in_order(method for panel in found for method in panel.shown)


def caption(found: Sequence[Panel], model: str, recipe: str) -> str:
    """Backbone, recipe, data and runs: what every caption ends with."""
    runs = [run for panel in found for run in panel.runs]
    counts = sorted({len(group.runs) for panel in found for group in panel.shown.values()})
    many = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    generated = " GENERATED DATA." if any(map(is_generated, runs)) else ""
    return f"{model}, recipe {recipe}; {many} run{'s' * (many != '1')} a cell, {len(runs)} in all.{generated}"


def _panel(task: str, records: Sequence[Record]) -> Panel:
    shown: dict[str, Group] = {}
    others: dict[str, tuple[Group, ...]] = {}
    for method in in_order(r.method for r in records):
        choice = choose(r for r in records if r.method == method)
        if choice.group is not None:
            shown[method] = choice.group
            others[method] = tuple(group for group in choice.left_out if _another_size(group, choice.group))
    title = METRIC_TITLES[GLUE[task].headline] if task in GLUE else headline_title(task)
    return Panel(task, Metric(task, title, HEADLINE), shown, others)


def _another_size(group: Group, shown: Group) -> bool:
    """Whether two groups differ in their method's settings and nothing else."""
    own, other = settings_of(group.first), settings_of(shown.first)
    differing = {key for key in {*own, *other} if own.get(key) != other.get(key)}
    same_data = {n: s.fingerprint for n, s in group.first.splits.items()} == {
        n: s.fingerprint for n, s in shown.first.splits.items()
    }
    same_weights = group.first.backbone_fingerprint == shown.first.backbone_fingerprint
    return bool(differing) and all(key.startswith("method.") for key in differing) and same_data and same_weights

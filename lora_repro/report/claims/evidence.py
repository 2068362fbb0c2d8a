"""What a claim is decided on: records by backbone, recipe, task and method, and the audit's counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.records import Record
from lora_repro.report.audited import Audited
from lora_repro.report.cells import Group, choose, groups
from lora_repro.report.paper.answers import MODELS
from lora_repro.report.scores import GLUE_TITLES, TEXT_METRICS, Metric, Score, score
from lora_repro.report.settings import is_generated, is_partial

TASKS = (*GLUE_TITLES, *TEXT_METRICS)


@dataclass(frozen=True)
class Bench:
    """One backbone with one recipe: where a claim is decided."""

    model: str
    recipe: str
    records: tuple[Record, ...]

    @property
    def where(self) -> str:
        """``minilm-l6, recipe mini (not the paper's backbone)``."""
        own = "" if self.model in MODELS.values() else " (not the paper's backbone)"
        return f"{self.model}, recipe {self.recipe}{own}"

    @property
    def tasks(self) -> list[str]:
        """That have runs, in the paper's order."""
        return [task for task in TASKS if any(r.task == task for r in self.records)]

    def methods(self, task: str) -> list[str]:
        """That have runs of a task."""
        return sorted({r.method for r in self.records if r.task == task})

    def cell(self, task: str, method: str) -> Group | None:
        """The group of runs that the tables show."""
        return choose(self._of(task, method)).group

    def cells(self, task: str, method: str) -> list[Group]:
        """All groups, the one that the tables show first."""
        return groups(self._of(task, method))

    def score(self, task: str, method: str, metric: Metric | None = None) -> Score | None:
        """One cell of a table; the headline metric unless another is asked for."""
        group = self.cell(task, method)
        return score(group.runs, metric or Metric(task, task)) if group else None

    def same_data(self, task: str, methods: Sequence[str]) -> bool:
        """Whether the methods' cells saw the same data."""
        cells = [self.cell(task, method) for method in methods]
        seen = {str(sorted((n, s.fingerprint) for n, s in g.first.splits.items())) for g in cells if g}
        return len(seen) == 1

    def caveat(self, tasks: Sequence[str]) -> str:
        """``", generated data"`` or ``", part of the data"``, where that is so of any of the shown runs."""
        shown = [g.first for t in tasks for m in self.methods(t) if (g := self.cell(t, m))]
        generated = ", generated data" if any(map(is_generated, shown)) else ""
        return generated + (", part of the data" if any(map(is_partial, shown)) else "")

    def _of(self, task: str, method: str) -> list[Record]:
        return [r for r in self.records if (r.task, r.method) == (task, method)]


@dataclass(frozen=True)
class Evidence:
    """All that claims are decided on."""

    records: tuple[Record, ...]
    audited: Audited
    analyses: tuple[AnalysisRecord, ...] = ()

    @cached_property
    def benches(self) -> list[Bench]:
        """Every backbone and recipe that has records, the paper's backbones first."""
        pairs = {(r.model, r.config["recipe"]["source"]) for r in self.records}
        ordered = sorted(pairs, key=lambda pair: (pair[0] not in MODELS.values(), pair))
        return [
            Bench(model, recipe, tuple(
                r for r in self.records if (r.model, r.config["recipe"]["source"]) == (model, recipe)
            ))
            for model, recipe in ordered
        ]  # fmt: skip

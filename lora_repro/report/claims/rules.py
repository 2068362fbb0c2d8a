"""The tests that decide claims. Each makes a rule: evidence in, one outcome for each backbone out.

A difference between two methods is paired by seed and has a 95 % interval (Student's t). *Beats* holds where the
interval lies above 0 and fails where it lies below; *matches* allows half a point, which is inside the spread that the
paper prints. In between, and with fewer than three shared seeds, the runs do not decide.
"""

from collections.abc import Callable, Sequence
from statistics import mean

from lora_repro.records import Record
from lora_repro.report.claims import Finding, Outcome, Rule
from lora_repro.report.claims.evidence import Bench, Evidence
from lora_repro.report.paper import paper_table
from lora_repro.report.paper_fill import AVERAGE, fill
from lora_repro.report.scores import TEXT_METRICS, Metric, score
from lora_repro.report.statistics import paired_interval
from lora_repro.tasks.glue import GLUE

MARGIN = 0.5
"""Points by which a method may be below another and still match it."""

_FEWEST_TASKS = 2  # of an average
_LEAST_DATA = 1_000  # examples: below this a regime counts as low-data


def average(method: str, other: str, margin: float = 0.0) -> Rule:
    """`method` beats `other` on the average of the GLUE tasks that both ran (matches it, with a margin)."""

    def rule(evidence: Evidence) -> list[Outcome]:
        return [found for bench in evidence.benches if (found := decide(bench))]

    def decide(bench: Bench) -> Outcome | None:
        tasks = [t for t in bench.tasks if t in GLUE and {method, other} <= set(bench.methods(t))
                 and bench.same_data(t, (method, other))]  # fmt: skip
        if not tasks:
            return None
        pairs = [(bench.score(task, method), bench.score(task, other)) for task in tasks]
        scored = {t: (a.by_seed, b.by_seed) for t, (a, b) in zip(tasks, pairs, strict=True) if a and b}
        several = {t: cells for t, cells in scored.items() if len(cells[0].keys() & cells[1].keys()) > 2}
        where = f"{bench.where}, GLUE{bench.caveat(list(several) or tasks)}"
        if len(several) < _FEWEST_TASKS:
            have = f"{', '.join(several) or 'no task'} with 3 shared seeds of {method} and {other}"
            return Outcome(where, Finding.UNDECIDED, f"{have}, needs {_FEWEST_TASKS} tasks")
        shared = set.intersection(*(set(a) & set(b) for a, b in several.values()))
        one, two = ({s: mean(cells[i][s] for cells in several.values()) for s in shared} for i in (0, 1))
        return compare(where, (f"mean of {', '.join(several)}: {method}", one), (other, two), margin)

    return rule


def on_task(task: str, method: str, other: str, metric: Metric | None = None, margin: float = 0.0) -> Rule:
    """`method` beats `other` on one task."""

    def rule(evidence: Evidence) -> list[Outcome]:
        found = []
        for bench in evidence.benches:
            one, two = bench.score(task, method, metric), bench.score(task, other, metric)
            if one and two and bench.same_data(task, (method, other)):
                where = f"{bench.where}, {task}{bench.caveat([task])}"
                found.append(compare(where, (method, one.by_seed), (other, two.by_seed), margin))
        return found

    return rule


def every(*rules: Rule) -> Rule:
    """All of several comparisons: fails where one fails, holds where all hold."""

    def rule(evidence: Evidence) -> list[Outcome]:
        parts = [outcome for part in rules for outcome in part(evidence)]
        places = dict.fromkeys(outcome.where for outcome in parts)
        return [_together(where, [o for o in parts if o.where == where], len(rules)) for where in places]

    return rule


def best_of_task(task: str, method: str) -> Rule:
    """`method` has the best value of every metric of a data-to-text task, among at least three methods."""

    def rule(evidence: Evidence) -> list[Outcome]:
        found = []
        for bench in evidence.benches:
            others = [name for name in bench.methods(task) if name != method]
            if method not in bench.methods(task) or not others:
                continue
            where = f"{bench.where}, {task}{bench.caveat([task])}"
            parts = []
            for metric in TEXT_METRICS[task]:
                scores = {name: bench.score(task, name, metric) for name in (method, *others)}
                values = {name: s for name, s in scores.items() if s and s.value is not None}
                if method not in values or len(values) < 2:
                    continue
                sign = -1 if metric.lower_is_better else 1
                rival = max((n for n in values if n != method), key=lambda n: sign * (values[n].value or 0.0))
                seeds = ({k: sign * v for k, v in values[n].by_seed.items()} for n in (method, rival))
                part = compare(where, (f"{metric.title} {method}", next(seeds)), (rival, next(seeds)), 0.0)
                parts.append(part)
            if parts:
                found.append(_together(where, parts, len(TEXT_METRICS[task])) if len(others) > 1
                             else Outcome(where, Finding.UNDECIDED, "needs at least three methods"))  # fmt: skip
        return found

    return rule


def spread(small: Sequence[str], large: Sequence[str]) -> Rule:
    """The standard deviation over seeds on small tasks is above that on large ones, for each method with both."""

    def rule(evidence: Evidence) -> list[Outcome]:
        found = []
        for bench in evidence.benches:
            both = [task for task in (*small, *large) if task in bench.tasks]
            deviations = {
                task: [s.std for m in bench.methods(task) if (s := bench.score(task, m)) and s.std and s.n > 2]
                for task in both
            }
            one = [value for task in small for value in deviations.get(task, [])]
            two = [value for task in large for value in deviations.get(task, [])]
            if not (one and two):
                continue
            numbers = f"mean standard deviation {mean(one):.2f} on the small tasks, {mean(two):.2f} on the large ones"
            finding = Finding.HOLDS if mean(one) > mean(two) else Finding.FAILS
            found.append(Outcome(f"{bench.where}, {', '.join(both)}{bench.caveat(both)}", finding, numbers))
        return found

    return rule


def seed_spread(task: str, method: str, metric: Metric, at_most: float) -> Rule:
    """The standard deviation over at least three seeds is no more than the paper's."""

    def rule(evidence: Evidence) -> list[Outcome]:
        found = []
        for bench in evidence.benches:
            cell = bench.score(task, method, metric)
            if cell and cell.std is not None and cell.n > 2:
                finding = Finding.HOLDS if cell.std <= at_most else Finding.FAILS
                found.append(Outcome(f"{bench.where}, {task}{bench.caveat([task])}", finding,
                                     f"{metric.title} {cell.format()}"))  # fmt: skip
        return found

    return rule


def low_data(method: str, other: str) -> Rule:
    """`method` beats `other` on the smallest part of the data that both were trained on, below a thousand examples."""

    def rule(evidence: Evidence) -> list[Outcome]:
        found = []
        for bench in evidence.benches:
            for task in bench.tasks:
                sizes = [
                    {g.first.splits["train"].examples: g for g in reversed(bench.cells(task, name))}
                    for name in (method, other)
                ]
                shared = [n for n in sorted(sizes[0].keys() & sizes[1].keys()) if n < _LEAST_DATA]
                if shared:
                    metric = Metric(task, task)
                    one, two = (_values(by_size[shared[0]].runs, metric) for by_size in sizes)
                    where = f"{bench.where}, {task}, n = {shared[0]}"
                    found.append(compare(where, (method, one), (other, two), 0.0))
        return found

    return rule


def restricted(evidence: Evidence) -> list[Outcome]:
    """LoRA beats LoRA in the restricted setting on Table 2's average, as the table's own rows have them."""
    lines = [line for line in fill("2", evidence.records) if line.row.method in ("LoRA", "LoRA†") and line.source]
    found = []
    for free in (line for line in lines if not line.row.dagger):
        for strict in (line for line in lines if line.row.dagger):
            cells = [line.cells[AVERAGE] for line in (free, strict)]
            same = (free.row.model, free.source) == (strict.row.model, strict.source)
            one, two = (cell.ours for cell in cells)
            if same and one and two and all(cell.comparable for cell in cells):
                where = f"{free.row.model}, recipe {free.source}, GLUE"
                found.append(compare(where, ("LoRA", one.by_seed), ("restricted", two.by_seed), 0.0))
    return found


def counted(number: str, small: tuple[str, str], whole: tuple[str, str], most: float) -> Rule:
    """A share of trained parameters, from the audit's counts of two rows of a table.

    Args:
        small, whole: model and method of the rows of Table `number`.
        most: the share that must not be reached.
    """

    def rule(evidence: Evidence) -> list[Outcome]:
        texts = [evidence.audited.count(paper_table(number).row(*row)) for row in (small, whole)]
        if "--" in texts:
            return []
        part, full = (int(text.replace(",", "")) for text in texts)
        finding = Finding.HOLDS if part / full < most else Finding.FAILS
        return [Outcome(f"{small[0]}, counted", finding, f"{part:,} of {full:,} = {part / full:.3%}")]

    return rule


def arithmetic(decide: Callable[[Evidence], Outcome | None]) -> Rule:
    """A claim that follows from counts."""
    return lambda evidence: [found] if (found := decide(evidence)) else []


def analysis(_: Evidence) -> list[Outcome]:
    """A claim that asks for a measurement which no training run makes, and of which there is no record yet."""
    return []


def compare(
    where: str, one: tuple[str, dict[int, float]], other: tuple[str, dict[int, float]], margin: float
) -> Outcome:
    """Two methods by seed: (name, values in points by seed)."""
    found = paired_interval(one[1], other[1])
    values = f"{one[0]} {mean(one[1].values()):.1f}, {other[0]} {mean(other[1].values()):.1f}"
    if found is None:
        shared = len(one[1].keys() & other[1].keys())
        return Outcome(where, Finding.UNDECIDED, f"{values} ({shared} shared seeds, needs 3)")
    middle, low, high = found
    numbers = f"{values}; difference {middle:+.1f}, 95 % interval {low:+.1f} to {high:+.1f}"
    if low > -margin:
        return Outcome(where, Finding.HOLDS, numbers)
    return Outcome(where, Finding.FAILS if high < -margin else Finding.UNDECIDED, numbers)


def _together(where: str, parts: Sequence[Outcome], wanted: int) -> Outcome:
    numbers = "; ".join(part.numbers for part in parts)
    if len(parts) < wanted:
        numbers += f" ({len(parts)} of {wanted} comparisons have runs)"
    if any(part.finding == Finding.FAILS for part in parts):
        return Outcome(where, Finding.FAILS, numbers)
    whole = len(parts) >= wanted and all(part.finding == Finding.HOLDS for part in parts)
    return Outcome(where, Finding.HOLDS if whole else Finding.UNDECIDED, numbers)


def _values(runs: Sequence[Record], metric: Metric) -> dict[int, float]:
    found = score(runs, metric)
    return found.by_seed if found else {}

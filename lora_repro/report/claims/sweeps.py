"""Tests of claims about one setting: the rank, the weight types, the number of virtual tokens."""

from collections.abc import Callable, Iterator

from lora_repro.report.cells import Group, same_work
from lora_repro.report.claims import Finding, Outcome, Rule
from lora_repro.report.claims.evidence import Bench, Evidence
from lora_repro.report.claims.rules import MARGIN, compare
from lora_repro.report.scores import Metric, Score, score
from lora_repro.report.settings import is_partial
from lora_repro.report.sweep_table import most_varied, rank_grid, targets_of

Grid = dict[tuple[str, int], Group]
"""LoRA's runs by weight types and r."""

QV = "W_q W_v"
_ENOUGH_RANKS = 4
_LARGE = 64
_BUDGET = 8  # r times the number of types in Table 5


def small_rank(weights: str) -> Rule:
    """r = 1 matches the largest rank that was run, of 8 or more."""

    def decide(where: str, grid: Grid, metric: Metric) -> Outcome | None:
        ranks = sorted(r for names, r in grid if names == weights)
        if len(ranks) < 2 or ranks[0] != 1 or ranks[-1] < 8:
            return None
        return _pair(f"{where}, {weights}", grid, (weights, 1), (weights, ranks[-1]), metric, MARGIN)

    return _for_each_grid(decide)


def large_rank_is_no_better(weights: str) -> Rule:
    """The best small rank (up to 8) matches r = 64."""

    def decide(where: str, grid: Grid, metric: Metric) -> Outcome | None:
        small = [r for names, r in grid if names == weights and r <= 8]
        if not small or (weights, _LARGE) not in grid:
            return None
        best = max(small, key=lambda r: _value(grid[weights, r], metric))
        return _pair(f"{where}, {weights}", grid, (weights, best), (weights, _LARGE), metric, MARGIN)

    return _for_each_grid(decide)


def same_budget(weights: str, other: str, margin: float = 0.0) -> Rule:
    """`weights` beat `other` at the same number of parameters: r in proportion to the number of types.

    Of several budgets the one next to Table 5's, r = 8 for one type, 4 for two, 2 for four.
    """

    def decide(where: str, grid: Grid, metric: Metric) -> Outcome | None:
        one, two = len(weights.split()), len(other.split())
        fitting = [(r, r * one // two) for names, r in grid if names == weights
                   and r * one % two == 0 and (other, r * one // two) in grid]  # fmt: skip
        if not fitting:
            return None
        r, other_r = min(fitting, key=lambda pair: abs(pair[0] * one - _BUDGET))
        return _pair(where, grid, (weights, r), (other, other_r), metric, margin)

    return _for_each_grid(decide)


def best_rank(lowest: int, highest: int) -> Rule:
    """The best rank of W_q and W_v lies in a range, and r = 1 is below it; from four ranks on."""

    def decide(where: str, grid: Grid, metric: Metric) -> Outcome | None:
        values = {r: _value(group, metric) for (names, r), group in grid.items() if names == QV}
        if len(values) < _ENOUGH_RANKS or 1 not in values:
            return None
        best = max(values, key=lambda r: values[r])
        numbers = ", ".join(f"r = {r}: {values[r]:.1f}" for r in sorted(values))
        holds = lowest <= best <= highest and values[1] < values[best]
        return Outcome(where, Finding.HOLDS if holds else Finding.FAILS, numbers)

    return _for_each_grid(decide, tasks=("e2e",))


def approaches_ft() -> Rule:
    """|LoRA - FT| is smaller at the largest rank than at the smallest; from four ranks on, FT on the same data for as
    many epochs."""

    def rule(evidence: Evidence) -> list[Outcome]:
        found = []
        for bench, task, grid in _grids(evidence):
            metric = Metric(task, task)
            for names in sorted({names for names, _ in grid}, key=len):
                lora = {r: grid[names, r] for r in sorted(r for own, r in grid if own == names)}
                beside = [g for g in bench.cells(task, "ft") if same_work(g.first, next(iter(lora.values())).first)]
                if len(lora) < _ENOUGH_RANKS or not beside:
                    continue
                full = _value(beside[0], metric)
                gaps = {r: abs(_value(group, metric) - full) for r, group in lora.items()}
                numbers = f"FT {full:.1f}; distance " + ", ".join(f"r = {r}: {gap:.1f}" for r, gap in gaps.items())
                ordered = list(gaps.values())
                finding = Finding.HOLDS if ordered[-1] < ordered[0] else Finding.FAILS
                found.append(Outcome(f"{_where(bench, task, grid)}, {names}", finding, numbers))
        return found

    return rule


def rate_carries_over(weights: str) -> Rule:
    """At constant alpha, the learning rate that is best at the smallest r matches each larger r's own best.

    Needs two ranks with three learning rates in common; runs that agree in every other setting.
    """

    def rule(evidence: Evidence) -> list[Outcome]:
        found = []
        for bench in evidence.benches:
            for task in bench.tasks:
                for alpha, by_rank in sorted(_rates(bench.cells(task, "lora"), weights).items()):
                    decided = _carried(by_rank, Metric(task, task))
                    if decided:
                        found.append(Outcome(f"{bench.where}, {task}, {weights}, alpha = {alpha:g}", *decided))
        return found

    return rule


def _rates(cells: list[Group], weights: str) -> dict[float, dict[int, dict[float, Group]]]:
    """Groups by alpha, r and learning rate."""

    def key(group: Group) -> tuple[float, int, float]:
        method = group.first.config["method"]
        return float(method["alpha"]), int(method["r"]), float(group.first.config["recipe"]["lr"])

    mine = [g for g in cells if targets_of(g) == weights and not g.first.config["method"].get("ranks")]
    found: dict[float, dict[int, dict[float, Group]]] = {}
    for (alpha, r, lr), group in most_varied(mine, {"method.alpha", "method.r", "recipe.lr"}, key).items():
        found.setdefault(alpha, {}).setdefault(r, {})[lr] = group
    return found


def _carried(by_rank: dict[int, dict[float, Group]], metric: Metric) -> tuple[Finding, str] | None:
    shared = set.intersection(*(set(rates) for rates in by_rank.values()))
    if len(by_rank) < 2 or len(shared) < 3:
        return None
    values = {r: {lr: _value(by_rank[r][lr], metric) for lr in shared} for r in sorted(by_rank)}
    first = values[min(values)]
    carried = max(first, key=lambda lr: first[lr])
    losses = {r: max(own.values()) - own[carried] for r, own in values.items()}
    numbers = f"lr {carried:g}, best at r = {min(values)}; short of each rank's best by "
    numbers += ", ".join(f"{loss:.1f} (r = {r})" for r, loss in losses.items())
    return (Finding.HOLDS if max(losses.values()) <= MARGIN else Finding.FAILS), numbers


def more_tokens_hurt(method: str) -> Rule:
    """The most prefix tokens score below the best smaller number."""

    def rule(evidence: Evidence) -> list[Outcome]:
        found = []
        for bench in evidence.benches:
            for task in bench.tasks:
                cells = {int(g.first.config["method"]["l_p"]): g for g in reversed(bench.cells(task, method))}
                if len(cells) > 1:
                    metric, most = Metric(task, task), max(cells)
                    best = max((l_p for l_p in cells if l_p != most), key=lambda l_p: _value(cells[l_p], metric))
                    named = {f"l_p = {key}": cells[key] for key in (best, most)}
                    found.append(_compared(f"{bench.where}, {task}, {method}", named, metric, 0.0))
        return found

    return rule


def _for_each_grid(decide: Callable[[str, Grid, Metric], Outcome | None], tasks: tuple[str, ...] | None = None) -> Rule:
    def rule(evidence: Evidence) -> list[Outcome]:
        decided = [
            decide(_where(bench, task, grid), grid, Metric(task, task))
            for bench, task, grid in _grids(evidence)
            if tasks is None or task in tasks
        ]
        return [outcome for outcome in decided if outcome is not None]

    return rule


def _grids(evidence: Evidence) -> Iterator[tuple[Bench, str, Grid]]:
    for bench in evidence.benches:
        for task in bench.tasks:
            grid = rank_grid(bench.records, bench.model, task, bench.recipe)
            if len(grid) > 1:
                yield bench, task, grid


def _where(bench: Bench, task: str, grid: Grid) -> str:
    first = next(iter(grid.values())).first
    part = f" ({first.splits['train'].examples:,} training examples)" if is_partial(first) else ""
    return f"{bench.where}, {task}{part}"


def _pair(
    where: str, grid: Grid, one: tuple[str, int], other: tuple[str, int], metric: Metric, margin: float
) -> Outcome:
    return _compared(where, {f"{names} r = {r}": grid[names, r] for names, r in (one, other)}, metric, margin)


def _compared(where: str, named: dict[str, Group], metric: Metric, margin: float) -> Outcome:
    (one, first), (two, second) = ((name, score(group.runs, metric)) for name, group in named.items())
    return compare(where, (one, _seeds(first)), (two, _seeds(second)), margin)


def _seeds(found: Score | None) -> dict[int, float]:
    return found.by_seed if found else {}


def _value(group: Group, metric: Metric) -> float:
    found = score(group.runs, metric)
    return found.value if found and found.value is not None else float("-inf")

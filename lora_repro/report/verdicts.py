"""The verdict on a cell that stands beside a number of the paper: one rule, the first line that fits.

1. ``not run``: there is no record.
2. ``collapsed``: a run's predictions are constant.
3. ``other setting``: not the paper's experiment: generated data, a part of the data, settings that are not the
   recipe's, another start. Such a number is shown and never judged. (Small backbones have tables of their own.)
4. ``too few seeds``: fewer runs than behind the paper's number.
5. ``inside``, ``above``, ``below``: our statistic against the paper's number, by the paper's printed spread, at least
   half a unit of its last decimal; where the paper prints no spread, by our standard deviation over seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lora_repro.records import Record
from lora_repro.report.paper import Value
from lora_repro.report.paper.answers import Answer
from lora_repro.report.scores import Score
from lora_repro.report.settings import changes, is_generated, is_partial, recipe_value, say, settings_of

_SAME_SCIENCE = {"recipe.grad_accumulation", "recipe.pad_to_max_length"}  # how a batch is computed, not what it is


class Verdict(StrEnum):
    """What a cell's comparison with the paper comes to."""

    NOT_RUN = "not run"
    COLLAPSED = "collapsed"
    OTHER_SETTING = "other setting"
    TOO_FEW_SEEDS = "too few seeds"
    INSIDE = "inside"
    ABOVE = "above"
    BELOW = "below"


RULE = (
    "Verdict, the first that fits: not run; collapsed (a run answers the same whatever the input); other setting "
    "(generated or part of the data, settings that are not the recipe's, another start: shown, never judged); too few "
    "seeds (fewer than the paper's); inside, above or below the paper's number by its printed spread, at least half a "
    "unit of the last decimal, or by our standard deviation where it prints none."
)
"""The rule in a table's header."""


@dataclass(frozen=True)
class Judgement:
    """A verdict and, for ``other setting``, what is other."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.verdict)


def judge(score: Score | None, deviations: Sequence[str], paper: Value, seeds: int | None) -> Judgement:
    """Compare a cell with the paper's number.

    Args:
        score: None where nothing was run.
        deviations: from `deviations`.
        seeds: behind the paper's number; None: it does not say, and one is enough.
    """
    if score is None or score.value is None:
        return Judgement(Verdict.NOT_RUN)
    if score.collapsed:
        return Judgement(Verdict.COLLAPSED)
    if deviations:
        return Judgement(Verdict.OTHER_SETTING, tuple(deviations))
    if score.n < (seeds or 1):
        return Judgement(Verdict.TOO_FEW_SEEDS)
    tolerance = paper.tolerance
    if tolerance is None:
        tolerance = max(score.std or 0.0, 0.5 * 10**-paper.decimals)
    gap = score.value - paper.value
    if abs(gap) <= tolerance + 1e-9:  # a printed 86.6 +- .7 includes 87.3
        return Judgement(Verdict.INSIDE)
    return Judgement(Verdict.ABOVE if gap > 0 else Verdict.BELOW)


def deviations(record: Record, row: Answer) -> list[str]:
    """Why a run is not the experiment of a paper's row; empty where it is."""
    found = []
    if is_generated(record):
        found.append("generated data")
    if is_partial(record):
        found.append("part of the data")
    changed = changes(record)
    if changed is None:
        return [*found, f"conf/ has no recipe {record.config['recipe']['source']} for it"]
    own, wanted = settings_of(record), _wanted(row)
    for key in sorted({*changed, *wanted} - _SAME_SCIENCE):
        right = wanted.get(key, recipe_value(record, key))
        if own.get(key) != right and not key.startswith("task."):
            found.append(f"{say({key: own.get(key)})} for {say({key: right}).rsplit(' ', 1)[-1]}")
    started = record.config.get("init_from") is not None
    if started != (record.task in row.from_mnli):
        found.append("starts from another adapter" if started else "no MNLI start")
    return found


def _wanted(row: Answer) -> dict[str, object]:
    return {f"method.{key}": value for key, value in row.settings.items()} | {
        f"recipe.{key}": value for key, value in row.recipe.items()
    }

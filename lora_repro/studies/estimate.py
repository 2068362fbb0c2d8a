"""How long a run will take, from runs that are done."""

from collections.abc import Sequence
from statistics import median
from typing import Protocol

from lora_repro.config import RunConfig
from lora_repro.records import Record

TRAIN_EXAMPLES = {
    "mnli": 392_702, "sst2": 67_349, "mrpc": 3_668, "cola": 8_551, "qnli": 104_743, "qqp": 363_846, "rte": 2_490,
    "stsb": 5_749, "wnli": 635, "e2e": 42_061, "webnlg": 18_025, "dart": 62_659,
    "samsum": 14_732, "wikisql": 56_355,
}  # fmt: skip
"""Of the full training splits."""

MEAN_TOKENS = {
    "mnli": 39, "sst2": 13, "mrpc": 53, "cola": 11, "qnli": 50, "qqp": 30, "rte": 68, "stsb": 31, "wnli": 38,
    "e2e": 65, "webnlg": 80, "dart": 75, "samsum": 190, "wikisql": 75,
}  # fmt: skip
"""Word pieces of a training example, special tokens included: rough, for estimates only."""


class Run(Protocol):
    """What an estimate asks of a run."""

    @property
    def model(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def tokens(self) -> float | None: ...


def train_tokens(config: RunConfig) -> float | None:
    """About how many real tokens a run will train on; None for a task that nobody has counted."""
    name = config.task.name
    if name not in TRAIN_EXAMPLES:
        return None
    examples = min(TRAIN_EXAMPLES[name], config.task.train_examples or TRAIN_EXAMPLES[name])
    return float(examples * min(MEAN_TOKENS[name], config.recipe.max_length) * config.recipe.epochs)


def estimate(run: Run, known: Sequence[Record]) -> float | None:
    """Seconds that a run will take, from records of the same backbone: same task and method, else method, else any.

    None when the backbone has no record yet, or the run's size is not known.
    """
    if run.tokens is None:
        return None
    same_model = [r for r in known if r.model == run.model]
    same_method = [r for r in same_model if r.method == run.method]
    same_task = [r for r in same_method if r.task == run.task]
    for group in (same_task, same_method, same_model):
        if group:
            seconds_per_token = median(
                (r.cost.train_seconds + r.cost.eval_seconds) / r.cost.train_tokens for r in group
            )
            return seconds_per_token * run.tokens
    return None


def duration(seconds: float) -> str:
    """``1 h 05 min``, ``12 min``; at least a minute."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"

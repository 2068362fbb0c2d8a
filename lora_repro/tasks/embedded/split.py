"""Splits that share no content: what an example is about is hashed, and the hash says where it belongs."""

import hashlib
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from lora_repro.errors import ConfigError
from lora_repro.tasks.embedded.draw import Draw

Content = TypeVar("Content")

SEED = 2021
"""Of the data sets that runs use; changing it changes every result on generated data."""

_SHARES = {"train": range(0, 7), "validation": range(7, 9), "test": range(9, 10)}
"""Tenths of all contents that a split draws from."""

_PATIENCE = 200  # draws for one new example, before the grammar counts as used up


class Drawn(NamedTuple, Generic[Content]):
    """Something drawn: what it is about, what makes it a duplicate of another, and itself."""

    key: str
    identity: str
    content: Content


def distinct(
    task: str, split: str, count: int, make: Callable[[Draw], Drawn[Content]], seed: int = SEED
) -> list[Content]:
    """The first `count` different things of a split; a larger count begins with those of a smaller one.

    Args:
        split: "train", "validation..." or "test".

    Raises:
        ConfigError: the count is below 1, or more than the grammar can say.
    """
    if count < 1:
        raise ConfigError(f"task.train_examples/task.eval_examples={count}: use a number from 1 up, or null for all")
    share = _SHARES[split.split("_")[0]]
    draw = Draw(task, split, seed)
    seen: set[str] = set()
    found: list[Content] = []
    failures = 0
    while len(found) < count:
        drawn = make(draw)
        if _tenth(task, drawn.key) in share and drawn.identity not in seen:
            seen.add(drawn.identity)
            found.append(drawn.content)
            failures = 0
        else:
            failures += 1
            if failures == _PATIENCE:
                raise ConfigError(
                    f"the embedded task {task} has about {len(found)} different {split} examples, {count} were asked "
                    "for: set task.train_examples or task.eval_examples to less, or use real data"
                )
    return found


def _tenth(task: str, key: str) -> int:
    return int(hashlib.sha256(f"{task}|{key}".encode()).hexdigest()[:8], 16) % 10

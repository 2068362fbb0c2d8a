"""Which examples stand in which batch: a pure function of (lengths, seed, epoch), so that a resumed run goes on."""

import numpy as np

from lora_repro.errors import ConfigError

Indices = np.ndarray  # (examples of a batch,) int64

POOL = 50
"""Batches sorted by length together: large enough that little padding is left, small enough that order stays random."""


def training_batches(lengths: np.ndarray, batch_size: int, seed: int, epoch: int, *, bucketed: bool) -> list[Indices]:
    """The batches of one epoch, in order; every example once, the last batch may be smaller.

    Args:
        lengths: (n,) tokens of each example.
        bucketed: put examples of like length together (less padding); else plain shuffled order.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    if not bucketed:
        return _cut(order, batch_size)
    pool = POOL * batch_size
    batches: list[Indices] = []
    for start in range(0, len(order), pool):
        chunk = order[start : start + pool]
        batches += _cut(chunk[np.argsort(lengths[chunk], kind="stable")], batch_size)
    return [batches[i] for i in generator.permutation(len(batches))]


def evaluation_batches(lengths: np.ndarray, batch_size: int) -> list[Indices]:
    """Every example once, sorted by length: no more padding than need be."""
    return _cut(np.argsort(lengths, kind="stable"), batch_size)


def share(batch: Indices, process: int, processes: int, accumulation: int) -> list[Indices]:
    """The micro-batches of one process: the batch dealt out to the processes, each hand cut into `accumulation` parts.

    Parts may be empty when the last batch of an epoch is smaller than processes x accumulation.
    """
    return [part for part in np.array_split(batch[process::processes], accumulation) if len(part)]


def padded_length(longest: int, max_length: int, *, step: int, to_max: bool) -> int:
    """Tokens per row of a batch whose longest example has `longest`: a multiple of `step`, or `max_length`."""
    if to_max:
        return max_length
    return min(-(-longest // step) * step, max_length)


def check_divisible(batch_size: int, processes: int, accumulation: int) -> None:
    """Refuse a batch that cannot be dealt out evenly.

    Raises:
        ConfigError: with the numbers and the nearest batch size that fits.
    """
    parts = processes * accumulation
    if batch_size % parts:
        raise ConfigError(
            f"recipe.batch_size={batch_size} cannot be dealt out to {processes} processes x {accumulation} "
            f"accumulation steps; use a multiple of {parts}, e.g. {-(-batch_size // parts) * parts}"
        )


def _cut(order: Indices, size: int) -> list[Indices]:
    return [order[start : start + size] for start in range(0, len(order), size)]

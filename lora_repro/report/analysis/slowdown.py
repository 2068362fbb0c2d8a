"""What a latency cell says of one variant, in two ways, each the median over samples.

Against the base model: its time over the base model's in that sample. Within the pass: its time over what is left of
it without the adapter layers, which a machine's drift hardly touches (`lora_repro.analysis.inserted`).
"""

import math
from dataclasses import dataclass

import numpy as np

from lora_repro.analysis.results import BASE, Latency, Timing

CONFIDENCE = 0.95
FEWEST_FOR_RANKS = 6  # samples; with fewer, no two order statistics enclose the median with that confidence


@dataclass(frozen=True)
class Slowdown:
    """Percent over the base model, or over another variant."""

    percent: float
    low: float  # 95 % interval
    high: float

    def __str__(self) -> str:
        return f"{self.percent:+.1f} % [{self.low:+.1f}, {self.high:+.1f}]"


def base_of(cell: Latency) -> Timing:
    """The base model's times."""
    return next(timing for timing in cell.timings if timing.variant == BASE)


def slowdown(cell: Latency, timing: Timing) -> Slowdown:
    """Of one variant of a cell over the base model; the base model's own is 0 exactly."""
    return against(timing, base_of(cell))


def against(timing: Timing, other: Timing) -> Slowdown:
    """Of one variant over another of the same cell."""
    return _summary(np.array(timing.seconds) / np.array(other.seconds))


def within(timing: Timing) -> Slowdown:
    """Of a variant over the same pass without its adapter layers; their time has been measured."""
    return _summary(_within(timing))


def within_against(timing: Timing, other: Timing) -> Slowdown:
    """Of one variant over another, each over its own pass without its adapter layers."""
    return _summary(_within(timing) / _within(other))


def _within(timing: Timing) -> np.ndarray:
    seconds = np.array(timing.seconds)
    return seconds / (seconds - np.array(timing.inserted))  # (samples,)


def _summary(ratios: np.ndarray) -> Slowdown:
    low, high = interval(ratios)
    return Slowdown(*(100 * (value - 1) for value in (float(np.median(ratios)), low, high)))


def interval(ratios: np.ndarray) -> tuple[float, float]:
    """95 % interval of what a ratio is like in the middle, (samples,) -> (low, high).

    From six samples on that of the median by order statistics, which assumes no distribution (David & Nagaraja, Order
    Statistics, 7.1); of fewer, Student's t of the mean. A bootstrap of three values would be far too narrow. One sample
    says nothing: both ends are infinite.
    """
    count = len(ratios)
    if count >= FEWEST_FOR_RANKS:
        below, outside = 0, 0.5**count  # of 2^count equally likely signs, those that leave the median outside
        while 2 * (outside + math.comb(count, below + 1) * 0.5**count) <= 1 - CONFIDENCE:
            below += 1
            outside += math.comb(count, below) * 0.5**count
        ordered = np.sort(ratios)
        return float(ordered[below]), float(ordered[-1 - below])
    if count == 1:
        return -math.inf, math.inf
    from scipy.stats import t  # a second's import

    half = t.ppf(0.5 + CONFIDENCE / 2, count - 1) * np.std(ratios, ddof=1) / math.sqrt(count)
    return float(np.mean(ratios) - half), float(np.mean(ratios) + half)

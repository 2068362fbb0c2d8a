"""What a latency cell says of one variant: the median over rounds of its time over the base model's in that round."""

from dataclasses import dataclass

import numpy as np

from lora_repro.analysis.results import BASE, Latency, Timing

RESAMPLES = 2_000
CONFIDENCE = 0.95
_SEED = 20210609  # of the bootstrap's own generator, so that a table is the same each time it is rendered


@dataclass(frozen=True)
class Slowdown:
    """Percent over the base model."""

    percent: float
    low: float  # bootstrap interval of the median
    high: float

    def __str__(self) -> str:
        return f"{self.percent:+.1f} % [{self.low:+.1f}, {self.high:+.1f}]"


def base_of(cell: Latency) -> Timing:
    """The base model's times."""
    return next(timing for timing in cell.timings if timing.variant == BASE)


def slowdown(cell: Latency, timing: Timing) -> Slowdown:
    """Of one variant of a cell; the base model's own is 0 exactly."""
    ratios = np.array(timing.seconds) / np.array(base_of(cell).seconds)  # (rounds,)
    generator = np.random.default_rng(_SEED)
    medians = np.median(generator.choice(ratios, size=(RESAMPLES, len(ratios))), axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(medians, [tail, 1 - tail])
    return Slowdown(*(100 * (float(value) - 1) for value in (np.median(ratios), low, high)))

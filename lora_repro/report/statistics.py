"""What a table says of several seeds: the paper's statistic first, honest company beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lora_repro.records import Record

RESAMPLES = 10_000
CONFIDENCE = 0.95
_SEED = 20210609  # of the bootstrap's own generator, so that a table is the same each time it is rendered


@dataclass(frozen=True)
class Summary:
    """One cell: the headline metric of n runs that differ only in their seed, as fractions."""

    n: int
    median_best: float  # the paper's GLUE statistic: median over seeds of the best development epoch
    std_best: float | None  # sample standard deviation; None for n < 2
    mean_best: float
    interval: tuple[float, float] | None  # bootstrap interval of mean_best; None for n < 2
    median_last: float  # median over seeds of the last epoch: no selection on the reported data
    collapsed: int  # runs whose last predictions were constant: shown, never dropped


def summarise(records: Sequence[Record]) -> Summary:
    """Summarise runs of one (backbone, method, task, recipe).

    Raises:
        ValueError: there are none.
    """
    if not records:
        raise ValueError("no records to summarise")
    best = np.array([record.best.headline for record in records])
    many = len(best) > 1
    return Summary(
        n=len(best),
        median_best=float(np.median(best)),
        std_best=float(best.std(ddof=1)) if many else None,
        mean_best=float(best.mean()),
        interval=bootstrap_interval(best) if many else None,
        median_last=float(np.median([record.last.headline for record in records])),
        collapsed=sum(record.last.collapsed for record in records),
    )


def bootstrap_interval(values: np.ndarray) -> tuple[float, float]:
    """Percentile interval of the mean, (n,) -> (low, high). With few seeds it is too narrow, never too wide."""
    generator = np.random.default_rng(_SEED)
    samples = generator.choice(values, size=(RESAMPLES, len(values)))  # (resamples, n)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(samples.mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)


PAIRED_TEST = "paired t-test over shared seeds (two-sided, p < 0.05, at least 3 seeds, not corrected for many tests)"
SIGNIFICANT = 0.05
_FEWEST_SEEDS = 3


def paired_p(one: Mapping[int, float], other: Mapping[int, float]) -> float | None:
    """Two-sided p of the paired t-test between two methods, by seed.

    None where they share fewer than three seeds. Where all differences are equal, 0 if they are not zero, else 1.
    """
    seeds = sorted(one.keys() & other.keys())
    if len(seeds) < _FEWEST_SEEDS:
        return None
    differences = np.array([one[seed] - other[seed] for seed in seeds])
    if np.ptp(differences) < 1e-12:
        return 0.0 if abs(differences[0]) > 1e-12 else 1.0
    from scipy.stats import ttest_1samp  # a second's import, not needed by tables of single seeds

    return float(ttest_1samp(differences, 0.0).pvalue)


def paired_interval(one: Mapping[int, float], other: Mapping[int, float]) -> tuple[float, float, float] | None:
    """Mean difference between two methods over shared seeds, and its 95 % interval (Student's t): (mean, low, high).

    None where they share fewer than three seeds.
    """
    seeds = sorted(one.keys() & other.keys())
    if len(seeds) < _FEWEST_SEEDS:
        return None
    from scipy.stats import t

    differences = np.array([one[seed] - other[seed] for seed in seeds])
    middle, error = float(differences.mean()), float(differences.std(ddof=1)) / len(seeds) ** 0.5
    half = float(t.ppf(0.5 + CONFIDENCE / 2, len(seeds) - 1)) * error
    return middle, middle - half, middle + half

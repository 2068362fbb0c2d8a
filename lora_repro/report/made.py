"""What tables say of where and when their runs were made."""

from collections.abc import Iterable, Sequence

from lora_repro.records import Record


def join(values: Iterable[object]) -> str:
    """Distinct values in their order, with commas."""
    return ", ".join(dict.fromkeys(str(value) for value in values))


def commits(runs: Sequence[Record]) -> str:
    """``commit 1a2b3c4d5e, 6f7a8b9c0d+changes; 2026-11-21 to 2026-11-22``."""
    names = join(run.environment.commit[:10] + "+changes" * run.environment.dirty for run in runs)
    dates = sorted(run.finished[:10] for run in runs)
    return f"commit {names}; {dates[0]} to {dates[-1]}"


def machines(runs: Sequence[Record]) -> str:
    """Processor, device, precision, PyTorch, commit and dates, one sentence."""
    return (
        f"Machine: {join(f'{run.environment.machine} ({run.environment.device})' for run in runs)}; precision "
        f"{join(run.environment.precision for run in runs)}; PyTorch "
        f"{join(run.environment.versions['torch'] for run in runs)}; {commits(runs)}."
    )

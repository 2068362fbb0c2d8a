"""Finished runs, made up: no training, every field of a real record."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lora_repro.records import Epoch, Record
from tests.test_records import record as template


def run_of(method: str, task: str, seed: int, scores: Sequence[float], **changes: Any) -> Record:
    """A run whose epochs scored `scores` on the headline metric."""
    epochs = [Epoch(i, 10 * i, 0.5, 0.5, {"accuracy": s}, s, False, 1.0) for i, s in enumerate(scores, start=1)]
    best = max(epochs, key=lambda epoch: epoch.headline)
    base = template()
    config = {**base.config, "seed": seed}
    made = replace(base, method=method, task=task, seed=seed, config=config, epochs=epochs, best=best, last=epochs[-1])
    return replace(made, identity=f"{method}{task}{seed}", **changes)

"""How many processes: the rule on given numbers, and the measurement itself on this machine."""

import pytest

from lora_repro.errors import ConfigError
from lora_repro.studies import sharing
from lora_repro.studies.study import jobs

GIB = 2**30


@pytest.mark.parametrize(
    ("threads", "memory", "expected"),
    [
        (1, 64 * GIB, [1]),
        (2, 64 * GIB, [1, 2]),
        (6, 64 * GIB, [1, 2, 4]),
        (64, 256 * GIB, [1, 2, 4, 8]),
        (16, 5 * GIB, [1, 2]),
        (16, GIB, [1]),
    ],
)
def test_numbers_worth_a_trial(threads: int, memory: int, expected: list[int]) -> None:
    assert sharing.candidates(threads, memory, 2 * GIB) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ({1: 10.0, 2: 16.0, 4: 20.0}, 4),
        ({1: 10.0, 2: 16.0, 4: 16.4}, 2),  # hardly more for twice the memory
        ({1: 10.0, 2: 10.3, 4: 9.0}, 1),
        ({1: 10.0, 2: 10.4, 4: 10.8}, 4),
        ({1: 7.0}, 1),
    ],
)
def test_the_fewest_processes_that_are_as_fast(steps: dict[int, float], expected: int) -> None:
    assert sharing.choose(steps) == expected


def test_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "WINDOW", 0.3)  # of this process alone: the others wait for their turn all the same
    rates = sharing.measure([1, 2], 2, 64)
    assert sorted(rates) == [1, 2] and all(rate > 0 for rate in rates.values())


def test_auto_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "measure", lambda counts, threads, width: {count: count * width for count in counts})
    monkeypatch.setattr(sharing, "available_memory", lambda: 64 * GIB)
    dims = {"n_embd": 256, "n_layer": 6, "vocab_size": 8192}
    assert sharing.best_jobs(dims, 4, gpus=0) == (
        4,
        "4 processes, by steps per second of a block of width 256: 1 x 4 threads 256.0, 2 x 2 threads 512.0, "
        "4 x 1 threads 1024.0",
    )
    assert sharing.best_jobs(dims, 1, gpus=0)[0] == 1
    assert sharing.best_jobs(dims, 4, gpus=3) == (3, "3 processes: one a GPU")
    large = {"hidden_size": 1024, "num_hidden_layers": 24, "vocab_size": 50265}
    assert 6 * GIB < sharing.needed(large) < 7 * GIB  # 354 million parameters
    assert sharing.best_jobs(large, 64, gpus=0)[0] == 8
    monkeypatch.setattr(sharing, "available_memory", lambda: 20 * GIB)
    assert sharing.best_jobs(large, 64, gpus=0)[0] == 2
    assert (jobs("3"), jobs("auto")) == (3, "auto")
    for wrong in ("0", "-1", "many"):
        with pytest.raises(ConfigError, match="or auto"):
            jobs(wrong)

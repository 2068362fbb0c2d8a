"""Batches: every example once, reproducible, little padding, dealt out without loss."""

import numpy as np
import pytest

from lora_repro.errors import ConfigError
from lora_repro.training.batches import check_divisible, evaluation_batches, padded_length, share, training_batches

LENGTHS = np.random.default_rng(0).integers(4, 120, size=1003)


@pytest.mark.parametrize("bucketed", [True, False])
def test_every_example_stands_in_exactly_one_batch(bucketed: bool) -> None:
    batches = training_batches(LENGTHS, 32, seed=1, epoch=1, bucketed=bucketed)
    assert sorted(np.concatenate(batches)) == list(range(1003))
    assert sorted(len(batch) for batch in batches) == [11] + [32] * 31


def test_order_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    first = np.concatenate(training_batches(LENGTHS, 32, 1, 1, bucketed=True))
    assert np.array_equal(first, np.concatenate(training_batches(LENGTHS, 32, 1, 1, bucketed=True)))
    for seed, epoch in ((1, 2), (2, 1)):
        assert not np.array_equal(first, np.concatenate(training_batches(LENGTHS, 32, seed, epoch, bucketed=True)))


def test_bucketing_leaves_less_padding_than_plain_order() -> None:
    def padding(bucketed: bool) -> int:
        batches = training_batches(LENGTHS, 32, 0, 1, bucketed=bucketed)
        return sum(int(LENGTHS[b].max() * len(b) - LENGTHS[b].sum()) for b in batches)

    assert padding(True) < 0.15 * padding(False)


def test_evaluation_batches_are_sorted_by_length() -> None:
    batches = evaluation_batches(LENGTHS, 64)
    assert np.array_equal(LENGTHS[np.concatenate(batches)], np.sort(LENGTHS))


def test_shares_add_up_to_the_batch() -> None:
    batch = np.arange(32)
    parts = [part for process in range(2) for part in share(batch, process, 2, accumulation=4)]
    assert [len(part) for part in parts] == [4] * 8
    assert sorted(np.concatenate(parts)) == list(range(32))
    assert share(np.arange(1), 1, 2, 1) == []  # the last batch may be smaller than the number of processes


@pytest.mark.parametrize(
    ("longest", "step", "width"), [(1, 8, 8), (8, 8, 8), (9, 8, 16), (121, 8, 126), (126, 8, 126), (9, 1, 9)]
)
def test_lengths_are_rounded_up_but_never_past_the_maximum(longest: int, step: int, width: int) -> None:
    assert padded_length(longest, 126, step=step, to_max=False) == width
    assert padded_length(longest, 126, step=step, to_max=True) == 126


def test_a_batch_that_cannot_be_dealt_out_is_refused_with_a_size_that_can() -> None:
    check_divisible(32, 4, 2)
    with pytest.raises(ConfigError, match=r"batch_size=30 .* 4 processes x 2 accumulation steps; .* e\.g\. 32"):
        check_divisible(30, 4, 2)

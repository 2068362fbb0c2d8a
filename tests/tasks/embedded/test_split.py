"""Splits share no content, larger counts continue smaller ones, and a grammar that is used up says so."""

import pytest

from lora_repro.errors import ConfigError
from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.embedded.split import Drawn, distinct


def numbers(bound: int):  # type: ignore[no-untyped-def]
    def make(draw: Draw) -> Drawn[int]:
        number = draw.below(bound)
        return Drawn(str(number // 10), str(number), number)

    return make


def test_splits_share_no_key_and_nothing_comes_twice() -> None:
    found = {split: distinct("t", split, 100, numbers(5000)) for split in ("train", "validation", "test")}
    keys = {split: {number // 10 for number in those} for split, those in found.items()}
    assert all(len(set(those)) == 100 for those in found.values())
    assert not keys["train"] & keys["validation"]
    assert not keys["train"] & keys["test"]
    assert not keys["validation"] & keys["test"]


def test_a_larger_count_begins_with_a_smaller_one_and_the_seed_matters() -> None:
    assert distinct("t", "train", 300, numbers(5000))[:100] == distinct("t", "train", 100, numbers(5000))
    assert distinct("t", "train", 100, numbers(5000), seed=1) != distinct("t", "train", 100, numbers(5000))


def test_more_than_there_is_and_less_than_one_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"the embedded task t has about \d+ different train examples, 200 were"):
        distinct("t", "train", 200, numbers(100))
    with pytest.raises(ConfigError, match=r"task\.train_examples/task\.eval_examples=0"):
        distinct("t", "train", 0, numbers(100))

"""Draws depend on the key alone, are the same everywhere, and are spread evenly."""

from collections import Counter

from lora_repro.tasks.embedded.draw import Draw


def test_golden_draws() -> None:
    draw = Draw("task", "train", 2021)
    assert [draw.below(1000) for _ in range(18)] == GOLDEN


def test_streams_differ_by_key_and_repeat_themselves() -> None:
    first = [Draw("a", 1).below(1 << 30) for _ in range(2)]
    assert first[0] == first[1]
    assert len({Draw(*key).below(1 << 30) for key in (("a", 1), ("a", 2), ("b", 1), ("a/1", 1))}) == 4


def test_draws_are_spread_evenly() -> None:
    draw = Draw("even")
    counts = Counter(draw.below(7) for _ in range(7000))
    assert set(counts) == set(range(7))
    assert all(880 < count < 1120 for count in counts.values())  # four standard deviations
    assert 2800 < sum(draw.chance(30) for _ in range(10_000)) < 3200


def test_some_are_different_and_in_any_order() -> None:
    draw = Draw("some")
    seen = {tuple(draw.some("abc", 2)) for _ in range(200)}
    assert seen == {("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")}


GOLDEN: list[int] = [773, 501, 477, 547, 96, 474, 344, 577, 119, 481, 105, 381, 176, 726, 572, 806, 114, 330]

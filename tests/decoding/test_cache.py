"""The roomy cache holds what Transformers' own holds, whatever is appended and taken out."""

import pytest
import torch
from transformers import DynamicCache

from lora_repro.decoding.cache import RoomyLayer, roomy_cache


def states(rows: int, columns: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values (rows, 2 heads, columns, 4)."""
    stream = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(rows, 2, columns, 4, generator=stream) for _ in range(2))  # type: ignore[return-value]


def test_it_holds_what_transformers_own_cache_holds() -> None:
    ours, theirs = roomy_cache(4), DynamicCache()
    assert ours.get_seq_length() == 0

    def give(rows: int, columns: int, seed: int) -> None:
        for block in range(2):
            given = states(rows, columns, seed + block)
            for mine, other in zip(ours.update(*given, block), theirs.update(*given, block), strict=True):
                assert torch.equal(mine, other)

    give(3, 5, seed=0)  # three prompts
    give(3, 2, seed=2)  # two beams
    for cache in (ours, theirs):
        cache.batch_select_indices(torch.tensor([0, 2]))  # the second input is done
    give(2, 2, seed=4)
    assert ours.get_seq_length() == theirs.get_seq_length() == 9
    assert ours.get_mask_sizes(2, 0) == theirs.get_mask_sizes(2, 0)


def test_growing_moves_nothing() -> None:
    layer = RoomyLayer(3)
    layer.update(*states(2, 5, 0))
    place, before = layer.keys.data_ptr(), layer.keys.clone()
    layer.update(*states(2, 2, 1))
    assert layer.keys.data_ptr() == place
    assert torch.equal(layer.keys[:, :, :5], before)


def test_a_text_longer_than_the_room_is_an_error() -> None:
    layer = RoomyLayer(1)
    layer.update(*states(2, 5, 0))
    layer.update(*states(2, 1, 1))
    with pytest.raises(RuntimeError, match="7 columns; the cache has room for 5 \\+ 1"):
        layer.update(*states(2, 1, 2))

"""A key-value cache for beam search that moves nothing: it has room for the whole text from the start.

Transformers' own layer copies all keys and values whenever columns are appended.
"""

from functools import partial
from typing import Any

from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):
    """Keys and values of one block, (rows, heads, columns, d_head): the prompt's columns, then up to `room` more.

    The first `update` brings the prompt. More columns than there is room for raise RuntimeError.
    """

    def __init__(self, room: int):
        super().__init__()
        self.room = room
        self._stores: tuple[Tensor, ...] = ()  # keys and values, with columns not yet filled

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append columns; returns all of them."""
        rows, heads, new, _ = key_states.shape
        begin = self.get_seq_length()
        if not self._stores:
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
            self._stores = tuple(
                given.new_empty(rows, heads, new + self.room, given.size(-1)) for given in (key_states, value_states)
            )
        end, most = begin + new, self._stores[0].size(2)
        if end > most:
            raise RuntimeError(f"{end} columns; the cache has room for {most - self.room} + {self.room}")
        for store, given in zip(self._stores, (key_states, value_states), strict=True):
            store[:, :, begin:end] = given
        return self._show(end)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Make `indices` the rows."""
        self._stores = tuple(store.index_select(0, indices) for store in self._stores)
        self._show(self.get_seq_length())

    def _show(self, columns: int) -> tuple[Tensor, Tensor]:
        self.keys, self.values = (store[:, :, :columns] for store in self._stores)
        return self.keys, self.values


def roomy_cache(room: int) -> Cache:
    """An empty cache for a prompt and up to `room` columns after it."""
    layer: Any = partial(RoomyLayer, room)  # called for each block as it comes up
    return Cache(layer_class_to_replicate=layer)

"""A key-value cache for beam search that moves little: it grows in place, and beams share their prompt.

Transformers' own layer copies all keys and values twice a step, once to append a token and once to reorder the beams.
Here a layer has room for the whole text from the start, and since all beams of an input have the same prompt,
reordering moves the written tokens only.
"""

from functools import partial
from typing import Any

from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):
    """Keys and values of one block, (rows, heads, columns, d_head): the prompt's columns, then up to `room` more.

    The first `update` brings the prompt. A text longer than the room raises RuntimeError.
    """

    def __init__(self, room: int):
        super().__init__()
        self.room, self.prompt = room, 0
        self._stores: tuple[Tensor, ...] = ()  # keys and values, with columns not yet filled

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append columns; returns all of them."""
        rows, heads, new, _ = key_states.shape
        begin = self.get_seq_length()
        if not self._stores:
            self.dtype, self.device, self.is_initialized, self.prompt = key_states.dtype, key_states.device, True, new
            self._stores = tuple(
                given.new_empty(rows, heads, new + self.room, given.size(-1)) for given in (key_states, value_states)
            )
        end = begin + new
        if end > self.prompt + self.room:
            raise RuntimeError(f"{end} columns; the cache has room for {self.prompt} + {self.room}")
        for store, given in zip(self._stores, (key_states, value_states), strict=True):
            store[:, :, begin:end] = given
        return self._show(end)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Make `indices` the rows, whatever their prompts."""
        self._stores = tuple(store.index_select(0, indices) for store in self._stores)
        self._show(self.get_seq_length())

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Give each row what row `beam_idx` of it wrote; the two have the same prompt."""
        for store in self._stores:
            written = store[:, :, self.prompt : self.get_seq_length()]
            written.copy_(written.index_select(0, beam_idx))

    def _show(self, columns: int) -> tuple[Tensor, Tensor]:
        self.keys, self.values = (store[:, :, :columns] for store in self._stores)
        return self.keys, self.values


def roomy_cache(room: int) -> Cache:
    """An empty cache for a prompt and up to `room` tokens after it."""
    layer: Any = partial(RoomyLayer, room)  # called for each block as it comes up
    return Cache(layer_class_to_replicate=layer)

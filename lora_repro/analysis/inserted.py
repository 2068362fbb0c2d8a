"""What adapter layers take of a pass's time, read inside that very pass.

A shared machine drifts by more from one pass to the next than an adapter costs, and so does the ratio of two passes.
The time in the adapter layers and the rest of the same pass drift together: their ratio is steady where the ratio of
two models is not. It leaves out what a layer does to its neighbours (caches), so it stands beside the comparison with
the base model, not in its place.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from lora_repro.methods.adapter_layers import Bottleneck


class InsertedTime:
    """Adds up seconds from the entry into an adapter layer until its output has been added, on a CPU."""

    def __init__(self) -> None:
        self.watches = False  # whether the model has adapter layers on a CPU
        self._begun = self._seconds = 0.0

    def begin(self, *_: object) -> None:
        """A forward pre-hook of the adapter layer."""
        self._begun = time.perf_counter()

    def end(self, *_: object) -> None:
        """A forward hook of the module beside which it stands, after the one that adds its output."""
        self._seconds += time.perf_counter() - self._begun

    def take(self) -> float:
        """The seconds since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds


@contextmanager
def inserted_time(model: nn.Module) -> Iterator[InsertedTime]:
    """Watch a model's adapter layers; on a GPU, whose work is only queued by the forward pass, nothing is watched."""
    clock, hooks = InsertedTime(), []
    if next(model.parameters()).device.type == "cpu":
        for host in model.modules():
            if isinstance(getattr(host, "adapter", None), Bottleneck):
                hooks.append(host.adapter.register_forward_pre_hook(clock.begin))
                hooks.append(host.register_forward_hook(clock.end))
    clock.watches = bool(hooks)
    try:
        yield clock
    finally:
        for hook in hooks:
            hook.remove()

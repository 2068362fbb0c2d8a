"""Training memory from shapes (section 4.2): weights, gradients, Adam's states, and what the forward pass keeps.

Weights, gradients and optimiser states follow from parameter counts. What the forward pass keeps for the backward pass
is counted on the meta device: the real model runs on shapes alone, and autograd says which tensors it saves; each
storage counts once, the model's own parameters and buffers do not count. Nothing is allocated, so GPT-3 175B can be
asked too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lora_repro.analysis.conventions import CONVENTIONS, Convention
from lora_repro.analysis.results import Bytes
from lora_repro.methods.apply import Adapted


def predict(
    adapted: Adapted,
    step: Callable[[nn.Module], Tensor],
    convention: Convention = CONVENTIONS[-1],
) -> Bytes:
    """The four parts for one adapted model, on any device (on ``meta`` nothing is computed).

    Args:
        step: forward pass of the training step, model -> loss.
        convention: of the parameters; activations are counted in the types that they have.
    """
    with saved_bytes(adapted.model) as saved:
        step(adapted.model)
    counts = adapted.counts
    return convention.bytes(counts.total, counts.method + counts.head, saved.total)


@dataclass
class Saved:
    """What autograd has saved so far."""

    total: int = 0  # bytes, each storage once


@contextmanager
def saved_bytes(model: nn.Module) -> Iterator[Saved]:
    """Count the bytes of tensors that autograd saves for the backward pass while inside.

    The model's parameters and buffers do not count. Saved tensors are kept alive until the end, so that a storage that
    was freed and given to another tensor is not taken for the same.
    """
    found = Saved()
    seen = {_storage(tensor) for tensor in [*model.parameters(), *model.buffers()]}
    alive: list[Any] = []

    def pack(tensor: Tensor) -> Tensor:
        key = _storage(tensor)
        if key not in seen:
            seen.add(key)
            alive.append(tensor)
            found.total += tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield found


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)

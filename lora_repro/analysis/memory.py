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
from torch.nn import functional
from torch.overrides import TorchFunctionMode

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
    with saved_bytes(adapted.model) as saved, ShapesAlone():
        step(adapted.model)
    counts = adapted.counts
    return convention.bytes(counts.total, counts.method + counts.head, saved.total)


class ShapesAlone(TorchFunctionMode):
    """Lets Transformers' models run on the meta device, as they would on a processor.

    - A question about values ("is there padding?") cannot be answered there; the answer is yes: all positions are real
      and one sequence.
    - Attention would fall back to the form that keeps every probability; the fused form is called instead, which is
      what CPUs and GPUs run, and which keeps queries, keys, values, output and one number per row. A mask is left out.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func is torch.Tensor.__bool__ and args[0].is_meta:
            return True
        if func is functional.scaled_dot_product_attention and args[0].is_meta and not options.get("enable_gqa"):
            attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
            return attend(*args[:3], options.get("dropout_p", 0.0), bool(options.get("is_causal")))[0]
        return func(*args, **options)


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

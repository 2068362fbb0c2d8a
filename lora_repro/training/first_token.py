"""The last block of a classifier computes its first token only, where nothing reads the others.

BERT's pooler and RoBERTa's head take the first token's vector. Keys and values of the last block still need all tokens;
its output projection and its MLP do not: three quarters of that block's matrix products, an eighth of a 6-layer
encoder's, forward and backward. Logits, losses and gradients are the same; dropout draws fewer numbers there.
"""

from typing import Any

from torch import nn

from lora_repro.methods.virtual_tokens import virtual_tokens
from lora_repro.models.architectures import Architecture

_READ_FIRST_ONLY = ("bert", "roberta")  # the Transformers classes whose last block is laid out as here


def compute_first_token_only(model: nn.Module, architecture: Architecture) -> bool:
    """Have the last block of an adapted classifier go on with its first token after attention, in place.

    Virtual tokens may stand before the first token or replace outputs after the last block: such models stay as they
    are, as do all other architectures.

    Returns:
        Whether it applies.
    """
    if architecture.name not in _READ_FIRST_ONLY or virtual_tokens(model) is not None:
        return False
    last: Any = model.get_submodule(architecture.base).encoder.layer[-1]
    last.attention.output.register_forward_pre_hook(_first)
    return True


def _first(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """(b, t, d) attention output and residual input -> (b, 1, d) each.

    Contiguous: for a strided input PyTorch would copy the next layer's weight once for each example.
    """
    return tuple(tensor[:, :1].contiguous() for tensor in inputs)

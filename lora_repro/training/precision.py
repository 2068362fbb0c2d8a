"""Which precision a run computes in, and how a model is put into it."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from lora_repro.errors import ConfigError

LENGTH_STEP = {"fp32": 1, "bf16": 8}
"""Batches are padded to multiples of so many tokens. A bf16 product's kernel is built (oneDNN, on a CPU) or chosen
(tensor cores) by its shape: few shapes are fast ones. In fp32 a token of padding costs what a real one does."""


def has_bf16_units(device: torch.device) -> bool:
    """Whether bf16 matrix products are faster than fp32 ones here.

    On a CPU that means AMX or AVX512-BF16: without them PyTorch emulates bf16, several times slower than fp32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def resolve(asked: str, device: torch.device) -> str:
    """``auto`` -> ``bf16`` where the processor has units for it, else ``fp32``; other names stand as they are."""
    if asked == "auto":
        return "bf16" if has_bf16_units(device) else "fp32"
    if asked not in ("fp32", "bf16"):
        raise ConfigError(f"precision={asked!r} is not one of auto, fp32, bf16")
    return asked


def prepare(model: nn.Module, precision: str) -> None:
    """Lay the frozen matrices out in the compute precision once; trainable weights stay fp32.

    Vectors (biases, LayerNorms) stay fp32 too: they cost nothing, and BitFit trains one half of a LayerNorm.
    """
    if precision == "bf16":
        for parameter in model.parameters():
            if not parameter.requires_grad and parameter.ndim >= 2:
                parameter.data = parameter.data.to(torch.bfloat16)


def compute(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context of a forward pass: autocast for bf16, nothing for fp32."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()

"""The layers of LoRA: a projection with one low-rank pair, and GPT-2's fused projection with one pair per slice.

Both stand in the place and under the parameter names of the projection they extend: `weight` and `bias` are the
backbone's own parameters, so that its state dict still fits; `lora_A` (r x in) and `lora_B` (out x r) are new. They
hold fp32 whatever the backbone holds, and are cast to the input's type where they are used. The update B A is never
formed while training: the two thin products are taken one after the other.
"""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from transformers.pytorch_utils import Conv1D

from lora_repro.config import LoRAConfig
from lora_repro.errors import ConfigError
from lora_repro.models.architectures import Slice

GAUSSIAN_STD = 0.02  # of A: see `lora_repro.methods.lora`


class LoRALayer(nn.Module, ABC):
    """What both layers share: the frozen projection, and how to give it back."""

    def __init__(self, base: nn.Module, dropout: float):
        super().__init__()
        if not isinstance(base, nn.Linear | Conv1D):
            raise TypeError(f"LoRA stands beside nn.Linear or Conv1D, not {type(base).__name__}")
        self.weight, self.bias = base.weight, base.bias
        self.fan_in_fan_out = isinstance(base, Conv1D)  # weight is (in, out) in Conv1D, (out, in) in nn.Linear
        self.lora_dropout = nn.Dropout(dropout)
        self.train(base.training)  # a new module would be in train mode beside a model in eval mode

    def features(self) -> tuple[int, int]:
        """(inputs, outputs) of the projection."""
        first, second = self.weight.shape
        return (first, second) if self.fan_in_fan_out else (second, first)

    def frozen(self, x: Tensor) -> Tensor:
        """W0 x + b, by the same operation as the backbone's own module."""
        if not self.fan_in_fan_out:
            return F.linear(x, self.weight, self.bias)
        flat = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)  # (tokens, out)
        return flat.view(*x.shape[:-1], flat.size(-1))

    def trained_names(self) -> list[str]:
        """Names of LoRA's own parameters, relative to this layer."""
        return [name for name, _ in self.named_parameters() if name.startswith(("lora_A", "lora_B"))]

    @abstractmethod
    def update(self) -> Tensor:
        """(alpha / r) B A as a dense matrix (out, in), fp32; for merging and analysis only."""

    def plain(self, weight: Tensor) -> nn.Module:
        """The backbone's own module with `weight`, laid out as the backbone's, and the shared bias."""
        inputs, outputs = self.features()
        with torch.device("meta"):
            module = (
                Conv1D(outputs, inputs) if self.fan_in_fan_out else nn.Linear(inputs, outputs, self.bias is not None)
            )
        module.weight = nn.Parameter(weight, requires_grad=self.weight.requires_grad)
        if self.bias is not None:
            module.bias = self.bias
        return module.train(self.training)


class LoRALinear(LoRALayer):
    """h = W0 x + (alpha / r) B A x for a module that computes one projection."""

    def __init__(self, base: nn.Module, rank: int, config: LoRAConfig, stream: Generator):
        super().__init__(base, config.dropout)
        inputs, outputs = self.features()
        self.scaling = config.alpha / rank
        self.lora_A = nn.Parameter(draw_A(rank, inputs, config.init, stream, self.weight.device))  # (r, in)
        self.lora_B = nn.Parameter(torch.zeros(outputs, rank, device=self.weight.device))  # (out, r)

    def forward(self, x: Tensor) -> Tensor:  # (..., in) -> (..., out)
        return self.frozen(x) + low_rank(self.lora_dropout(x), self.lora_A, self.lora_B, self.scaling)

    def update(self) -> Tensor:
        return self.scaling * (self.lora_B.float() @ self.lora_A.float())  # (out, in)


class LoRASlices(LoRALayer):
    """LoRA on some of the projections that one module computes side by side: GPT-2's ``c_attn`` is [W_q, W_k, W_v].

    Each projection has a pair of its own, ``lora_A.W_q`` and so on; the outputs of the others are not touched, so the
    W_k rows of the update are exactly 0 when W_q and W_v are targets. Example with d = 4, r = 2: c_attn gives 12
    outputs; 0-3 get the pair of W_q (A 2 x 4, B 4 x 2), 4-7 stay as they are, 8-11 get the pair of W_v.
    """

    def __init__(
        self, base: nn.Module, slices: dict[str, Slice], ranks: dict[str, int], config: LoRAConfig, stream: Generator
    ):
        """`slices` and `ranks` of the projections that are adapted, by the paper's names; `config` has the rest."""
        super().__init__(base, config.dropout)
        inputs, outputs = self.features()
        self.parts = next(iter(slices.values())).parts
        self.part = {weight: where.part for weight, where in slices.items()}
        self.scaling = {weight: config.alpha / rank for weight, rank in ranks.items()}
        device, width = self.weight.device, outputs // self.parts
        self.lora_A = nn.ParameterDict(
            {weight: nn.Parameter(draw_A(rank, inputs, config.init, stream, device)) for weight, rank in ranks.items()}
        )  # (r, in) each
        self.lora_B = nn.ParameterDict(
            {weight: nn.Parameter(torch.zeros(width, rank, device=device)) for weight, rank in ranks.items()}
        )  # (out / parts, r) each

    def forward(self, x: Tensor) -> Tensor:  # (..., in) -> (..., out)
        outputs = list(self.frozen(x).chunk(self.parts, dim=-1))  # parts x (..., out / parts)
        x = self.lora_dropout(x)
        for weight, part in self.part.items():
            pair = self.lora_A[weight], self.lora_B[weight]
            outputs[part] = outputs[part] + low_rank(x, *pair, self.scaling[weight])
        return torch.cat(outputs, dim=-1)

    def update(self) -> Tensor:
        inputs, outputs = self.features()
        width = outputs // self.parts
        dense = torch.zeros(outputs, inputs, device=self.weight.device)
        for weight, part in self.part.items():
            product = self.lora_B[weight].float() @ self.lora_A[weight].float()
            dense[part * width : (part + 1) * width] = self.scaling[weight] * product
        return dense


def low_rank(x: Tensor, A: Tensor, B: Tensor, scaling: float) -> Tensor:
    """scaling * B A x, in x's type; scaled while it is r wide."""
    z = F.linear(x, A.to(x.dtype)) * scaling  # (..., in) -> (..., r)
    return F.linear(z, B.to(x.dtype))  # (..., r) -> (..., out)


def draw_A(rank: int, inputs: int, init: str, stream: Generator, device: torch.device) -> Tensor:
    """The start of A, (rank, inputs), fp32: drawn on the CPU, so that it does not depend on the device."""
    if init not in ("kaiming", "gaussian"):
        raise ConfigError(f"method.init must be kaiming or gaussian, not '{init}'")
    if device.type == "meta":
        return torch.empty(rank, inputs, device=device)
    A = torch.empty(rank, inputs)
    if init == "kaiming":
        nn.init.kaiming_uniform_(A, a=math.sqrt(5), generator=stream)  # U(-1/sqrt(inputs), 1/sqrt(inputs))
    else:
        nn.init.normal_(A, std=GAUSSIAN_STD, generator=stream)
    return A.to(device)

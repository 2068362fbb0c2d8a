"""What the tests of the adapter methods share: settings, where the adapters should stand, random values, a loss."""

from typing import Any

import torch
from torch import Tensor

from lora_repro.config import AdapterConfig, AdapterDropConfig
from lora_repro.methods.apply import Adapted
from lora_repro.models.architectures import ARCHITECTURES
from tests.tiny_backbones import ENCODERS, batch

R = 4


def configured(name: str, **changes: Any) -> AdapterConfig:
    settings: dict[str, Any] = {"name": name, "r": R, "activation": "relu", "init_std": 0.02} | changes
    return AdapterDropConfig(**({"dropped": 1} | settings)) if name == "adapter_d" else AdapterConfig(**settings)


METHODS = ("adapter_h", "adapter_l", "adapter_p", "adapter_d")
PAIRS = [(name, which) for name in ARCHITECTURES for which in METHODS]
SITES = {  # written down independently of the library
    "bert": ("bert.encoder.layer.{}", "attention.output.dropout", "output.dropout"),
    "roberta": ("roberta.encoder.layer.{}", "attention.output.dropout", "output.dropout"),
    "deberta-v2": ("deberta.encoder.layer.{}", "attention.output.dropout", "output.dropout"),
    "gpt2": ("transformer.h.{}", "attn.resid_dropout", "mlp.dropout"),
    "llama": ("model.layers.{}", "self_attn.o_proj", "mlp.down_proj"),
}


def wanted_places(name: str, which: str) -> set[str]:
    block, attention, mlp = SITES[name]
    blocks = [block.format(i) for i in (0, 1)]
    if which == "adapter_h":
        return {f"{b}.{site}.adapter" for b in blocks for site in (attention, mlp)}
    if which == "adapter_d":
        blocks = blocks[1:]
    own = which != "adapter_l" and name in ENCODERS
    return {f"{b}.output.LayerNorm.adapter" if own else f"{b}.adapter" for b in blocks}


def wanted_names(name: str, which: str) -> set[str]:
    modules = ("down", "up", "norm") if which == "adapter_l" else ("down", "up")
    return {f"{p}.{m}.{v}" for p in wanted_places(name, which) for m in modules for v in ("weight", "bias")}


def randomise(adapted: Adapted, scale: float = 0.3) -> Adapted:
    stream = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name in adapted.method_names:
            parameter = adapted.model.get_parameter(name)
            parameter.copy_(scale * torch.randn(parameter.shape, generator=stream))
    return adapted


def loss_of(adapted: Adapted) -> Tensor:
    inputs = batch()
    labels = torch.tensor([0, 1, 1, 0]) if adapted.head_names else inputs["input_ids"]
    return adapted.model(**inputs, labels=labels).loss

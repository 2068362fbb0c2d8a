"""Models that share one backbone's random weights: what a latency or a memory use depends on are shapes, not values."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import nn

from lora_repro.analysis.results import BASE, MERGED, UNMERGED
from lora_repro.config import AdapterConfig, LoRAConfig, MethodConfig, ModelConfig
from lora_repro.errors import ConfigError
from lora_repro.methods.apply import adapt
from lora_repro.methods.lora_layers import LoRALayer
from lora_repro.methods.merging import merge
from lora_repro.models.architectures import architecture
from lora_repro.models.load import Backbone, transformers_config

LABELS = 2  # outputs of an encoder's head


@dataclass(frozen=True)
class Variant:
    """One way to serve the backbone."""

    name: str  # base | lora_merged | lora_unmerged | adapter_l | adapter_h
    r: int  # 0 for base
    parameters: int  # of the method; 0 for base
    model: nn.Module  # in eval mode


def random_backbone(config: ModelConfig, seed: int = 0) -> Backbone:
    """The headed model of `config.dims` in fp32 with Transformers' own random start; no file, no network, no tokenizer.

    Raises:
        ConfigError: the model has no dims.
    """
    import transformers

    arch, hf_config = architecture(config.architecture), transformers_config(config)
    if arch.heads:
        hf_config.num_labels = LABELS
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(transformers, arch.model_class)(hf_config)
    return Backbone(model.eval(), None, arch, config, f"random-{seed}")


def twin(backbone: Backbone) -> Backbone:
    """Modules of its own, the same parameters and buffers in memory."""
    shared = {id(tensor): tensor for tensor in chain(backbone.model.parameters(), backbone.model.buffers())}
    return replace(backbone, model=copy.deepcopy(backbone.model, shared))


def variants(
    backbone: Backbone, lora: LoRAConfig, adapters: Sequence[AdapterConfig], dtype: torch.dtype = torch.float32
) -> list[Variant]:
    """The base model (the same as a fine-tuned one), LoRA merged and not, and the adapters.

    The weights of `backbone` are put into `dtype`, and what the methods add too, as one would for serving. LoRA's B is
    random: at its start of 0 the merged weights would be the backbone's.

    Raises:
        ConfigError: two adapters of one kind and size.
    """
    backbone.model.to(dtype)
    names = [(config.name, config.r) for config in adapters]
    if len(set(names)) < len(names):
        raise ConfigError(f"adapters {names} hold one of them twice")
    built = [Variant(BASE, 0, 0, backbone.model)]
    configs: list[MethodConfig] = [lora, lora, *adapters]
    for config, name in zip(configs, [MERGED, UNMERGED, *(config.name for config in adapters)], strict=True):
        adapted = adapt(twin(backbone), config, seed=0)
        _fill_B(adapted.model)
        adapted.model.to(dtype)
        if name == MERGED:
            merge(adapted.model)
        rank = config.r if isinstance(config, LoRAConfig | AdapterConfig) else 0
        built.append(Variant(name, rank, adapted_size(adapted.method_names, adapted.model, name), adapted.model))
    return [replace(variant, model=variant.model.eval().requires_grad_(False)) for variant in built]


def adapted_size(names: Sequence[str], model: nn.Module, variant: str) -> int:
    """Parameters of the method in `model`; of a merged one nothing is left."""
    return 0 if variant == MERGED else sum(model.get_parameter(name).numel() for name in names)


@torch.no_grad()
def _fill_B(model: nn.Module) -> None:
    stream = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, LoRALayer):
            for name in module.trained_names():
                if name.startswith("lora_B"):
                    B = module.get_parameter(name)
                    B.copy_(0.02 * torch.randn(B.shape, generator=stream))

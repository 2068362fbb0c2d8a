"""LoRA adapters of tiny backbones, every trained tensor random."""

from pathlib import Path

import torch
from torch import Tensor

from lora_repro.config import LoRAConfig, MethodConfig, ModelConfig, RunConfig
from lora_repro.methods.apply import Adapted, adapt
from lora_repro.methods.checkpoint import AdapterFile, AdapterMeta, save_adapter
from lora_repro.models.load import load_backbone
from tests.tiny_backbones import lora, tiny

ARCHITECTURES = ("bert", "roberta", "deberta-v2", "gpt2")
ALL_TARGETS = ["W_q", "W_k", "W_v", "W_o", "W_fc1", "W_fc2"]
LABELS = ("entailment", "neutral", "contradiction")


def move(adapted: Adapted, seed: int = 7) -> Adapted:
    """Add noise to all that trains, so that no B is zero and no two matrices are equal."""
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name in adapted.names:
            tensor = adapted.model.get_parameter(name)
            tensor.add_(0.2 * torch.randn(tensor.shape, generator=stream))
    return adapted


def trained(name: str, config: LoRAConfig | None = None) -> Adapted:
    return move(adapt(tiny(name, num_labels=3), config or lora(), seed=0))


def meta_of(adapted: Adapted) -> AdapterMeta:
    encoder = bool(adapted.head_names)
    run = RunConfig(model=adapted.backbone.config, method=adapted.config)
    return AdapterMeta.of(run, adapted.backbone, "mnli" if encoder else "e2e", LABELS if encoder else ())


def file_of(adapted: Adapted) -> AdapterFile:
    """What `read_adapter` would give, without the disk."""
    return AdapterFile(Path("mine.safetensors"), meta_of(adapted), adapted.trainable_state())


def saved(model: ModelConfig, config: MethodConfig, path: Path) -> Adapted:
    """Adapt the backbone in the folder of `model` and write the adapter to `path`."""
    decoder = model.architecture in ("gpt2", "llama")
    backbone = load_backbone(model, 3, problem="generation" if decoder else "classification")
    adapted = move(adapt(backbone, config, seed=0))
    save_adapter(path, adapted, meta_of(adapted))
    return adapted


def again(name: str, config: LoRAConfig, state: dict[str, Tensor]) -> Adapted:
    """The same backbone with another adapter."""
    adapted = adapt(tiny(name, num_labels=3), config, seed=5)
    adapted.load_trainable_state(state)
    return adapted

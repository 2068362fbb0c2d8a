"""Training memory measured: two optimiser steps of each method, in a process of its own (section 4.2).

A process of its own because the allocator keeps what earlier models used. On a CPU the peak is the process's largest
resident set, less what it held before there was a model; on a GPU it is what PyTorch had allocated at most.
"""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from lora_repro.analysis.memory import predict, saved_bytes
from lora_repro.analysis.results import Bytes, Memory, MethodMemory
from lora_repro.analysis.variants import LABELS, random_backbone
from lora_repro.config import MethodConfig, ModelConfig
from lora_repro.environment import peak_memory, reset_peak_memory
from lora_repro.methods.apply import Adapted, adapt
from lora_repro.methods.checkpoint import AdapterMeta, save_adapter
from lora_repro.models.architectures import architecture
from lora_repro.models.load import Backbone, build_meta

STEPS = 2  # the first makes the optimiser's states, the second has everything at once
_LR = 1e-4


def memory_of_methods(
    model: ModelConfig,
    methods: Sequence[MethodConfig],
    batch: int,
    length: int,
    *,
    device: str = "cpu",
    threads: int | None = None,
    build: bool = True,
) -> Memory:
    """Predict, and unless `build` is off measure, every method on the backbone `model` with random weights, in fp32.

    Raises:
        ConfigError: the model has no dims, or a method does not fit it.
    """
    found = []
    for method in methods:
        predicted = prediction(model, method, batch, length)
        if build:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                found.append(pool.submit(measured, predicted, model, method, batch, length, device, threads).result())
        else:
            found.append(predicted)
    return Memory(model.name, batch, length, "fp32", found)


def prediction(model: ModelConfig, method: MethodConfig, batch: int, length: int) -> MethodMemory:
    """From shapes alone: the model is built on the meta device."""
    arch = architecture(model.architecture)
    adapted = adapt(Backbone(build_meta(model, LABELS), None, arch, model, ""), method, seed=0)
    predicted = predict(adapted, _ready(adapted, batch, length))
    counts = adapted.counts
    settings = ", ".join(f"{key} = {_plain(value)}" for key, value in asdict(method).items() if key in _SHOWN)
    return MethodMemory(
        method.name, settings, counts.method + counts.head, counts.total, predicted, None, None, None
    )  # fmt: skip


def measured(
    line: MethodMemory,
    model: ModelConfig,
    method: MethodConfig,
    batch: int,
    length: int,
    device: str = "cpu",
    threads: int | None = None,
) -> MethodMemory:
    """`line` with what `STEPS` real training steps of AdamW took, and the size of the checkpoint file."""
    if threads is not None:
        torch.set_num_threads(threads)
    place = torch.device(device)
    build_meta(model, LABELS)  # imports what the model needs: libraries are not part of the peak
    reset_peak_memory(place)
    before = peak_memory(place)
    backbone = random_backbone(model)
    backbone.model.to(place)
    adapted = adapt(backbone, method, seed=0)
    step = _ready(adapted, batch, length)
    trained = [adapted.model.get_parameter(name) for name in adapted.names]
    optimiser = torch.optim.AdamW(trained, lr=_LR)
    gradients = states = 0
    for _ in range(STEPS):
        step(adapted.model).backward()
        gradients = sum(_size(p.grad) for p in trained if p.grad is not None)
        optimiser.step()
        states = sum(
            _size(value) for own in optimiser.state.values() for value in own.values()
            if isinstance(value, Tensor) and value.ndim
        )  # fmt: skip
        optimiser.zero_grad()
    peak = peak_memory(place) - before
    with saved_bytes(adapted.model) as saved:  # after the peak was read: counting keeps tensors alive
        step(adapted.model)
    weights = sum(_size(p) for p in adapted.model.parameters())
    return MethodMemory(
        line.method, line.settings, line.trainable, line.total, line.predicted,
        Bytes(weights, gradients, states, saved.total), peak, _file_size(adapted),
    )  # fmt: skip


_SHOWN = ("r", "targets", "l_p", "l_i", "dropped")


class _Step:
    """Forward pass of a training step on one batch of token 5, every position real: model -> loss."""

    def __init__(self, batch: int, length: int, decoder: bool, device: torch.device):
        self.ids = torch.full((batch, length), 5, device=device)  # (b, t)
        self.decoder = decoder

    def __call__(self, model: nn.Module) -> Tensor:
        extra = {"use_cache": False} if self.decoder else {}
        logits = model(input_ids=self.ids, **extra).logits  # (b, t, vocabulary) or (b, labels)
        flat = logits.flatten(0, -2)
        return functional.cross_entropy(flat, self.ids.flatten() if self.decoder else torch.zeros_like(self.ids[:, 0]))


def _ready(adapted: Adapted, batch: int, length: int) -> _Step:
    """Put the model into training mode without dropout, whose masks depend on the implementation."""
    adapted.model.train()
    for module in adapted.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.0  # a float on Transformers' Llama
    device = next(adapted.model.parameters()).device
    return _Step(batch, length, not adapted.backbone.architecture.heads, device)


def _file_size(adapted: Adapted) -> int:
    backbone = adapted.backbone
    labels = tuple(f"LABEL_{number}" for number in range(LABELS)) if adapted.head_names else ()
    meta = AdapterMeta(
        asdict(adapted.config), backbone.architecture.name, backbone.config.name, None, None, "", "", labels
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "adapter.safetensors"
        save_adapter(path, adapted, meta)
        return path.stat().st_size


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)

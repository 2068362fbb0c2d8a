"""The time within adapter layers: all of it, nothing else, and the hooks are gone afterwards."""

import time

import pytest
import torch
from torch import nn

from lora_repro.analysis import latency
from lora_repro.analysis.inserted import inserted_time
from lora_repro.analysis.variants import random_backbone, variants
from lora_repro.config import AdapterConfig
from lora_repro.methods.adapter_layers import Bottleneck
from tests.tiny_backbones import lora, tiny_config

ADAPTERS = [AdapterConfig("adapter_l", 3, "relu", 0.02), AdapterConfig("adapter_h", 2, "gelu", 0.01)]
INSIDE, OUTSIDE = 0.02, 0.5  # seconds; the longer one is far above what a busy machine adds to a tiny layer


def sleep_inside(*_: object) -> None:
    time.sleep(INSIDE)


def sleep_outside(*_: object) -> None:
    time.sleep(OUTSIDE)


def hooks_of(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


@pytest.mark.parametrize("name", ["gpt2", "bert"])
@pytest.mark.parametrize(("method", "a_block"), [("adapter_l", 1), ("adapter_h", 2)])
def test_all_time_in_adapter_layers_is_counted_and_no_other(name: str, method: str, a_block: int) -> None:
    built = {v.name: v.model for v in variants(random_backbone(tiny_config(name)), lora(), ADAPTERS)}
    model, blocks = built[method], built["base"].config.num_hidden_layers
    layers = [module for module in model.modules() if isinstance(module, Bottleneck)]
    assert len(layers) == a_block * blocks
    before, ids = hooks_of(model), torch.arange(6)[None]
    with inserted_time(model) as clock:
        assert clock.watches
        latency.one_pass(model, ids)
        plain = clock.take()
        assert plain > 0 and clock.take() == 0
        slow = [layer.register_forward_hook(sleep_inside) for layer in layers]
        latency.one_pass(model, ids)
        assert clock.take() >= INSIDE * len(layers)
        for hook in slow:
            hook.remove()
        outside = next(module for module in model.modules() if isinstance(module, nn.Embedding))
        hook = outside.register_forward_hook(sleep_outside)
        latency.one_pass(model, ids)
        assert clock.take() < OUTSIDE
        hook.remove()
    assert hooks_of(model) == before


def test_models_without_adapter_layers_are_not_watched() -> None:
    built = variants(random_backbone(tiny_config("gpt2")), lora(), [])
    for variant in built:
        with inserted_time(variant.model) as clock:
            latency.one_pass(variant.model, torch.arange(6)[None])
            assert not clock.watches and clock.take() == 0


def test_a_cell_keeps_the_time_within_adapter_layers_by_pass() -> None:
    built = variants(random_backbone(tiny_config("gpt2")), lora(), ADAPTERS)
    cell = latency.measure(built, "tiny", 60, 2, 7, trials=4, warmup=0)
    assert [len(timing.inserted) for timing in cell.timings] == [0, 0, 0, 4, 4]
    for timing in cell.timings[3:]:
        assert all(0 < inside < whole for inside, whole in zip(timing.inserted, timing.seconds, strict=True))

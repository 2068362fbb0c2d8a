"""Adapters: names, near-identity at the start, training, how they start, refusals."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lora_repro import config as schema
from lora_repro.errors import BackboneError, CheckpointError, ConfigError
from lora_repro.methods.adapter_layers import ACTIVATIONS
from lora_repro.methods.apply import adapt
from lora_repro.methods.checkpoint import AdapterMeta, load_into, save_adapter
from lora_repro.methods.registry import method
from lora_repro.models.dims import Dims
from tests.methods.adapters import METHODS, PAIRS, configured, loss_of, randomise, wanted_names
from tests.tiny_backbones import ENCODERS, batch, tiny


@pytest.mark.parametrize(("name", "which"), PAIRS)
def test_exactly_the_declared_names_train_and_the_backbones_names_stay(name: str, which: str) -> None:
    backbone = tiny(name)
    before = set(backbone.model.state_dict())
    adapted = adapt(backbone, configured(which), seed=0)
    assert set(adapted.method_names) == wanted_names(name, which)
    training = {n for n, p in adapted.model.named_parameters() if p.requires_grad}
    assert training == set(adapted.method_names) | set(adapted.head_names)
    assert bool(adapted.head_names) == (name in ENCODERS)
    assert set(adapted.model.state_dict()) == before | set(adapted.method_names)
    assert adapted.counts.method == method(which).theta(configured(which), Dims.of(backbone.model.config))


@pytest.mark.parametrize(("name", "which"), PAIRS)
def test_the_output_is_nearly_unchanged_at_step_0(name: str, which: str) -> None:
    backbone = tiny(name)
    before = backbone.model(**batch()).logits
    adapted = adapt(backbone, configured(which), seed=0)
    after = adapted.model(**batch()).logits
    moved = (after - before).abs().max() / before.std()
    # Near the identity, not at it. Tiny Llama is the furthest: Lin's LayerNorm widens its states tenfold.
    assert 0 < moved < 0.2
    with torch.no_grad():
        for parameter in adapted.method_names:
            if ".up." in parameter:
                adapted.model.get_parameter(parameter).zero_()
    assert torch.allclose(adapted.model(**batch()).logits, before, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "which"), PAIRS)
def test_training_lowers_the_loss_and_leaves_the_frozen_weights_alone(name: str, which: str) -> None:
    adapted = adapt(tiny(name), configured(which), seed=0)
    frozen = {n: p.clone() for n, p in adapted.model.named_parameters() if not p.requires_grad}
    optimiser = torch.optim.AdamW([p for p in adapted.model.parameters() if p.requires_grad], lr=1e-2)
    adapted.model.train()
    torch.manual_seed(0)
    losses = []
    for _ in range(12):
        loss = loss_of(adapted)
        loss.backward()
        assert all(adapted.model.get_parameter(n).grad is None for n in frozen)  # not zero: never computed
        assert all(adapted.model.get_parameter(n).grad is not None for n in adapted.names)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    adapted.model.eval()
    assert loss_of(adapted).item() < losses[0]
    assert all(torch.equal(adapted.model.get_parameter(n), tensor) for n, tensor in frozen.items())


@pytest.mark.parametrize("which", METHODS)
def test_start(which: str) -> None:
    config = configured(which, r=200, init_std=0.05)
    adapted = adapt(tiny("bert"), config, seed=0)
    for name in adapted.method_names:
        parameter = adapted.model.get_parameter(name)
        if ".norm.weight" in name:
            assert torch.equal(parameter, torch.ones_like(parameter))
        elif name.endswith("bias"):
            assert torch.count_nonzero(parameter) == 0
        elif which == "adapter_h":  # cut at two standard deviations, which leaves 0.88 of one
            assert 0.095 < parameter.abs().max() <= 0.1
            assert parameter.std().item() == pytest.approx(0.88 * 0.05, rel=0.05)
        else:
            assert parameter.abs().max() > 0.12
            assert parameter.std().item() == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize("which", METHODS)
def test_the_start_depends_on_the_seed_only_and_differs_from_block_to_block(which: str) -> None:
    def starts(seed: int, noise: int) -> dict[str, Tensor]:
        torch.manual_seed(noise)
        backbone, state = tiny("gpt2"), torch.get_rng_state()
        adapted = adapt(backbone, configured(which), seed=seed)
        assert torch.equal(state, torch.get_rng_state())
        return {n: t for n, t in adapted.trainable_state().items() if n.endswith(("down.weight", "up.weight"))}

    first, again, other = starts(0, 1), starts(0, 2), starts(1, 1)
    assert all(torch.equal(first[n], again[n]) for n in first)
    assert not any(torch.equal(first[n], other[n]) for n in first)
    flat = [tensor.flatten() for tensor in first.values()]
    assert not any(torch.equal(a, b) for i, a in enumerate(flat) for b in flat[:i])


def test_activations() -> None:
    x = torch.linspace(-3, 3, 13)
    assert tuple(ACTIVATIONS) == schema.ADAPTER_ACTIVATIONS
    assert torch.equal(ACTIVATIONS["relu"](x), x.clamp(min=0))
    torch.testing.assert_close(ACTIVATIONS["swish"](x), x / (1 + (-x).exp()))
    houlsby = 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))
    torch.testing.assert_close(ACTIVATIONS["gelu"](x), houlsby)
    assert (ACTIVATIONS["gelu"](x) - F.gelu(x)).abs().max() < 5e-4
    for name, function in ACTIVATIONS.items():
        layer = adapt(tiny("bert"), configured("adapter_p", activation=name), seed=0).model.bert.encoder.layer[0]
        assert layer.output.LayerNorm.adapter.activation is function


@pytest.mark.parametrize(("name", "which"), [("roberta", "adapter_p"), ("roberta", "adapter_d"), ("gpt2", "adapter_l")])
def test_checkpoint_round_trip(name: str, which: str, tmp_path: Path) -> None:
    first = randomise(adapt(tiny(name), configured(which), seed=0))
    second = adapt(tiny(name), configured(which, init_std=0.5), seed=1)  # how it started does not matter any more
    path = tmp_path / "adapter.safetensors"
    description = AdapterMeta(
        asdict(first.config), first.backbone.architecture.name, "tiny", None, None, "random-0", "rte", ("a", "b")
    )
    save_adapter(path, first, description)
    assert load_into(second, path).method_config() == first.config
    assert torch.equal(first.model(**batch()).logits, second.model(**batch()).logits)
    with pytest.raises(CheckpointError, match=r"has method\.activation=relu, this run has gelu"):
        load_into(adapt(tiny(name), configured(which, activation="gelu"), seed=0), path)


@pytest.mark.parametrize(
    ("which", "changes", "error", "words"),
    [
        ("adapter_h", {"r": 0}, ConfigError, "method.r=0 must be at least 1"),
        ("adapter_p", {"activation": "silu"}, ConfigError, "no 'silu', choose from relu, gelu, swish"),
        ("adapter_d", {"dropped": 2}, BackboneError, r"tiny-bert: method.dropped=2 of 2 blocks: choose from 0 .* to 1"),
        ("adapter_d", {"dropped": -1}, BackboneError, "method.dropped=-1 of 2 blocks"),
    ],
)
def test_refusals(which: str, changes: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        adapt(tiny("bert"), configured(which, **changes), seed=0)


def test_adapters_are_not_put_in_twice() -> None:
    backbone = tiny("bert")
    adapt(backbone, configured("adapter_l"), seed=0)
    with pytest.raises(BackboneError, match=r"'bert\.encoder\.layer\.0' has an adapter already"):
        adapt(backbone, configured("adapter_l"), seed=0)

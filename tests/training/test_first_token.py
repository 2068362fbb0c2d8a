"""The last block for the first token only: same logits, same gradients; virtual tokens and other models apart."""

import copy

import pytest
import torch
from torch.nn import functional

from lora_repro.config import MethodConfig
from lora_repro.methods.apply import adapt
from lora_repro.training.first_token import compute_first_token_only
from tests.methods.adapters import configured
from tests.tiny_backbones import DECODERS, batch, every_method, lora, prefix_methods, tiny


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
@pytest.mark.parametrize(
    "method",
    [*every_method(), lora(targets=["W_o", "W_fc1", "W_fc2"]), *map(configured, ("adapter_h", "adapter_l"))],
    ids=lambda method: f"{method.name}{getattr(method, 'targets', '')}",
)
def test_logits_and_gradients_are_those_of_the_whole_block(architecture: str, method: MethodConfig) -> None:
    adapted = adapt(tiny(architecture), method, seed=0)
    with torch.no_grad():
        for name in adapted.method_names:
            adapted.model.get_parameter(name).add_(0.05)
    whole, own = adapted.model, copy.deepcopy(adapted.model)
    assert compute_first_token_only(own, adapted.backbone.architecture)
    labels = torch.tensor([0, 1, 1, 0])
    losses = []
    for model in (whole, own):
        logits = model(**batch()).logits
        losses.append(functional.cross_entropy(logits, labels))
        losses[-1].backward()
    assert torch.allclose(losses[0], losses[1], rtol=1e-6)
    for name in adapted.names:
        mine, theirs = own.get_parameter(name).grad, whole.get_parameter(name).grad
        assert theirs is not None and mine is not None, name
        assert torch.allclose(mine, theirs, rtol=1e-4, atol=1e-7), name
    assert any(whole.get_parameter(name).grad.abs().max() > 1e-4 for name in adapted.method_names)  # type: ignore[union-attr]


def test_logits_are_the_same_whatever_the_padding() -> None:
    adapted = adapt(tiny("roberta"), lora(), seed=0)
    before = adapted.model(**batch()).logits
    assert compute_first_token_only(adapted.model, adapted.backbone.architecture)
    longer = {name: functional.pad(tensor, (0, 3)) for name, tensor in batch().items()}
    assert torch.allclose(adapted.model(**longer).logits, before, atol=1e-5)


def test_the_last_block_goes_on_with_one_token() -> None:
    adapted = adapt(tiny("bert"), lora(), seed=0)
    compute_first_token_only(adapted.model, adapted.backbone.architecture)
    assert adapted.model.bert(**batch()).last_hidden_state.shape == (4, 1, 32)


@pytest.mark.parametrize("architecture", ["deberta-v2", *DECODERS])
def test_other_architectures_stay_as_they_are(architecture: str) -> None:
    adapted = adapt(tiny(architecture), lora(), seed=0)
    assert not compute_first_token_only(adapted.model, adapted.backbone.architecture)


@pytest.mark.parametrize("method", prefix_methods(), ids=lambda method: method.name)
def test_models_with_virtual_tokens_stay_as_they_are(method: MethodConfig) -> None:
    adapted = adapt(tiny("roberta"), method, seed=0)
    before = adapted.model(**batch()).logits
    assert not compute_first_token_only(adapted.model, adapted.backbone.architecture)
    assert torch.equal(adapted.model(**batch()).logits, before)

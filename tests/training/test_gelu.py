"""The fused activation: same logits, same gradients, no parameter or name changed."""

import copy

import torch
from torch import nn
from transformers.activations import NewGELUActivation

from lora_repro.training.gelu import use_fused_gelu
from tests.tiny_backbones import batch, tiny


def test_gpt2_computes_the_same() -> None:
    whole = tiny("gpt2").model
    fused = copy.deepcopy(whole)
    assert any(isinstance(module, NewGELUActivation) for module in fused.modules())
    use_fused_gelu(fused)
    assert not any(isinstance(module, NewGELUActivation) for module in fused.modules())
    assert any(isinstance(module, nn.GELU) for module in fused.modules())
    outputs = [model(**batch()).logits for model in (whole, fused)]
    assert torch.allclose(*outputs, atol=1e-5)
    for logits in outputs:
        logits.square().mean().backward()
    for (name, theirs), (own_name, mine) in zip(whole.named_parameters(), fused.named_parameters(), strict=True):
        assert name == own_name
        assert theirs.grad is not None and mine.grad is not None
        assert torch.allclose(theirs.grad, mine.grad, rtol=1e-4, atol=1e-6), name


def test_a_model_with_another_activation_stays_as_it_is() -> None:
    model = tiny("roberta").model
    before = [type(module) for module in model.modules()]
    use_fused_gelu(model)
    assert [type(module) for module in model.modules()] == before

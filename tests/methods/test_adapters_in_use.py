"""Adapters beside the rest: generation, gradient checkpointing, bf16, cheap dropout, copies of the model."""

import copy

import pytest
import torch
from torch import nn

from lora_repro.methods.apply import adapt
from lora_repro.training.dropout import use_cheap_dropout
from lora_repro.training.precision import compute, prepare
from tests.methods.adapters import METHODS, PAIRS, configured, loss_of, randomise
from tests.tiny_backbones import DECODERS, batch, tiny


@pytest.mark.parametrize("which", METHODS)
@pytest.mark.parametrize("name", DECODERS)
def test_generation_with_a_cache_agrees_with_generation_without(name: str, which: str) -> None:
    adapted = randomise(adapt(tiny(name), configured(which), seed=0))
    prompt = batch(examples=2, tokens=4, seed=3)["input_ids"]
    options = {"max_new_tokens": 6, "num_beams": 3, "do_sample": False, "pad_token_id": 1}
    outputs = [adapted.model.generate(prompt, use_cache=cache, **options) for cache in (True, False)]
    assert torch.equal(*outputs)
    plain = tiny(name).model(prompt).logits
    assert not torch.allclose(adapted.model(prompt).logits, plain, atol=1e-2)  # the adapters take part


@pytest.mark.parametrize("which", METHODS)
@pytest.mark.parametrize("name", ["deberta-v2", "gpt2"])
def test_gradient_checkpointing_gives_the_same_gradients(name: str, which: str) -> None:
    gradients = []
    for checkpointing in (False, True):
        adapted = randomise(adapt(tiny(name), configured(which), seed=0))
        if checkpointing:
            adapted.model.gradient_checkpointing_enable({"use_reentrant": False})
        adapted.model.train()
        for module in adapted.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        loss_of(adapted).backward()
        gradients.append({n: adapted.model.get_parameter(n).grad for n in adapted.names})
    assert all(torch.allclose(gradients[0][n], gradients[1][n], atol=1e-6) for n in gradients[0])


@pytest.mark.parametrize(("name", "which"), [(n, w) for n, w in PAIRS if n in ("bert", "deberta-v2", "gpt2", "llama")])
def test_bf16_computes_in_bf16_and_trains_in_fp32(name: str, which: str) -> None:
    adapted = randomise(adapt(tiny(name), configured(which), seed=0), scale=0.1)
    full = adapted.model(**batch()).logits
    prepare(adapted.model, "bf16")
    with compute("bf16", torch.device("cpu")):
        logits = adapted.model(**batch()).logits
        loss = loss_of(adapted)
    assert logits.dtype == torch.bfloat16
    assert not torch.equal(logits.float(), full)
    assert (logits.float() - full).abs().max() < 0.15 * full.abs().max()
    loss.backward()
    for parameter in adapted.method_names:
        own = adapted.model.get_parameter(parameter)
        assert own.dtype == own.grad.dtype == torch.float32
        assert own.grad.isfinite().all()


@pytest.mark.parametrize("which", METHODS)
def test_a_bf16_backbone_without_autocast(which: str) -> None:
    adapted = randomise(adapt(tiny("gpt2"), configured(which), seed=0), scale=0.1)
    full = adapted.model(**batch()).logits
    for name, parameter in adapted.model.named_parameters():
        if name not in adapted.method_names:
            parameter.data = parameter.data.bfloat16()
    logits = adapted.model(**batch()).logits
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - full).abs().max() < 0.15 * full.abs().max()


@pytest.mark.parametrize("which", METHODS)
def test_cheap_dropout_keeps_the_adapters(which: str) -> None:
    adapted = randomise(adapt(tiny("bert"), configured(which), seed=0))
    before = adapted.model(**batch()).logits
    use_cheap_dropout(adapted.model, "bert")
    torch.testing.assert_close(adapted.model(**batch()).logits, before, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("which", METHODS)
def test_a_copy_of_the_model_has_adapters_of_its_own(which: str) -> None:
    adapted = randomise(adapt(tiny("bert"), configured(which), seed=0))
    twin = copy.deepcopy(adapted.model)
    before = twin(**batch()).logits
    assert torch.equal(before, adapted.model(**batch()).logits)
    with torch.no_grad():
        twin.get_parameter(adapted.method_names[0]).add_(1.0)
    assert not torch.equal(twin(**batch()).logits, before)
    assert torch.equal(adapted.model(**batch()).logits, before)

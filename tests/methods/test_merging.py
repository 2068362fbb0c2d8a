"""Merging is a verb: the backbone's own modules, the same outputs, and every bit back."""

import copy

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from lora_repro.config import FTConfig
from lora_repro.errors import CheckpointError
from lora_repro.methods.apply import Adapted, adapt
from lora_repro.methods.lora_layers import LoRALayer
from lora_repro.methods.merging import is_merged, merge, merged, unmerge
from lora_repro.models.architectures import ARCHITECTURES
from tests.tiny_backbones import batch, lora, moved, tiny

TARGETS = ["W_q", "W_v", "W_o", "W_fc1", "W_fc2"]


def trained(name: str, **changes: object) -> Adapted:
    return moved(adapt(tiny(name), lora(targets=TARGETS, **changes), seed=0))


def bits(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_merged_model_is_the_backbones_own_tree(name: str) -> None:
    plain = tiny(name).model
    adapted = trained(name)
    merge(adapted.model)
    assert [(n, type(m)) for n, m in adapted.model.named_modules()] == [(n, type(m)) for n, m in plain.named_modules()]
    assert list(adapted.model.state_dict()) == list(plain.state_dict())
    shapes = {n: (t.shape, t.stride(), t.dtype) for n, t in plain.state_dict().items()}
    assert {n: (t.shape, t.stride(), t.dtype) for n, t in adapted.model.state_dict().items()} == shapes
    assert str(adapted.model) == str(plain)  # in_features, out_features and all
    assert not any(module._forward_hooks for module in adapted.model.modules())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_merging_changes_the_weights_and_not_the_outputs(name: str) -> None:
    adapted = trained(name)
    plain, before = tiny(name).model(**batch()).logits, adapted.model(**batch()).logits
    with merged(adapted.model) as model:
        after = model(**batch()).logits
    assert torch.allclose(after, before, atol=2e-5, rtol=1e-5)
    assert (plain - before).abs().max() > 1e-2  # the update matters


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_unmerging_restores_every_bit(name: str, dtype: torch.dtype) -> None:
    adapted = trained(name)
    for parameter in adapted.model.parameters():
        parameter.data = parameter.data if parameter.requires_grad else parameter.data.to(dtype)
    before, logits = bits(adapted.model), None
    if dtype == torch.float32:
        logits = adapted.model(**batch()).logits
    for _ in range(3):
        merge(adapted.model)
        assert not all(torch.equal(before[n], t) for n, t in adapted.model.state_dict().items() if n in before)
        unmerge(adapted.model)
    after = bits(adapted.model)
    assert list(before) == list(after)
    assert all(torch.equal(before[n], after[n]) and before[n].dtype == after[n].dtype for n in before)
    assert {n for n, p in adapted.model.named_parameters() if p.requires_grad} == set(adapted.names)
    if logits is not None:
        assert torch.equal(adapted.model(**batch()).logits, logits)


def test_merging_twice_or_unmerging_what_is_not_merged_is_an_error() -> None:
    model = trained("bert").model
    with pytest.raises(CheckpointError, match="BertForSequenceClassification is not merged; nothing to undo"):
        unmerge(model)
    merge(model)
    state = bits(model)
    with pytest.raises(CheckpointError, match="BertForSequenceClassification is merged already; unmerge it first"):
        merge(model)
    assert all(torch.equal(state[n], t) for n, t in model.state_dict().items())
    unmerge(model)
    assert not is_merged(model)


def test_a_method_without_an_update_cannot_be_merged() -> None:
    with pytest.raises(CheckpointError, match="has no LoRA layer to merge; merging is for method=lora"):
        merge(adapt(tiny("bert"), FTConfig(name="ft"), seed=0).model)


def test_the_context_unmerges_after_an_error() -> None:
    model = trained("gpt2").model
    before = bits(model)
    with pytest.raises(AttributeError, match="size"), merged(model):
        model(input_ids="not a tensor")
    assert not is_merged(model)
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())


def test_train_and_eval_do_not_merge() -> None:
    adapted = trained("bert")
    before = bits(adapted.model)
    adapted.model.eval().train().eval()
    assert not is_merged(adapted.model)
    assert all(torch.equal(before[n], t) for n, t in adapted.model.state_dict().items())
    merge(adapted.model)
    state = bits(adapted.model)
    adapted.model.train().eval().train()
    assert all(torch.equal(state[n], t) for n, t in adapted.model.state_dict().items())
    unmerge(adapted.model)
    assert all(m.training for m in adapted.model.modules() if isinstance(m, LoRALayer))  # the mode came along


def test_a_merged_model_saves_and_loads_as_a_plain_one(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from transformers import RobertaForSequenceClassification

    adapted = trained("roberta")
    with merged(adapted.model):
        adapted.model.save_pretrained(tmp_path)
    loaded = RobertaForSequenceClassification.from_pretrained(tmp_path)
    assert torch.allclose(loaded(**batch()).logits, adapted.model(**batch()).logits, atol=2e-5, rtol=1e-5)


def test_training_goes_on_after_a_merge() -> None:
    adapted = trained("gpt2")
    with merged(adapted.model):
        assert isinstance(adapted.model.transformer.h[0].attn.c_attn, Conv1D)
    inputs = batch()
    adapted.model(**inputs, labels=inputs["input_ids"]).loss.backward()
    assert all(adapted.model.get_parameter(n).grad is not None for n in adapted.method_names)


def test_a_copy_of_a_merged_model_unmerges_by_itself() -> None:
    adapted = trained("bert")
    before = bits(adapted.model)
    merge(adapted.model)
    twin = copy.deepcopy(adapted.model)
    unmerge(twin)
    assert is_merged(adapted.model)
    assert all(torch.equal(before[n], t) for n, t in twin.state_dict().items())

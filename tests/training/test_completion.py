"""The loss of completions against one written out, and the official optimiser's step."""

import math

import numpy as np
import pytest
import torch

from lora_repro.config import RecipeConfig
from lora_repro.methods.apply import adapt
from lora_repro.models.architectures import architecture
from lora_repro.tasks.encode_pairs import EncodedPairs
from lora_repro.training import optimiser as adamw
from lora_repro.training.completion import CompletionModelling, validate
from lora_repro.training.distributed import World
from tests.tiny_backbones import prefix_methods, tiny


def pairs(lengths: list[tuple[int, int]], seed: int = 0) -> EncodedPairs:
    """Random pairs of (prompt length, length)."""
    stream = np.random.default_rng(seed)
    ids = [stream.integers(2, 60, length).astype(np.int32) for _, length in lengths]
    offsets = np.concatenate([[0], np.cumsum([length for _, length in lengths])]).astype(np.int64)
    return EncodedPairs(np.concatenate(ids), offsets, np.array([prompt for prompt, _ in lengths], np.int64), 0, "x")


DATA = pairs([(3, 7), (5, 6), (2, 12), (4, 9), (1, 3)])


def by_hand(model: torch.nn.Module, data: EncodedPairs, i: int, smoothing: float) -> float:
    """One pair, no batch, no padding: the sum over its scored tokens."""
    ids = data.input_ids[data.offsets[i] : data.offsets[i + 1]].tolist()
    with torch.no_grad():
        log_p = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    total = 0.0
    for position in range(int(data.prompt_lengths[i]) - 1, len(ids) - 1):
        total += (1 - smoothing) * -log_p[position, ids[position + 1]].item() - smoothing * log_p[
            position
        ].mean().item()
    return total


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("to_max", "step", "width"), [(False, 1, 12), (False, 8, 16), (True, 8, 24)])
def test_loss_is_the_completions_alone(name: str, smoothing: float, to_max: bool, step: int, width: int) -> None:
    backbone = tiny(name)
    problem = CompletionModelling(backbone.architecture, 24, to_max, smoothing, step)
    batch = np.array([2, 0, 4])
    tensors = problem.collate(DATA, batch)
    assert tensors["input_ids"].shape == (3, width)
    loss = problem.loss(backbone.model, tensors)
    assert loss.item() == pytest.approx(sum(by_hand(backbone.model, DATA, i, smoothing) for i in batch), rel=1e-5)
    assert problem.plain_loss(backbone.model, tensors).item() == pytest.approx(
        sum(by_hand(backbone.model, DATA, i, 0.0) for i in batch), rel=1e-5
    )


def test_terms_are_the_scored_tokens() -> None:
    problem = CompletionModelling(architecture("gpt2"), 24)
    assert problem.terms(DATA, np.arange(5)) == 4 + 1 + 10 + 5 + 2
    assert problem.terms(DATA, np.array([1, 2])) == 11
    assert problem.terms(pairs([(4, 4)]), np.array([0])) == 1  # cut off to its prompt: nothing is divided by 0


def test_parts_of_a_batch_add_up_to_it() -> None:
    """What accumulation and processes rely on: with means of parts it would not hold, their tokens differ in number."""
    backbone = tiny("gpt2")
    problem = CompletionModelling(backbone.architecture, 24, label_smoothing=0.1)
    whole = problem.loss(backbone.model, problem.collate(DATA, np.arange(5))).item()
    parts = [problem.loss(backbone.model, problem.collate(DATA, part)).item() for part in np.array_split(range(5), 3)]
    assert sum(parts) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("method", [m for m in prefix_methods() if m.name != "prefix_kv"], ids=lambda m: m.name)
def test_the_infix_stands_before_the_completion(method: object) -> None:
    """A scored position sees the infix: a change of it alone changes the loss."""
    adapted = adapt(tiny("gpt2"), method, seed=0)  # type: ignore[arg-type]
    problem = CompletionModelling(adapted.backbone.architecture, 24)
    tensors = problem.collate(DATA, np.arange(5))
    problem.loss(adapted.model, tensors).backward()
    for name in adapted.method_names:
        if "virtual_tokens" in name:
            gradient = adapted.model.get_parameter(name).grad
            assert gradient is not None and gradient.abs().sum() > 0, name


def test_validation_is_the_mean_over_tokens_without_smoothing() -> None:
    backbone = tiny("llama")
    problem = CompletionModelling(backbone.architecture, 24, label_smoothing=0.3)
    backbone.model.train()
    result = validate(backbone.model, problem, DATA, "fp32", World())
    expected = sum(by_hand(backbone.model.eval(), DATA, i, 0.0) for i in range(5)) / 22
    assert result.loss == pytest.approx(expected, rel=1e-5)
    assert (result.metrics, result.headline, result.collapsed) == ({}, None, False)


def test_uncorrected_eps_gives_the_official_step() -> None:
    """Against the official AdamW written out, decay aside: lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)."""
    recipe = RecipeConfig(
        source="custom", lr=0.01, epochs=1, batch_size=1, weight_decay=0.0, max_length=8, adam_eps=1e-3,
        adam_eps_uncorrected=True,
    )  # fmt: skip
    model = torch.nn.Linear(4, 3, bias=False)
    optimiser = adamw.build(model, ("weight",), (), recipe)
    w = model.weight.detach().clone().double()
    m, v = torch.zeros_like(w), torch.zeros_like(w)
    stream = torch.Generator().manual_seed(0)
    for step in range(5):
        gradient = 0.01 * torch.randn(w.shape, generator=stream)
        model.weight.grad = gradient.clone()
        adamw.set_step(optimiser, step, factor=0.5)
        optimiser.step()
        m = 0.9 * m + 0.1 * gradient.double()
        v = 0.999 * v + 0.001 * gradient.double() ** 2
        size = 0.005 * math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        w -= size * m / (v.sqrt() + 1e-3)
        assert torch.allclose(model.weight.detach().double(), w, atol=1e-6)
    assert (model.weight.detach().double() - w).abs().max() < 1e-6

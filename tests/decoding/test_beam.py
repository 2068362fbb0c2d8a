"""Beam search against a slow one in plain Python that runs the whole model anew for every hypothesis."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from lora_repro.decoding.beam import Hypothesis, Search, beam_search
from lora_repro.methods.apply import adapt
from lora_repro.methods.virtual_tokens import wants_prompt_lengths
from tests.tiny_backbones import lora, prefix_methods, tiny

STOP = (3, 11, 23, 38, 52)


def plain_beam_search(model: Any, prompt: list[int], search: Search) -> Hypothesis:
    """The rules of `lora_repro.decoding.beam`, one hypothesis at a time, no cache, no tensors but the model's."""
    beams: list[tuple[float, list[int]]] = [(0.0, [])]
    best = Hypothesis()
    for step in range(1, search.max_new_tokens + 1):
        candidates = []
        beams = [beam for beam in beams if beam[0] > -math.inf]
        with torch.inference_mode():
            rows = torch.tensor([prompt + text for _, text in beams])
            output = model(rows, use_cache=False, **extra(model, len(prompt), len(beams)))
        for (log_p, text), logits in zip(beams, output.logits[:, -1].tolist(), strict=True):
            n = search.no_repeat_ngram
            seen = {tuple(text[i : i + n]) for i in range(len(text) - n + 1)} if n else set()
            allowed = [w for w in range(len(logits)) if not n or (*text[len(text) - n + 1 :], w) not in seen]
            most = max(logits[w] for w in allowed)
            total = most + math.log(sum(math.exp(logits[w] - most) for w in allowed))
            candidates += [(log_p + logits[w] - total, [*text, w]) for w in allowed]
        beams = sorted(candidates, key=lambda candidate: -candidate[0])[: search.beams]
        for i, (log_p, text) in enumerate(beams):
            ended, last = text[-1] in search.stop, step == search.max_new_tokens
            score = log_p / step**search.length_penalty
            if (ended or last) and score > best.score:
                best = Hypothesis(text, score, ended)
            if ended:
                beams[i] = (-math.inf, text)
        if not any(log_p > -math.inf for log_p, _ in beams):
            break
    return best


def extra(model: nn.Module, prompt: int, rows: int) -> dict[str, torch.Tensor]:
    return {"prompt_lengths": torch.full((rows,), prompt)} if wants_prompt_lengths(model) else {}


def random_prompts(inputs: int, tokens: int) -> torch.Tensor:
    return torch.randint(1, 60, (inputs, tokens), generator=torch.Generator().manual_seed(5))


def ragged_prompts(inputs: int, tokens: int) -> list[torch.Tensor]:
    """Of `tokens` tokens and of one to three fewer."""
    return [prompt[i % 4 :] for i, prompt in enumerate(random_prompts(inputs, tokens))]


def sharpened(model: nn.Module) -> nn.Module:
    """Random tiny models spread their probability evenly: greater weights make texts that end and repeat."""
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(12.0)  # type: ignore[operator]
    return model


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize(
    ("beams", "penalty", "ngram"), [(1, 1.0, 0), (4, 0.8, 2), (10, 0.9, 4), (5, 0.0, 3), (3, -0.5, 2), (4, 2.0, 0)]
)
def test_texts_and_scores_are_those_of_a_plain_search(name: str, beams: int, penalty: float, ngram: int) -> None:
    model = sharpened(tiny(name, seed=1).model)
    search = Search(beams, penalty, ngram, max_new_tokens=8, stop=STOP)
    prompts = ragged_prompts(5, 6)
    found = beam_search(model, prompts, search)
    expected = [plain_beam_search(model, prompt.tolist(), search) for prompt in prompts]
    assert [h.tokens for h in found] == [h.tokens for h in expected]
    assert [h.finished for h in found] == [h.finished for h in expected]
    assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-3)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_some_texts_end_and_others_are_cut_off(name: str) -> None:
    """Or else the comparison above would compare one kind alone."""
    found = beam_search(sharpened(tiny(name, seed=1).model), random_prompts(12, 6), Search(4, 0.8, 2, 8, STOP))
    assert {h.finished for h in found} == {True, False}
    assert len({len(h.tokens) for h in found}) > 2


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("method", [lora(), *prefix_methods()], ids=lambda m: m.name)
def test_virtual_tokens_stay_in_the_cache(name: str, method: Any) -> None:
    adapted = adapt(tiny(name, seed=2), method, seed=0)
    model = sharpened(adapted.model)
    search = Search(3, 0.9, 3, max_new_tokens=6, stop=STOP)
    prompts = ragged_prompts(3, 5)
    found = beam_search(model, prompts, search)
    expected = [plain_beam_search(model, prompt.tolist(), search) for prompt in prompts]
    assert [h.tokens for h in found] == [h.tokens for h in expected]
    assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-3)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_greedy_decoding_is_that_of_transformers(name: str) -> None:
    model: Any = sharpened(tiny(name, seed=3).model)
    prompts = random_prompts(4, 6)
    search = Search(1, 1.0, 0, max_new_tokens=9, stop=(0,))
    found = beam_search(model, prompts, search)
    theirs = model.generate(prompts, do_sample=False, max_new_tokens=9, eos_token_id=0, pad_token_id=1)
    for h, row in zip(found, theirs[:, 6:].tolist(), strict=True):
        assert h.tokens == row[: len(h.tokens)]
        assert set(row[len(h.tokens) :]) <= {1}


def test_an_input_is_decoded_alike_whatever_stands_beside_it() -> None:
    model = sharpened(tiny("gpt2", seed=1).model)
    search = Search(4, 0.8, 3, max_new_tokens=10, stop=STOP)
    prompts = ragged_prompts(6, 5)
    together = beam_search(model, prompts, search)
    alone = [beam_search(model, [prompt], search)[0] for prompt in prompts]
    assert [h.tokens for h in together] == [h.tokens for h in alone]


def test_the_prompts_ngrams_may_be_repeated_and_the_texts_own_not() -> None:
    model = sharpened(tiny("gpt2", seed=4).model)
    found = beam_search(model, random_prompts(6, 6), Search(4, 1.0, 2, max_new_tokens=20, stop=()))
    for h in found:
        pairs = list(zip(h.tokens, h.tokens[1:], strict=False))
        assert len(pairs) == len(set(pairs)) == 19


def test_ended_inputs_leave_the_batch() -> None:
    """The work of a batch falls as its inputs end: tokens are counted as the model sees them."""
    model: Any = sharpened(tiny("llama", seed=1).model)
    shapes: list[tuple[int, ...]] = []
    model.base_model.register_forward_pre_hook(
        lambda _m, _a, call: shapes.append(tuple(call["input_ids"].shape)), with_kwargs=True
    )
    search = Search(4, 0.0, 2, max_new_tokens=8, stop=STOP)  # penalty 0: a longer text is never better
    found = beam_search(model, random_prompts(12, 6), search)
    assert shapes[:2] == [(12, 6), (12, 4)]  # the prompt is read once for all beams
    assert {columns for _, columns in shapes[1:]} == {4}
    inputs = [rows for rows, _ in shapes]
    assert inputs == sorted(inputs, reverse=True)
    assert inputs[-1] < 12
    assert len(inputs) == max(len(h.tokens) for h in found)

"""PreLayer and prefix_kv: what stands at the virtual positions after every block, against the plain model."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lora_repro.methods.apply import adapt
from lora_repro.methods.pre_layer import after_blocks
from lora_repro.methods.virtual_tokens import virtual_tokens
from lora_repro.models.architectures import ARCHITECTURES
from tests.methods.virtual import TEXTS, strong
from tests.tiny_backbones import DECODERS, ENCODERS, prefix_methods, tiny


@pytest.mark.parametrize("name", [*ENCODERS, *DECODERS])
def test_activations_after_every_block_are_the_learnt_vectors(name: str) -> None:
    adapted = strong(name, prefix_methods()[1])
    seen: list[Tensor] = []
    for module in after_blocks(adapted.model, ARCHITECTURES[name]):
        module.register_forward_hook(lambda _m, _a, out: seen.append(out[0] if isinstance(out, tuple) else out))
    adapted.model(torch.tensor(TEXTS[:1]))
    tokens: Any = virtual_tokens(adapted.model)
    prefix = slice(1, 4) if name in ENCODERS else slice(0, 3)
    infix = slice(3 + 5, 3 + 7) if name in ENCODERS else slice(3 + 6, 3 + 8)
    assert len(seen) == 2
    for layer, hidden in enumerate(seen):
        assert torch.equal(hidden[0, prefix], tokens.prefix[layer])
        assert torch.equal(hidden[0, infix], tokens.infix[layer])
        assert hidden.shape == (1, 6 + 5, 32)


@pytest.mark.parametrize("name", [*ENCODERS, *DECODERS])
def test_pre_layer_started_from_a_text_of_its_own_activations(name: str) -> None:
    """With the activations that the plain model computes there, replacing them changes nothing after block 1."""
    plain = tiny(name).model
    adapted = adapt(tiny(name), prefix_methods()[1], seed=0)
    model, arch = adapted.model, ARCHITECTURES[name]
    tokens: Any = virtual_tokens(model)
    opening, closing = (TEXTS[0][:1], TEXTS[0][-1:]) if name in ENCODERS else ([], [])
    middle = TEXTS[0][1:-1] if name in ENCODERS else TEXTS[0]
    longer = torch.tensor([[*opening, 0, 0, 0, *middle, 0, 0, *closing]])
    start, end = len(opening), len(opening) + 3 + len(middle)
    embedded = plain.get_input_embeddings()(longer).detach().clone()
    embedded[:, start : start + 3], embedded[:, end : end + 2] = 0.0, 0.0  # what pre_layer has at its input
    seen: list[Tensor] = []
    for module in after_blocks(plain, arch):
        module.register_forward_hook(lambda _m, _a, out: seen.append(out[0] if isinstance(out, tuple) else out))
    expected = plain(inputs_embeds=embedded, attention_mask=torch.ones_like(longer)).logits
    with torch.no_grad():
        for layer, hidden in enumerate(seen):
            tokens.prefix[layer].copy_(hidden[0, start : start + 3])
            tokens.infix[layer].copy_(hidden[0, end : end + 2])
    ours = model(torch.tensor(TEXTS[:1])).logits
    if name in DECODERS:
        expected = expected[:, 3 : 3 + 6]  # the last own token predicts, not the infix
    assert torch.allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("name", [*ENCODERS, *DECODERS])
def test_prefix_kv_with_the_keys_of_zero_embeddings_is_the_plain_model_with_them(name: str) -> None:
    from lora_repro.models.sites import projection

    plain = tiny(name).model
    adapted = adapt(tiny(name), prefix_methods()[2], seed=0)
    tokens: Any = virtual_tokens(adapted.model)
    start = 1 if name in ENCODERS else 0
    longer = torch.tensor([[*TEXTS[0][:start], 0, 0, 0, *TEXTS[0][start:]]])
    embedded = plain.get_input_embeddings()(longer).detach().clone()
    embedded[:, start : start + 3] = 0.0
    seen: dict[tuple[int, int], Tensor] = {}
    for layer in (0, 1):
        for row, weight in enumerate(("W_k", "W_v")):
            site = projection(plain, ARCHITECTURES[name], layer, weight)

            def note(
                _m: nn.Module, _a: object, out: Tensor, at: tuple[int, int] = (layer, row), where: Any = site.slice
            ):
                seen.setdefault(at, out.chunk(where.parts, dim=-1)[where.part][0, start : start + 3])

            site.module.register_forward_hook(note)
    expected = plain(inputs_embeds=embedded, attention_mask=torch.ones_like(longer)).logits
    with torch.no_grad():
        for (layer, row), vectors in seen.items():
            tokens.keys_values[layer, row].copy_(vectors)
    if name in DECODERS:
        expected = expected[:, 3:]
    assert torch.allclose(adapted.model(torch.tensor(TEXTS[:1])).logits, expected, atol=1e-5)

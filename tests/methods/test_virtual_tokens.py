"""Where virtual tokens stand; masks, positions, token types, logits and caches follow: against plain models."""

import copy
from typing import Any

import pytest
import torch

from lora_repro.config import MethodConfig
from lora_repro.errors import BackboneError
from lora_repro.methods.virtual_tokens import draw_words, virtual_tokens, wants_prompt_lengths
from tests.methods.virtual import INFIX, PAD, PREFIX, PROMPTS, TEXTS, name_of, padded, real, strong, with_words
from tests.tiny_backbones import DECODERS, ENCODERS, prefix_methods, tiny


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("l_p", "l_i"), [(3, 2), (3, 0), (0, 2)])
@pytest.mark.parametrize("name", ENCODERS)
def test_encoder_equals_the_plain_model_on_the_longer_text(name: str, l_p: int, l_i: int, side: str) -> None:
    plain, model = with_words(name, l_p, l_i)
    longer = [[text[0], *PREFIX[:l_p], *text[1:-1], *INFIX[:l_i], text[-1]] for text in TEXTS]
    expected = plain(**padded(longer, width=13)).logits
    assert torch.allclose(model(**padded(TEXTS, side)).logits, expected, atol=1e-6)
    assert not torch.allclose(plain(**padded(TEXTS)).logits, expected, atol=1e-4)


def test_token_types_of_virtual_tokens_are_their_neighbours() -> None:
    plain, model = with_words("bert")
    text, types = [5, 21, 6, 23, 24, 6], [0, 0, 0, 1, 1, 1]  # a pair: the infix belongs to its second text
    longer = [5, *PREFIX, 21, 6, 23, 24, *INFIX, 6]
    expected = plain(torch.tensor([longer]), token_type_ids=torch.tensor([[0] * 6 + [1] * 5])).logits
    assert torch.allclose(model(torch.tensor([text]), token_type_ids=torch.tensor([types])).logits, expected, atol=1e-6)
    given = model(
        inputs_embeds=plain.get_input_embeddings()(torch.tensor([text])), token_type_ids=torch.tensor([types])
    )
    assert torch.allclose(given.logits, expected, atol=1e-6)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("l_p", "l_i"), [(3, 2), (3, 0), (0, 2)])
@pytest.mark.parametrize("name", DECODERS)
def test_decoder_equals_the_plain_model_on_the_longer_text(name: str, l_p: int, l_i: int, side: str) -> None:
    plain, model = with_words(name, l_p, l_i)
    logits = model(**padded(TEXTS, side), prompt_lengths=torch.tensor(PROMPTS)).logits
    for ours, text, prompt in zip(real(logits, TEXTS, side), TEXTS, PROMPTS, strict=True):
        longer = [*PREFIX[:l_p], *text[:prompt], *INFIX[:l_i], *text[prompt:]]
        expected = plain(torch.tensor([longer])).logits[0]
        # The prompt's last token hands over to the infix: the completion's first token is predicted at its end.
        kept = [*range(l_p, l_p + prompt - 1), *range(l_p + prompt + l_i - 1, len(longer))]
        assert torch.allclose(ours, expected[kept], atol=1e-6)


@pytest.mark.parametrize("name", DECODERS)
def test_labels_stay_aligned(name: str) -> None:
    plain, model = with_words(name)
    inputs = padded(TEXTS)
    labels = torch.tensor([[-100] * 4 + TEXTS[0][4:] + [-100] * 2, [-100] * 2 + TEXTS[1][2:] + [-100] * 4])
    loss = model(**inputs, labels=labels, prompt_lengths=torch.tensor(PROMPTS)).loss
    longer = [[*PREFIX, *text[:p], *INFIX, *text[p:]] for text, p in zip(TEXTS, PROMPTS, strict=True)]
    moved = [[-100] * (p + 5) + text[p:] + [-100] * (8 - len(text)) for text, p in zip(TEXTS, PROMPTS, strict=True)]
    expected = plain(**padded(longer, width=13), labels=torch.tensor(moved)).loss
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


def test_without_prompt_lengths_the_whole_sequence_is_the_prompt() -> None:
    _, model = with_words("gpt2")
    whole = model(**padded(TEXTS), prompt_lengths=torch.tensor([6, 4])).logits
    assert torch.equal(model(**padded(TEXTS)).logits, whole)
    assert not torch.allclose(model(**padded(TEXTS), prompt_lengths=torch.tensor(PROMPTS)).logits, whole, atol=1e-4)
    assert wants_prompt_lengths(model)
    assert not wants_prompt_lengths(with_words("gpt2", 3, 0)[1])
    assert not wants_prompt_lengths(with_words("bert")[1])
    assert not wants_prompt_lengths(tiny("gpt2").model)


def test_given_position_numbers_are_moved_not_replaced() -> None:
    plain, model = with_words("gpt2")
    numbers = torch.tensor([[4, 5, 6, 9, 10, 11]])
    ours = model(torch.tensor(TEXTS[:1]), position_ids=numbers, prompt_lengths=torch.tensor([4])).logits
    longer = torch.tensor([[*PREFIX, *TEXTS[0][:4], *INFIX, *TEXTS[0][4:]]])
    expected = plain(longer, position_ids=torch.tensor([[4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16]])).logits
    assert torch.allclose(ours, expected[:, [3, 4, 5, 8, 9, 10]], atol=1e-6)


@pytest.mark.parametrize("config", prefix_methods(), ids=name_of)
@pytest.mark.parametrize("name", [*ENCODERS, *DECODERS])
def test_neither_padding_side_nor_company_matters(name: str, config: MethodConfig) -> None:
    model = strong(name, config).model
    outputs = []
    for side in ("right", "left"):
        logits = model(**padded(TEXTS, side)).logits
        outputs.append(list(logits) if name in ENCODERS else real(logits, TEXTS, side))
    alone = [model(torch.tensor([text])).logits[0] for text in TEXTS]
    for right, left, single in zip(*outputs, alone, strict=True):
        assert torch.allclose(right, single, atol=1e-5)
        assert torch.allclose(left, single, atol=1e-5)
    assert not torch.allclose(alone[0][-1], alone[1][-1], atol=1e-3)  # the text is read at all


@pytest.mark.parametrize("implementation", ["eager", "sdpa", "lora_repro_cpu"])
@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2"])
def test_attention_functions_agree(name: str, implementation: str) -> None:
    from lora_repro.training.dropout import use_cheap_dropout

    model = strong(name, prefix_methods()[1]).model
    expected = real(model(**padded(TEXTS)).logits, TEXTS, "right") if name == "gpt2" else model(**padded(TEXTS)).logits
    if implementation == "lora_repro_cpu":
        use_cheap_dropout(model, name)
    else:
        model.set_attn_implementation(implementation)
    ours = real(model(**padded(TEXTS)).logits, TEXTS, "right") if name == "gpt2" else model(**padded(TEXTS)).logits
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, expected, strict=True))


@pytest.mark.parametrize("config", prefix_methods(), ids=name_of)
@pytest.mark.parametrize("name", DECODERS)
def test_generation_is_the_same_with_and_without_a_cache_padded_and_alone(name: str, config: MethodConfig) -> None:
    model = strong(name, config).model
    for beams in (1, 3):
        options: dict[str, Any] = {"max_new_tokens": 5, "num_beams": beams, "do_sample": False, "pad_token_id": PAD}
        options |= {"eos_token_id": None}
        inputs = padded(TEXTS, "left", width=6)
        cached, whole = (model.generate(**inputs, use_cache=cache, **options)[:, 6:] for cache in (True, False))
        assert torch.equal(cached, whole)
        alone = [model.generate(torch.tensor([text]), **options)[0, len(text) :] for text in TEXTS]
        assert torch.equal(cached, torch.stack(alone))
    assert not torch.equal(cached[0], cached[1])


@pytest.mark.parametrize("name", DECODERS)
def test_generation_equals_the_plain_model_after_the_longer_prompt(name: str) -> None:
    plain, model = with_words(name)
    options: dict[str, Any] = {"max_new_tokens": 6, "num_beams": 2, "do_sample": False, "pad_token_id": PAD}
    for text in TEXTS:
        expected = plain.generate(torch.tensor([[*PREFIX, *text, *INFIX]]), eos_token_id=None, **options)[0, -6:]
        assert torch.equal(model.generate(torch.tensor([text]), eos_token_id=None, **options)[0, -6:], expected)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("given", ["mask", "mask and numbers"])
def test_steps_by_hand_through_a_cache(side: str, given: str) -> None:
    model = strong("gpt2", prefix_methods()[0]).model
    inputs, more = padded(TEXTS, side), torch.tensor([[41, 42], [43, 44]])
    first = model(**inputs, use_cache=True)
    mask = torch.cat([inputs["attention_mask"], torch.ones_like(more)], dim=1)
    numbers = {} if given == "mask" else {"position_ids": mask.cumsum(1)[:, -2:] - 1}
    ours = model(more, attention_mask=mask, past_key_values=first.past_key_values, **numbers).logits
    for row, text, two in zip(ours, TEXTS, more.tolist(), strict=True):
        expected = model(torch.tensor([text + two]), prompt_lengths=torch.tensor([len(text)])).logits[0, -2:]
        assert torch.allclose(row, expected, atol=1e-5)


def test_a_step_without_a_mask() -> None:
    model = strong("gpt2", prefix_methods()[0]).model
    text = torch.tensor(TEXTS[:1])
    cache = model(text[:, :4], use_cache=True).past_key_values
    ours = model(text[:, 4:], past_key_values=cache).logits
    assert torch.allclose(ours, model(text, prompt_lengths=torch.tensor([4])).logits[:, 4:], atol=1e-5)


def test_a_deep_copy_is_independent() -> None:
    adapted = strong("gpt2", prefix_methods()[1])
    before = adapted.model(**padded(TEXTS)).logits
    twin = copy.deepcopy(adapted.model)
    with torch.no_grad():
        virtual_tokens(twin).prefix.zero_()  # type: ignore[union-attr, operator]
    assert torch.equal(adapted.model(**padded(TEXTS)).logits, before)
    assert not torch.allclose(twin(**padded(TEXTS)).logits, before, atol=1e-4)


def test_refusals() -> None:
    _, model = with_words("gpt2")
    with pytest.raises(BackboneError, match=r"36 tokens and 3 \+ 2 virtual ones are more than the 40 positions .* 35"):
        model(torch.zeros(1, 36, dtype=torch.long))
    assert model(torch.zeros(1, 35, dtype=torch.long)).logits.shape == (1, 35, 60)
    with pytest.raises(BackboneError, match="a row per example, not one of 4 axes"):
        model(torch.zeros(1, 3, dtype=torch.long), attention_mask=torch.ones(1, 1, 3, 3))
    cache = tiny("gpt2").model(torch.zeros(1, 3, dtype=torch.long), use_cache=True).past_key_values
    with pytest.raises(BackboneError, match="cache was filled without the virtual tokens"):
        model(torch.zeros(1, 1, dtype=torch.long), past_key_values=cache)
    cache = model(torch.zeros(1, 3, dtype=torch.long), use_cache=True).past_key_values
    with pytest.raises(BackboneError, match="4 axes does not tell the tokens' position_ids; give them too"):
        model(torch.zeros(1, 2, dtype=torch.long), past_key_values=cache, attention_mask=torch.zeros(1, 1, 2, 10))
    with pytest.raises(TypeError, match="input_ids alone by position"):
        model.transformer(torch.zeros(1, 3, dtype=torch.long), None)


def test_roberta_has_fewer_positions_than_rows() -> None:
    _, model = with_words("roberta")
    limit = 40 - 2 - 5
    assert model(torch.full((1, limit), 7)).logits.shape == (1, 2)
    with pytest.raises(BackboneError, match=f"at most {limit} tokens"):
        model(torch.full((1, limit + 1), 7))


def test_words_are_drawn_without_the_padding_token() -> None:
    words = draw_words(tiny("bert").model, 5000, torch.Generator().manual_seed(0))
    assert set(words.tolist()) == set(range(60)) - {PAD}

from typing import Any

import numpy as np
import pytest
import torch

from lora_repro.pretraining.blocks import IGNORED, mask, pack
from lora_repro.pretraining.measure import token_bytes
from lora_repro.pretraining.objective import Objective
from lora_repro.pretraining.vocabulary import Kind, train_tokenizer

TEXTS = ["the cat sat on the mat", "a dog lay on the rug\nand slept", "naïve café: 5 £"] * 20


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    return {kind: train_tokenizer(TEXTS, 300, kind, 16) for kind in ("roberta", "gpt2")}


@pytest.mark.parametrize("kind", ["roberta", "gpt2"])
def test_the_tokenizer_gives_every_text_back(tokenizers: dict[str, Any], kind: Kind) -> None:
    tokenizer = tokenizers[kind]
    for text in [*TEXTS[:3], "unseen ☃ words"]:
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_special_tokens_have_the_published_backbones_ids(tokenizers: dict[str, Any]) -> None:
    roberta, gpt2 = tokenizers["roberta"], tokenizers["gpt2"]
    assert (roberta.bos_token_id, roberta.pad_token_id, roberta.eos_token_id) == (0, 1, 2)
    assert roberta("a", "b")["input_ids"][0] == 0
    pair = roberta.convert_ids_to_tokens(roberta("a", "b")["input_ids"])
    assert pair == ["<s>", "a", "</s>", "</s>", "b", "</s>"]
    assert gpt2.eos_token == "<|endoftext|>"
    assert gpt2.eos_token_id == gpt2.bos_token_id == 0


def test_blocks_hold_the_stream_in_order_without_padding(tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers["gpt2"]
    blocks = pack(TEXTS, tokenizer, "gpt2", 8, batch=7)
    stream = [token for text in TEXTS for token in [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]]
    assert blocks.shape[1] == 8
    assert blocks.reshape(-1).tolist() == stream[: blocks.size]
    assert len(stream) - blocks.size < 8


def test_robertas_blocks_stand_between_its_special_tokens(tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers["roberta"]
    blocks = pack(TEXTS, tokenizer, "roberta", 8)
    assert set(blocks[:, 0]) == {tokenizer.bos_token_id}
    assert set(blocks[:, -1]) == {tokenizer.eos_token_id}
    assert (tokenizer.pad_token_id == blocks).sum() == 0
    joined = Objective("roberta", 4, 300, 0.2, causal=False).joined(blocks, np.array([0, 3]))
    assert joined.shape == (2, 16)
    assert joined[1, [0, 7, 8, 15]].tolist() == [0, 2, 2, 2]
    assert joined[1, 9:15].tolist() == blocks[4, 1:7].tolist()


def test_masking_chooses_the_share_and_leaves_special_tokens_alone() -> None:
    ids = torch.randint(5, 1000, (100, 200), generator=torch.Generator().manual_seed(1))
    ids[:, 0] = 0
    read, labels = mask(ids, 0.2, 4, 5, 1000, torch.Generator().manual_seed(0))
    chosen = labels != IGNORED
    assert not chosen[:, 0].any()
    assert chosen[:, 1:].float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert torch.equal(labels[chosen], ids[chosen])
    assert torch.equal(read[~chosen], ids[~chosen])
    masked = (read[chosen] == 4).float().mean().item()
    same = (read[chosen] == ids[chosen]).float().mean().item()
    assert (masked, same) == (pytest.approx(0.8, abs=0.02), pytest.approx(0.1, abs=0.02))


def test_a_causal_label_is_the_next_token() -> None:
    ids = torch.tensor([[3, 4, 5]])
    read, labels = Objective("gpt2", -1, 10, 0.0, causal=True).batch(ids, torch.Generator(), training=True)
    assert read.tolist() == [[3, 4, 5]]
    assert labels.tolist() == [[4, 5, IGNORED]]


def test_token_bytes_add_up_to_the_text(tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers["gpt2"]
    sizes = token_bytes(tokenizer)
    for text in TEXTS[:3]:
        assert sizes[tokenizer(text)["input_ids"]].sum() == len(text.encode())
    assert sizes[tokenizer.eos_token_id] == 0

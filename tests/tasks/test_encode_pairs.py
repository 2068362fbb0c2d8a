"""Encoding of pairs: token ids by hand, the loss's positions, truncation."""

import json

import numpy as np
import pytest

from lora_repro.errors import BackboneError, ConfigError
from lora_repro.tasks.data_to_text import Pair, collect_pairs
from lora_repro.tasks.encode_pairs import encode_pairs, encode_prompts

END = 50256


class Letters:
    """A tokenizer of one token per character: its code."""

    eos_token_id = 0
    name_or_path = "letters"

    def __call__(self, texts, add_special_tokens, verbose):
        assert not add_special_tokens
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}


def examples(*pairs):
    return collect_pairs([Pair(*pair) for pair in pairs], "local")


@pytest.fixture(scope="module")
def gpt2(shared):
    from transformers import GPT2TokenizerFast

    folder = shared / "data/tokenizers/gpt2"
    merges = (folder / "vocab.bpe").read_text(encoding="utf-8").split("\n")[1:-1]
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    return GPT2TokenizerFast(vocab=vocabulary, merges=[tuple(merge.split()) for merge in merges])


def test_ids_by_hand(gpt2, shared):
    """Each word looked up in the vocabulary by hand: "Ġ" stands for the space before it, E for 50256."""
    vocabulary = json.loads((shared / "data/tokenizers/gpt2/vocab.json").read_text(encoding="utf-8"))
    words = (
        "name Ġ: ĠBlue ĠSpice Ġ| ĠType Ġ: Ġcoffee Ġshop Ġ| Ġarea Ġ: Ġcity Ġcentre <|endoftext|> "
        "ĠA Ġcoffee Ġshop Ġin Ġthe Ġcity Ġcentre Ġarea Ġcalled ĠBlue ĠSpice Ġ. <|endoftext|>"
    )
    expected = [vocabulary[word] for word in words.split(" ")]
    encoded = encode_pairs(
        examples(
            (
                "name : Blue Spice | Type : coffee shop | area : city centre",
                "A coffee shop in the city centre area called Blue Spice .",
            )
        ),
        gpt2,
        512,
    )
    assert encoded.input_ids.tolist() == expected
    assert encoded.input_ids.tolist()[:3] == [3672, 1058, 4518] and expected[14] == END
    assert encoded.prompt_lengths.tolist() == [15]
    assert encoded.offsets.tolist() == [0, 28] and encoded.truncated == 0


def test_pairs_are_concatenated_with_the_end_of_text_twice():
    encoded = encode_pairs(examples(("ab", "x"), ("c", "yz")), Letters(), 99)
    a, b, c, x, y, z, space = (ord(letter) for letter in "abcxyz ")
    assert encoded.input_ids.tolist() == [a, b, 0, space, x, 0, c, 0, space, y, z, 0]
    assert encoded.input_ids.dtype == np.int32
    assert encoded.offsets.tolist() == [0, 6, 12] and encoded.lengths().tolist() == [6, 6]
    assert encoded.prompt_lengths.tolist() == [3, 2] and len(encoded) == 2


def test_the_loss_begins_at_the_first_end_of_text_and_takes_in_the_last():
    encoded = encode_pairs(examples(("ab", "x")), Letters(), 99)
    # position      a      b      E      " "    x      (E predicts nothing)
    # predicts      b      E      " "    x      E
    assert encoded.targets(0).tolist() == [False, False, True, True, True]


def test_long_pairs_are_cut_at_their_end_to_seq_len():
    encoded = encode_pairs(examples(("ab", "xyz"), ("abcdef", "x"), ("a", "x")), Letters(), 5)
    assert encoded.lengths().tolist() == [5, 5, 5] and encoded.truncated == 2
    assert encoded.input_ids[:5].tolist() == [ord("a"), ord("b"), 0, ord(" "), ord("x")]
    assert encoded.prompt_lengths.tolist() == [3, 5, 2]  # the second has no text left
    assert encoded.targets(1).sum() == 0 and encoded.targets(0).sum() == 2


def test_long_pairs_may_lose_their_inputs_beginning_instead():
    """As inputs do in decoding; the text stays whole while it fits beside the input's end of text."""
    encoded = encode_pairs(examples(("abcdefgh", "x"), ("ab", "uvwxyz")), Letters(), 6, cut="input")
    rows = [encoded.input_ids[i : i + 6].tolist() for i in (0, 6)]
    assert rows == [[*map(ord, "gh"), 0, *map(ord, " x"), 0], [0, *map(ord, " uvwx")]]
    assert encoded.prompt_lengths.tolist() == [3, 1] and encoded.truncated == 2
    assert encode_pairs(examples(("abcdefgh", "x")), Letters(), 4, cut="input").lengths().tolist() == [4]


def test_prompts_keep_their_end():
    ids, offsets = encode_prompts(["abcd", "e"], Letters(), 3)
    assert ids.tolist() == [ord("c"), ord("d"), 0, ord("e"), 0] and offsets.tolist() == [0, 3, 5]


def test_the_fingerprint_follows_ids_and_prompts():
    one = encode_pairs(examples(("ab", "x")), Letters(), 99)
    assert one.fingerprint == encode_pairs(examples(("ab", "x")), Letters(), 50).fingerprint
    assert one.fingerprint != encode_pairs(examples(("ab", "y")), Letters(), 99).fingerprint
    assert one.fingerprint != encode_pairs(examples(("ab", "x")), Letters(), 99, eot=1).fingerprint


def test_a_seq_len_without_room_and_a_tokenizer_without_end_are_refused():
    with pytest.raises(ConfigError, match="seq_len=3 leaves no room for a text: the shortest input has 3"):
        encode_pairs(examples(("ab", "x")), Letters(), 3)
    tokenizer = Letters()
    tokenizer.eos_token_id = None
    with pytest.raises(BackboneError, match="tokenizer 'letters' names no end-of-text token"):
        encode_pairs(examples(("ab", "x")), tokenizer, 99)


def test_real_lines_survive_the_round_trip(gpt2, shared):
    from lora_repro.tasks import e2e

    read = e2e.read(shared / "data/e2e/lora_format/valid.txt")
    encoded = encode_pairs(read, gpt2, 512)
    assert encoded.truncated == 0
    for i in range(0, len(read), 97):
        ids = encoded.input_ids[encoded.offsets[i] : encoded.offsets[i + 1]].tolist()
        prompt = encoded.prompt_lengths[i]
        assert ids[prompt - 1] == ids[-1] == END
        assert gpt2.decode(ids[: prompt - 1], clean_up_tokenization_spaces=False) == read.pairs[i].context
        assert gpt2.decode(ids[prompt:-1], clean_up_tokenization_spaces=False) == " " + read.pairs[i].completion

"""Pairs of input and text to token ids, exactly as the official GPT-2 code has them (``gpt2_encode.py --add_bos
--add_eos`` and ``FT_Dataset``).

For GPT-2, with 50256 for its end-of-text token E::

    ids     name : The Vaults | ... E  The Vaults pub ... . E
            |----- prompt_length --|  |---- trained on ----|

The completion begins with a space. Position t predicts token t + 1, so the first term of the loss is the first E's
prediction of the first completion token, and the last is the prediction of the final E.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np

from lora_repro.errors import BackboneError, ConfigError
from lora_repro.tasks.data_to_text import DataToTextExamples

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as token ids, ragged: pair i is ``input_ids[offsets[i] : offsets[i + 1]]``.

    Attributes:
        input_ids: (sum of lengths,) int32, no padding.
        offsets: (n + 1,) int64, from 0.
        prompt_lengths: (n,) int64, tokens of each input with its end-of-text token; never above the pair's length.
        truncated: pairs that lost tokens to `seq_len`.
        fingerprint: 16 hex digits of the SHA-256 of all of it.
    """

    input_ids: np.ndarray
    offsets: np.ndarray
    prompt_lengths: np.ndarray
    truncated: int
    fingerprint: str

    def __len__(self) -> int:
        return len(self.prompt_lengths)

    def lengths(self) -> np.ndarray:
        """(n,) int64, tokens of each pair."""
        return np.diff(self.offsets)

    def targets(self, i: int) -> np.ndarray:
        """(length of pair i - 1,) bool: whether position t's prediction of token t + 1 counts in the loss."""
        length = int(self.offsets[i + 1] - self.offsets[i])
        return np.arange(1, length) >= self.prompt_lengths[i]


def encode_pairs(
    examples: DataToTextExamples,
    tokenizer: "PreTrainedTokenizerBase",
    seq_len: int,
    *,
    cut: Literal["end", "input"] = "end",
    eot: int | None = None,
) -> EncodedPairs:
    """Token ids of every pair: input, end of text, a space and the text, end of text; cut to `seq_len`.

    Args:
        seq_len: most tokens of a pair (official: 512).
        cut: where a pair that is too long loses tokens: at its end (official), or at its input's beginning.
        eot: the end-of-text token; None: the tokenizer's ``eos_token_id`` (GPT-2: 50256).

    Raises:
        ConfigError: `seq_len` leaves no room for a text.
        BackboneError: the tokenizer names no end-of-text token.
    """
    end = end_of_text(tokenizer, eot)
    prompts = [[*ids, end] for ids in _ids(tokenizer, [pair.context for pair in examples.pairs])]
    texts = [[*ids, end] for ids in _ids(tokenizer, [" " + pair.completion for pair in examples.pairs])]
    if cut == "end" and prompts and min(map(len, prompts)) >= seq_len:
        raise ConfigError(
            f"seq_len={seq_len} leaves no room for a text: the shortest input has {min(map(len, prompts))}"
        )
    truncated = sum(len(p) + len(t) > seq_len for p, t in zip(prompts, texts, strict=True))
    if cut == "input":  # at least the end-of-text token of an input stays: it predicts the text's first token
        texts = [text[: seq_len - 1] for text in texts]
        prompts = [prompt[-(seq_len - len(text)) :] for prompt, text in zip(prompts, texts, strict=True)]
    rows = [(prompt + text)[:seq_len] for prompt, text in zip(prompts, texts, strict=True)]
    flat, offsets = _ragged(rows)
    prompt_lengths = np.minimum([len(prompt) for prompt in prompts], np.diff(offsets)).astype(np.int64)
    digest = hashlib.sha256()
    for array in (flat, offsets, prompt_lengths):
        digest.update(array.tobytes())
    return EncodedPairs(flat, offsets, prompt_lengths, truncated, digest.hexdigest()[:16])


def encode_prompts(
    inputs: Sequence[str], tokenizer: "PreTrainedTokenizerBase", max_length: int, *, eot: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of inputs alone with their end-of-text token, what decoding starts from.

    Args:
        max_length: most tokens of a prompt; a longer one loses tokens at its *beginning* (official: 512 - 64).

    Returns:
        (sum of lengths,) int32 ids and (n + 1,) int64 offsets.
    """
    end = end_of_text(tokenizer, eot)
    return _ragged([[*ids, end][-max_length:] for ids in _ids(tokenizer, list(inputs))])


def end_of_text(tokenizer: "PreTrainedTokenizerBase", eot: int | None = None) -> int:
    """The token that ends an input and a text: `eot`, or else the tokenizer's own.

    Raises:
        BackboneError: neither is there.
    """
    end = tokenizer.eos_token_id if eot is None else eot
    if end is None:
        raise BackboneError(f"tokenizer {tokenizer.name_or_path!r} names no end-of-text token; expected eos_token")
    return int(end)


def _ids(tokenizer: "PreTrainedTokenizerBase", texts: list[str]) -> list[list[int]]:
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _ragged(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=int(offsets[-1])), offsets

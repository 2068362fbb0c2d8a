"""Packed blocks of equal length: no padding, every position trained; and the masks of masked language modelling."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from lora_repro.pretraining.vocabulary import Kind

IGNORED = -100  # label of a position whose token need not be predicted


def pack(documents: Iterable[str], tokenizer: Any, kind: Kind, length: int, batch: int = 512) -> np.ndarray:
    """Encode, put an end-of-text token after each document, join, cut.

    Returns:
        (n, length) uint16. GPT-2: the bare stream. RoBERTa: each block stands between ``<s>`` and ``</s>``, as its own
        FULL-SENTENCES blocks did. What does not fill the last block is left out.
    """
    end = tokenizer.eos_token_id
    stream: list[np.ndarray] = []
    pending: list[str] = []

    def encode() -> None:
        for ids in tokenizer(pending, add_special_tokens=False, verbose=False)["input_ids"]:
            stream.append(np.array([*ids, end], dtype=np.uint16))
        pending.clear()

    for document in documents:
        pending.append(document)
        if len(pending) == batch:
            encode()
    encode()
    tokens = np.concatenate(stream)
    inner = length - 2 if kind == "roberta" else length
    rows = tokens[: len(tokens) // inner * inner].reshape(-1, inner)  # (n, inner)
    if kind == "gpt2":
        return rows
    first = np.full((len(rows), 1), tokenizer.bos_token_id, dtype=np.uint16)
    last = np.full((len(rows), 1), end, dtype=np.uint16)
    return np.concatenate([first, rows, last], axis=1)


def mask(
    ids: torch.Tensor, share: float, mask_id: int, specials: int, vocabulary: int, stream: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """BERT's masking: of the chosen positions 80 % become ``<mask>``, 10 % a random token, 10 % stay.

    Args:
        ids: (b, t) tokens.
        share: of the ordinary tokens to choose.
        specials: tokens with an id below this one are never chosen.

    Returns:
        (b, t) what the model reads, and (b, t) labels: the token where one was chosen, `IGNORED` elsewhere.
    """
    chosen = (torch.rand(ids.shape, generator=stream) < share) & (ids >= specials)
    labels = torch.where(chosen, ids, IGNORED)
    kind = torch.rand(ids.shape, generator=stream)
    random = torch.randint(specials, vocabulary, ids.shape, generator=stream)
    read = torch.where(chosen & (kind < 0.8), mask_id, ids)
    return torch.where(chosen & (kind >= 0.9), random, read), labels

"""Held-out loss, per token and per byte, and the processor's matrix-product peak."""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from lora_repro.pretraining.objective import Objective


@dataclass(frozen=True)
class Heldout:
    """What a model knows of text that it was not trained on."""

    loss: float  # nats per predicted token
    perplexity: float
    accuracy: float  # of the predicted tokens
    bits_per_byte: float  # of the predicted tokens' text: compares models with different tokenizers
    tokens: int  # predicted ones


def heldout(model: Any, objective: Objective, blocks: np.ndarray, bytes_of: np.ndarray, batch: int) -> Heldout:
    """Measure `model` on `blocks`; the masks are the same at every call.

    Args:
        blocks: (n, t) tokens.
        bytes_of: (vocabulary,) length of each token's text in bytes.
    """
    stream = torch.Generator().manual_seed(0)
    lengths = torch.from_numpy(bytes_of)
    nats, right, count, size = 0.0, 0, 0, 0
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(blocks), batch):
            ids = torch.from_numpy(blocks[start : start + batch].astype(np.int64))
            logits, labels = objective.logits(model, *objective.batch(ids, stream, training=False))
            nats += float(functional.cross_entropy(logits.float(), labels, reduction="sum"))
            right += int((logits.argmax(-1) == labels).sum())
            count += len(labels)
            size += int(lengths[labels].sum())
    model.train(was_training)
    loss = nats / count
    return Heldout(loss, math.exp(loss), right / count, nats / math.log(2) / size, count)


def token_bytes(tokenizer: Any) -> np.ndarray:
    """(vocabulary,) bytes of text that each token of a byte-level BPE stands for; 0 for special tokens."""
    special = set(tokenizer.all_special_tokens)
    names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return np.array([0 if name in special else len(name) for name in names])  # one printed character a byte


def matmul_peak(
    size: int = 1024, seconds: float = 1.0, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> float:
    """Operations per second of a square product, on a CPU with the threads in use: the best of many."""
    a, b = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    best = math.inf
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best

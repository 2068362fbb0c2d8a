"""What the loop must know of a task, and GLUE's form of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lora_repro.tasks.encode import Encoded
from lora_repro.training.batches import Indices, padded_length

Tensors = dict[str, torch.Tensor]
Scores = Callable[[np.ndarray, np.ndarray], dict[str, float]]  # (predictions, labels) -> metrics


class Ragged(Protocol):
    """Examples of different lengths, one after the other."""

    @property
    def offsets(self) -> np.ndarray:
        """(n + 1,) example i has the tokens offsets[i] to offsets[i + 1]."""

    def __len__(self) -> int: ...


Data = TypeVar("Data", bound=Ragged, contravariant=True)


class Problem(Protocol[Data]):
    """Batches and their loss."""

    def lengths(self, data: Data) -> np.ndarray:
        """(n,) tokens of each example, for batching."""

    def terms(self, data: Data, batch: Indices) -> int:
        """Losses that a batch adds up: its examples, or the tokens that count. The mean over them is minimised."""

    def collate(self, data: Data, batch: Indices) -> Tensors:
        """The tensors of a batch."""

    def loss(self, model: nn.Module, tensors: Tensors) -> torch.Tensor:
        """The losses added up, a fp32 scalar; the loop divides by the terms of the whole batch."""


@dataclass(frozen=True)
class SequenceClassification:
    """One label (cross-entropy) or one score (squared error) for a text or a pair of texts."""

    regression: bool
    max_length: int
    pad_token_id: int
    pad_to_max_length: bool = False  # as the official code does; same numbers but for rounding, more work
    length_step: int = 1  # batches are padded to multiples of it; only speed depends on it

    def lengths(self, data: Encoded) -> np.ndarray:
        """(n,) tokens of each example."""
        return data.lengths()

    def terms(self, data: Encoded, batch: Indices) -> int:
        """One loss per example."""
        return len(batch)

    def collate(self, data: Encoded, batch: Indices) -> Tensors:
        """input_ids, attention_mask, labels and, where the backbone has them, token_type_ids; padded on the right."""
        lengths = data.lengths()[batch]
        width = padded_length(int(lengths.max()), self.max_length, step=self.length_step, to_max=self.pad_to_max_length)
        inside = np.arange(width) < lengths[:, None]  # (b, t), True where there is a token
        tokens = np.concatenate([np.arange(data.offsets[i], data.offsets[i + 1]) for i in batch])
        ids = np.full(inside.shape, self.pad_token_id, dtype=np.int64)  # (b, t)
        ids[inside] = data.input_ids[tokens]
        tensors = {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(inside.astype(np.int64)),
            "labels": torch.from_numpy(data.labels[batch]),
        }
        if data.token_type_ids is not None:
            types = np.zeros(inside.shape, dtype=np.int64)
            types[inside] = data.token_type_ids[tokens]
            tensors["token_type_ids"] = torch.from_numpy(types)
        return tensors

    def logits(self, model: nn.Module, tensors: Tensors) -> torch.Tensor:
        """(b, labels), or (b,) for a score; fp32."""
        inputs = {name: tensor for name, tensor in tensors.items() if name != "labels"}
        logits = model(**inputs).logits.float()  # (b, labels)
        return logits.squeeze(-1) if self.regression else logits

    def loss_of(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The examples' losses added up."""
        if self.regression:
            return functional.mse_loss(logits, labels.float(), reduction="sum")
        return functional.cross_entropy(logits, labels, reduction="sum")

    def loss(self, model: nn.Module, tensors: Tensors) -> torch.Tensor:
        """The examples' losses added up, a fp32 scalar."""
        return self.loss_of(self.logits(model, tensors), tensors["labels"])

    def predictions(self, logits: torch.Tensor) -> torch.Tensor:
        """(b,) label ids or scores."""
        return logits if self.regression else logits.argmax(-1)

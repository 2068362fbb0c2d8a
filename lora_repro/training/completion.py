"""Language modelling of completions: a decoder learns to write the text that follows an input.

As the official GPT-2 code (``gpt2_ft.py``), with these details:

- Only the completion counts, its final end-of-text token included; the first scored prediction is that of the prompt's
  last token. The loss of a batch is the mean over all its scored *tokens*, so that long texts weigh more than short
  ones (the official sum / (tokens + 1e-4); the 1e-4 lies below fp32's rounding). The terms of a batch are counted over
  the whole batch, so accumulation and several processes give that same mean; a mean of each share's mean would not.
- Label smoothing, in training alone: (1 - s) (-log p_target) + s mean over the vocabulary of (-log p).
- Rows are padded at their end, where causal attention cannot see it: no mask is needed, and no number depends on it.
- The output layer, with its 50,257 words the largest matrix product of a small model, is computed for scored positions
  only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lora_repro.methods.virtual_tokens import wants_prompt_lengths
from lora_repro.models.architectures import Architecture
from lora_repro.models.sites import find
from lora_repro.tasks.encode_pairs import EncodedPairs
from lora_repro.training.batches import Indices, evaluation_batches, padded_length
from lora_repro.training.distributed import World
from lora_repro.training.evaluate import Evaluation
from lora_repro.training.precision import compute
from lora_repro.training.problem import Tensors

EVAL_BATCH = 32  # pairs; only speed depends on it
PADDING = 0  # never seen: any token would do


@dataclass(frozen=True)
class CompletionModelling:
    """The loss of completions, given their inputs."""

    architecture: Architecture
    max_length: int
    pad_to_max_length: bool = False  # as the official code does; same numbers but for rounding, more work
    label_smoothing: float = 0.0
    length_step: int = 1  # batches are padded to multiples of it; only speed depends on it

    def lengths(self, data: EncodedPairs) -> np.ndarray:
        """(n,) tokens of each pair."""
        return data.lengths()

    def terms(self, data: EncodedPairs, batch: Indices) -> int:
        """Scored tokens of a batch."""
        return max(1, int((data.lengths()[batch] - data.prompt_lengths[batch]).sum()))

    def collate(self, data: EncodedPairs, batch: Indices) -> Tensors:
        """input_ids (b, t), padded on the right, and lengths and prompt_lengths (b,)."""
        lengths = data.lengths()[batch]
        width = padded_length(int(lengths.max()), self.max_length, step=self.length_step, to_max=self.pad_to_max_length)
        inside = np.arange(width) < lengths[:, None]  # (b, t), True where there is a token
        ids = np.full(inside.shape, PADDING, dtype=np.int64)
        ids[inside] = np.concatenate([data.input_ids[data.offsets[i] : data.offsets[i + 1]] for i in batch])
        return {
            "input_ids": torch.from_numpy(ids),
            "lengths": torch.from_numpy(lengths),
            "prompt_lengths": torch.from_numpy(data.prompt_lengths[batch]),
        }

    def loss(self, model: nn.Module, tensors: Tensors) -> torch.Tensor:
        """The scored tokens' losses added up, with label smoothing: what training minimises."""
        logits, targets = self.scored(model, tensors)
        return functional.cross_entropy(logits, targets, reduction="sum", label_smoothing=self.label_smoothing)

    def plain_loss(self, model: nn.Module, tensors: Tensors) -> torch.Tensor:
        """The scored tokens' negative log-likelihoods added up: what is reported of validation data."""
        return functional.cross_entropy(*self.scored(model, tensors), reduction="sum")

    def scored(self, model: nn.Module, tensors: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, vocabulary) logits in fp32 and (n,) targets of the n scored positions of a batch."""
        ids, lengths, prompts = (tensors[name] for name in ("input_ids", "lengths", "prompt_lengths"))
        base: Any = find(model, self.architecture.base)
        call = {"prompt_lengths": prompts} if wants_prompt_lengths(model) else {}
        hidden = base(input_ids=ids, use_cache=False, **call)[0]  # (b, t, d)
        target = torch.arange(1, ids.size(1), device=ids.device)  # of position t the token t + 1
        counts = (target >= prompts[:, None]) & (target < lengths[:, None])  # (b, t - 1)
        logits = model.get_output_embeddings()(hidden[:, :-1][counts])  # (n, vocabulary)
        return logits.float(), ids[:, 1:][counts]


@torch.inference_mode()
def validate(
    model: nn.Module, problem: CompletionModelling, data: EncodedPairs, precision: str, world: World
) -> Evaluation:
    """The mean negative log-likelihood of a scored token, dropout off; dealt out to the processes.

    The official script averages its batches of four instead: a slightly different weighing of the same terms.
    """
    model.eval()
    loss = sum(_losses(model, problem, data, precision, world), torch.zeros((), dtype=torch.float64))
    mean = world.sum(loss.to(world.device)) / problem.terms(data, np.arange(len(data)))
    return Evaluation(metrics={}, headline=None, loss=mean, collapsed=False)


def _losses(
    model: nn.Module, problem: CompletionModelling, data: EncodedPairs, precision: str, world: World
) -> Iterator[torch.Tensor]:
    for batch in evaluation_batches(data.lengths(), EVAL_BATCH)[world.rank :: world.size]:
        tensors = {name: tensor.to(world.device) for name, tensor in problem.collate(data, batch).items()}
        with compute(precision, world.device):
            yield problem.plain_loss(model, tensors).double().cpu()

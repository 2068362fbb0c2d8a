"""What frozen blocks below the lowest trained one put out, computed once and kept for all epochs.

FT^Top2 and AdapterDrop train upper blocks only. Without dropout the blocks below give every example the same states in
every epoch: with GPT-2 medium's 24 blocks, 22 of FT^Top2's forward passes. They are computed before the first epoch in
batches that depend on the data alone, so that a resumed run trains on the same bits as an undisturbed one.

Where dropout is active below (the GLUE recipes), where virtual tokens stand beside the texts, for a single epoch, or
when the states would take more than a quarter of the memory that is left, nothing is kept. (A run that is resumed where
there is less memory than before may so differ from an undisturbed one by rounding.) Such blocks still cost no
more than their forward pass: autograd builds no graph below the lowest trained parameter.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from lora_repro.memory import available_memory
from lora_repro.methods.apply import Adapted
from lora_repro.methods.virtual_tokens import virtual_tokens
from lora_repro.models.dims import Dims
from lora_repro.models.sites import block_modules
from lora_repro.training.batches import Indices, evaluation_batches
from lora_repro.training.precision import compute
from lora_repro.training.problem import Problem, Ragged, Tensors

BATCH = 64  # examples of the pass that computes the states; only speed depends on it
SHARE = 0.25  # of the memory that is left


Data = TypeVar("Data", bound=Ragged)


@dataclass(frozen=True)
class KeptStates(Generic[Data]):
    """A problem whose batches bring along what the frozen blocks put out."""

    problem: Problem[Data]
    blocks: tuple[nn.Module, ...]  # the frozen ones, from below
    states: Tensor  # (tokens of all examples, d), on the CPU
    parts: int  # of what a block returns: 0 for its states alone, else a tuple that begins with them (DeBERTa's: 2)

    def lengths(self, data: Data) -> np.ndarray:
        """As the problem has it."""
        return self.problem.lengths(data)

    def terms(self, data: Data, batch: Indices) -> int:
        """As the problem has it."""
        return self.problem.terms(data, batch)

    def collate(self, data: Data, batch: Indices) -> Tensors:
        """The problem's tensors, and ``kept_states`` (b, t, d) with zeros for padding."""
        tensors = self.problem.collate(data, batch)
        rows = [self.states[data.offsets[i] : data.offsets[i + 1]] for i in batch]
        kept = self.states.new_zeros((*tensors["input_ids"].shape, self.states.size(1)))
        for row, own in zip(kept, rows, strict=True):
            row[: len(own)] = own
        return {**tensors, "kept_states": kept}

    def loss(self, model: nn.Module, tensors: Tensors) -> Tensor:
        """The problem's, with the frozen blocks' part taken as given."""
        rest = dict(tensors)
        with self._recalled(rest.pop("kept_states")):
            return self.problem.loss(model, rest)

    @contextmanager
    def _recalled(self, states: Tensor) -> Iterator[None]:
        """The frozen blocks pass on what they are given, the last of them gives `states` (b, t, d)."""

        def output(hidden: Tensor) -> Any:
            return (hidden, *[None] * (self.parts - 1)) if self.parts else hidden

        for block in self.blocks[:-1]:
            block.forward = lambda hidden, *_, **__: output(hidden)
        self.blocks[-1].forward = lambda *_, **__: output(states)
        try:
            yield
        finally:
            for block in self.blocks:
                del block.forward


def keep_states(
    adapted: Adapted, problem: Problem[Data], data: Data, *, epochs: int, precision: str, device: torch.device
) -> Problem[Data]:
    """`problem` itself, or the same with kept states where that is exact and worth it.

    Args:
        adapted: on `device`.
        epochs: of the training ahead.
        precision: of the forward pass: "fp32" or "bf16".
    """
    blocks = () if epochs == 1 else frozen_blocks(adapted)
    needed = 4 * int(data.offsets[-1]) * Dims.of(adapted.model.config).d  # bytes; half of it where states are bf16
    if not blocks or needed > SHARE * available_memory():
        return problem
    return _compute(adapted.model, problem, data, blocks, precision, device)


def frozen_blocks(adapted: Adapted) -> tuple[nn.Module, ...]:
    """The lowest blocks, as many as give the same output whenever they are asked in training; () where none does."""
    model, architecture = adapted.model, adapted.backbone.architecture
    if virtual_tokens(model) is not None or any(getattr(model.config, name) for name in architecture.dropouts):
        return ()
    place = f"{architecture.base}.{architecture.blocks}"
    blocks = tuple(block_modules(model, architecture))
    above = [name for name in adapted.method_names if not name.startswith(f"{place}.")]
    if above or not adapted.method_names:
        return ()  # embeddings or a LayerNorm outside the blocks train
    lowest = min(int(name.removeprefix(f"{place}.").split(".")[0]) for name in adapted.method_names)
    return blocks[:lowest]


class _Seen(Exception):
    """The last frozen block has put out its states: the rest of the model need not run."""


@torch.no_grad()
def _compute(
    model: nn.Module,
    problem: Problem[Data],
    data: Data,
    blocks: tuple[nn.Module, ...],
    precision: str,
    device: torch.device,
) -> KeptStates[Data]:
    found: list[Any] = []

    def see(_module: nn.Module, _inputs: Any, output: Any) -> None:
        found.append(output)
        raise _Seen

    model.eval()
    states: Tensor | None = None
    hook = blocks[-1].register_forward_hook(see)
    try:
        for batch in evaluation_batches(problem.lengths(data), BATCH):
            tensors = {name: tensor.to(device) for name, tensor in problem.collate(data, batch).items()}
            try:
                with compute(precision, device):
                    problem.loss(model, tensors)
            except _Seen:
                pass
            output = found.pop()
            hidden = (output[0] if isinstance(output, tuple) else output).cpu()  # (b, t, d)
            if states is None:
                states = hidden.new_empty((int(data.offsets[-1]), hidden.size(-1)))
            for i, row in zip(batch, hidden, strict=True):
                start, end = data.offsets[i], data.offsets[i + 1]
                states[start:end] = row[: end - start]
    finally:
        hook.remove()
    assert states is not None
    return KeptStates(problem, blocks, states, len(output) if isinstance(output, tuple) else 0)

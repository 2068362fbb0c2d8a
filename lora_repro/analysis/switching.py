"""From one task to another on one backbone (section 4.1): take B A out of the weights, put B' A' in.

Here unmerging gives back the kept W0, so every bit is right however often one switches. The paper's own arithmetic,
subtracting B A from the merged weights, rounds; `drift` says by how much in each number type.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lora_repro.analysis.adapters import Updates, read_updates
from lora_repro.analysis.results import Drift, Switching
from lora_repro.config import ModelConfig
from lora_repro.errors import CheckpointError
from lora_repro.methods.apply import Adapted
from lora_repro.methods.checkpoint import load_adapter, read_adapter
from lora_repro.methods.lora_layers import LoRALayer
from lora_repro.methods.merging import merge, unmerge

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
ROUNDS = 10  # task switches behind a drift


def switching(first: Path, second: Path, model: ModelConfig, trials: int = 10) -> Switching:
    """Serve task A, switch to task B, and back, `trials` times.

    Args:
        first, second: adapters of this suite, with the same ranks and targets.
        model: the backbone that both were trained on.

    Raises:
        CheckpointError: the adapters do not fit each other or the backbone.
    """
    updates = [read_updates(path) for path in (first, second)]
    if updates[0].note.ranks != updates[1].note.ranks:
        raise CheckpointError(
            f"{first} has ranks {updates[0].note.ranks}, {second} {updates[1].note.ranks}; a switch loads the second "
            "into the layers of the first: train both with the same method.r and method.targets"
        )
    adapted, _ = load_adapter(first, model)
    frozen = {name: layer.weight.detach().clone() for name, layer in _layers(adapted).items()}
    alone = merged_alone(second, model)
    seconds: dict[str, list[float]] = {
        key: [] for key in ("read_adapter", "unmerge", "load", "merge", "read_full_checkpoint")
    }
    exact = True
    merge(adapted.model)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "model.safetensors"
        save_file({name: p.detach().contiguous() for name, p in adapted.model.named_parameters()}, whole)
        backbone_bytes = whole.stat().st_size
        for _ in range(trials):
            for path in (second, first):
                with timed(seconds["read_adapter"]):
                    state = read_adapter(path).state
                with timed(seconds["unmerge"]):
                    unmerge(adapted.model)
                exact &= all(torch.equal(layer.weight, frozen[name]) for name, layer in _layers(adapted).items())
                with timed(seconds["load"]):
                    _load(adapted, state, path)
                with timed(seconds["merge"]):
                    merge(adapted.model)
                if path == second:
                    exact &= all(torch.equal(adapted.model.get_parameter(name), alone[name]) for name in alone)
            with timed(seconds["read_full_checkpoint"]):
                load_file(whole)
    drifts = [drift(frozen, updates, adapted, dtype) for dtype in DTYPES]
    return Switching(
        updates[0].note, updates[1].note, model.name, second.stat().st_size, backbone_bytes, seconds, exact, drifts
    )


def merged_alone(path: Path, model: ModelConfig) -> dict[str, Tensor]:
    """The adapted weights of a backbone that never saw another task, by parameter name."""
    adapted, _ = load_adapter(path, model)
    names = [f"{name}.weight" for name in _layers(adapted)]
    merge(adapted.model)
    return {name: adapted.model.get_parameter(name).detach() for name in names}


@torch.no_grad()
def drift(frozen: dict[str, Tensor], updates: Sequence[Updates], adapted: Adapted, dtype: torch.dtype) -> Drift:
    """W += B A and then W -= B A, with the two tasks in turn, all in `dtype`; how far W is from W0 afterwards."""
    largest, squares, norm = 0.0, 0.0, 0.0
    for name, W0 in frozen.items():
        start = W0.to(dtype)
        W = start.clone()
        dense = [_dense(own, name, adapted, W0).to(dtype) for own in updates]
        for number in range(ROUNDS):
            W += dense[number % 2]
            W -= dense[number % 2]
        gap = (W.double() - start.double()).abs()
        largest = max(largest, float(gap.max()))
        squares += float(gap.square().sum())
        norm += float(start.double().square().sum())
    return Drift(str(dtype).removeprefix("torch."), largest, (squares / norm) ** 0.5, ROUNDS)


def _dense(updates: Updates, module: str, adapted: Adapted, W0: Tensor) -> Tensor:
    """dW of a whole module in W0's layout."""
    arch = adapted.backbone.architecture
    columns = W0.shape[0] if arch.fan_in_fan_out else W0.shape[1]
    whole = torch.zeros(W0.numel() // columns, columns)  # (out, in)
    for (layer, weight), pair in updates.pairs.items():
        site = arch.weights[weight]
        if module == f"{arch.base}.{arch.blocks}.{layer}.{site.module}":
            whole.chunk(site.parts)[site.part].copy_(pair.scaling * pair.B @ pair.A)
    return whole.T if arch.fan_in_fan_out else whole


@torch.no_grad()
def _load(adapted: Adapted, state: dict[str, Tensor], path: Path) -> None:
    """LoRA's matrices; the head too where it has the same shape (tasks with other labels have heads of their own)."""
    for name in adapted.names:
        own, new = adapted.model.get_parameter(name), state.get(name)
        if new is None or (own.shape != new.shape and name in adapted.method_names):
            raise CheckpointError(f"adapter {path} has no '{name}' of the shape {tuple(own.shape)}")
        if own.shape == new.shape:
            own.copy_(new)


def _layers(adapted: Adapted) -> dict[str, LoRALayer]:
    return {name: module for name, module in adapted.model.named_modules() if isinstance(module, LoRALayer)}


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    """Append the seconds that pass inside to `into`."""
    begin = time.perf_counter()
    yield
    into.append(round(time.perf_counter() - begin, 6))

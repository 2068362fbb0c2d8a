"""Whether an imported adapter fits a backbone and a task; judged on the meta device, no weights are read."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lora_repro.config import LoRAConfig, MethodConfig, ModelConfig
from lora_repro.errors import BackboneError, CheckpointError, ConfigError
from lora_repro.methods.apply import adapt
from lora_repro.methods.checkpoint import entry_for
from lora_repro.methods.exchange.pairs import shortened, times
from lora_repro.models.architectures import Architecture
from lora_repro.models.load import Backbone, build_meta
from lora_repro.models.sites import block_names
from lora_repro.tasks.glue import GLUE

UNKNOWN_TASK = "unknown"
_OUTPUT_LAYERS = ("classifier.out_proj.weight", "classifier.weight", "score.weight")  # one row per label


def with_dims_of(model: ModelConfig, folder: Path) -> ModelConfig:
    """`model` with the dimensions that the folder's own config.json says."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    if config.model_type != model.architecture:
        raise BackboneError(
            f"{folder} holds a model of type '{config.model_type}', {model.name} is {model.architecture}; "
            "set --model or --model-path"
        )
    dims = {key: value for key, value in config.to_dict().items() if key not in ("model_type", "transformers_version")}
    return replace(model, dims=dims)


def task_of_head(
    asked: str | None, state: Mapping[str, Tensor], arch: Architecture, notes: Mapping[str, Any], what: str
) -> tuple[str, tuple[str, ...], int]:
    """The task of an imported adapter, its labels, and how many outputs the head has.

    Args:
        asked: a name of GLUE (for a language model any name); None: what our export noted, else unknown, with labels
            LABEL_0 and so on as Transformers has them (one output: a score).

    Raises:
        CheckpointError: no head, or a head with another number of outputs than the task has.
    """
    if not arch.heads:
        return asked or str(notes.get("task") or UNKNOWN_TASK), (), 1
    layer = next((name for name in _OUTPUT_LAYERS if name in state), None)
    if layer is None:
        raise CheckpointError(
            f"{what} holds no head (none of {', '.join(_OUTPUT_LAYERS)}), and its classifier was trained too; save it "
            f"with the adapter (PEFT: modules_to_save={list(arch.heads)})"
        )
    outputs = state[layer].shape[0]
    if asked is None:
        task, labels = notes.get("task"), notes.get("labels")
        if isinstance(task, str) and isinstance(labels, list) and max(1, len(labels)) == outputs:
            return task, tuple(map(str, labels)), outputs
        return UNKNOWN_TASK, tuple(f"LABEL_{number}" for number in range(outputs)) if outputs > 1 else (), outputs
    if asked not in GLUE:
        raise ConfigError(f"--task {asked} is not known; known are {', '.join(GLUE)}")
    task_entry = GLUE[asked]
    if task_entry.num_outputs != outputs:
        fitting = [name for name, entry in GLUE.items() if entry.num_outputs == outputs]
        raise CheckpointError(
            f"{what} has a head of {outputs} outputs ('{layer}' is {times(state[layer].shape)}), task {asked} has "
            f"{task_entry.num_outputs}; "
            + (f"choose --task from {', '.join(fitting)}, or leave it out" if fitting else "leave --task out")
        )
    return asked, task_entry.labels, outputs


def refuse_unfit(
    method: MethodConfig, state: Mapping[str, Tensor], model: ModelConfig, outputs: int, what: str
) -> None:
    """CheckpointError when names or shapes of `state` are not exactly what `method` trains on `model` (with dims)."""
    arch = entry_for(model.architecture, state)
    skeleton = build_meta(model, outputs, arch)
    blocks = len(block_names(skeleton, arch))
    adapted = adapt(Backbone(skeleton, None, arch, model, ""), method, seed=0)
    named = f"LoRA on {' '.join(method.targets)}" if isinstance(method, LoRAConfig) else method.name
    missing, unexpected = sorted(set(adapted.names) - set(state)), sorted(set(state) - set(adapted.names))
    for problem, names in (("lacks", missing), ("has unexpected", unexpected)):
        if names:
            raise CheckpointError(
                f"{what} {problem} {shortened(names)}; it holds {len(state)} tensors, "
                f"{named} of {model.name} ({blocks} blocks) needs {len(adapted.names)}; "
                "choose the --model that it was trained on"
            )
    for name in adapted.names:
        own, new = adapted.model.get_parameter(name).shape, state[name].shape
        if own != new:
            raise CheckpointError(f"{what}: '{name}' is {times(new)}, {model.name} needs {times(own)}; "
                                  "choose the --model that it was trained on")  # fmt: skip


def plain_names(model: nn.Module) -> set[str]:
    """Names of the state dict that Transformers' own class has with the configuration of `model`."""
    cls: Any = type(model)
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        return set(cls(model.config).state_dict())

"""Adapter-only checkpoints: the trained tensors, and in the file's metadata all that is needed to load them.

One safetensors file. Its metadata key ``lora_repro`` holds `AdapterMeta` as JSON. For ``method=ft`` the "adapter" is
all weights. Nothing here executes what a file contains.
"""

import contextlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lora_repro.config import MethodConfig, ModelConfig, RunConfig
from lora_repro.errors import CheckpointError
from lora_repro.methods.apply import Adapted, adapt
from lora_repro.methods.registry import method
from lora_repro.models.architectures import Architecture, architecture, classifying
from lora_repro.models.load import Backbone, Problem, load_backbone

FORMAT = 1
_KEY = "lora_repro"


@dataclass(frozen=True)
class AdapterMeta:
    """All that is needed to load an adapter, but the backbone's weights; no path of the machine it was made on."""

    method: dict[str, Any]  # the method's configuration: name and settings
    architecture: str
    backbone: str  # name, e.g. "roberta-base"
    hub_id: str | None
    revision: str | None
    fingerprint: str  # of the backbone's weights
    task: str
    labels: tuple[str, ...]  # () for regression and generation
    format: int = FORMAT

    @classmethod
    def of(cls, config: RunConfig, backbone: Backbone, task: str, labels: Sequence[str]) -> "AdapterMeta":
        """What a run has to say about the adapter that it trains."""
        model = config.model
        return cls(
            asdict(config.method),
            backbone.architecture.name,
            model.name,
            model.hub_id,
            model.revision,
            backbone.fingerprint,
            task,
            tuple(labels),
        )

    def method_config(self) -> MethodConfig:
        """The method's configuration as its own class."""
        return method(self.method["name"]).config(**self.method)


@dataclass(frozen=True)
class AdapterFile:
    """A checkpoint as it lies on disk."""

    path: Path
    meta: AdapterMeta
    state: dict[str, Tensor]  # on the CPU

    @property
    def architecture(self) -> Architecture:
        """Of the model that it was trained in: a decoder's with the classification head where the file holds one."""
        return entry_for(self.meta.architecture, self.state)


@dataclass(frozen=True)
class Initialised:
    """What `initialise_from` did: names taken from the file, and names of the head left as they were drawn."""

    taken: tuple[str, ...]
    left: tuple[str, ...]


def entry_for(name: str, state: Collection[str]) -> Architecture:
    """The table's entry for a model some of whose tensors have the names in `state`: a decoder with its classification
    head where there are tensors of that."""
    entry = architecture(name)
    headed = classifying(entry)
    return headed if any(f".{head}." in f".{key}" for key in state for head in headed.heads) else entry


def save_adapter(path: Path | str, adapted: Adapted, meta: AdapterMeta) -> None:
    """Write what `adapted` trains and `meta`; atomically: `path` holds the old file or the whole new one."""
    write_adapter(path, adapted.trainable_state(), meta)


def write_adapter(path: Path | str, state: Mapping[str, Tensor], meta: AdapterMeta) -> None:
    """`save_adapter` for tensors that are in no model; the caller answers for their names and shapes."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.cpu().contiguous() for name, tensor in state.items()}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(tensors, partial, metadata={_KEY: json.dumps(asdict(meta), sort_keys=True)})
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.chmod(0o644)  # save_file's 0600 would hide adapters from the other users of a cluster
        partial.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):  # it was moved: nothing went wrong
            partial.unlink()


def read_adapter(path: Path | str) -> AdapterFile:
    """Read a checkpoint; CheckpointError when it is absent, damaged, or not one of ours."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"adapter {path} does not exist")
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = stream.metadata() or {}
            state = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118  (not a dict)
    except SafetensorError as error:
        raise CheckpointError(f"adapter {path} is damaged or not a safetensors file: {error}") from error
    if _KEY not in metadata:
        raise CheckpointError(
            f"adapter {path} does not say how it was made (no '{_KEY}' in its metadata, but "
            f"{', '.join(metadata) or 'nothing'}); only adapters that this suite wrote can be loaded here"
        )
    return AdapterFile(path, _meta(path, metadata[_KEY]), state)


def load_into(adapted: Adapted, path: Path | str, *, any_backbone: bool = False) -> AdapterMeta:
    """Copy a checkpoint into a model that was adapted the same way.

    Args:
        any_backbone: accept an adapter that was trained on a backbone with other weights (say, another file format).

    Raises:
        CheckpointError: another architecture, backbone, method or rank, a head of another size, names that lack or are
            too many. The model is unchanged then.
    """
    file = read_adapter(path)
    _refuse_other_kind(adapted, file, any_backbone)
    _refuse_other_names(adapted.names, file)
    for name in adapted.head_names:
        own, new = tuple(adapted.model.get_parameter(name).shape), tuple(file.state[name].shape)
        if own != new:
            raise CheckpointError(
                f"adapter {file.path} has a head of {new[0]} outputs ('{name}' {_times(new)}, task {file.meta.task}), "
                f"this model one of {own[0]} ({_times(own)}); use task={file.meta.task}, or start from it with "
                "init_from=FILE"
            )
    _refuse_other_shapes(adapted, adapted.method_names, file)
    adapted.load_trainable_state(file.state)
    return file.meta


def load_adapter(path: Path | str, model: ModelConfig, *, any_backbone: bool = False) -> tuple[Adapted, AdapterMeta]:
    """Build the adapted model that `path` describes, on the weights of the backbone `model`."""
    file = read_adapter(path)
    meta = file.meta
    if meta.architecture != model.architecture:
        raise CheckpointError(f"adapter {path} is for {meta.backbone} ({meta.architecture}), not {model.architecture}")
    headed = bool(file.architecture.heads)
    problem: Problem = "generation" if not headed else "classification" if meta.labels else "regression"
    backbone = load_backbone(model, max(1, len(meta.labels)), problem=problem)
    adapted = adapt(backbone, meta.method_config(), seed=0)
    load_into(adapted, path, any_backbone=any_backbone)
    return adapted, meta


def initialise_from(adapted: Adapted, path: Path | str, *, any_backbone: bool = False) -> Initialised:
    """Start from another task's adapter (section 5.2: MRPC, RTE and STS-B start from MNLI's).

    All of the method's weights are taken. Of the head, layers of the same shape are taken (RoBERTa's classifier.dense,
    the poolers), the others are left as they were drawn (the last layer, where the number of labels differs).

    Raises:
        CheckpointError: the adapter is of another kind, or lacks weights of the method.
    """
    file = read_adapter(path)
    _refuse_other_kind(adapted, file, any_backbone)
    in_head = {name for name in file.state if name in adapted.head_names}
    _refuse_other_names(adapted.method_names, file, in_head)
    _refuse_other_shapes(adapted, adapted.method_names, file)
    own = {name: adapted.model.get_parameter(name) for name in adapted.names}
    fits = [name for name in adapted.head_names if name in file.state and file.state[name].shape == own[name].shape]
    # A layer goes as a whole: a bias that happens to fit must not be torn from a weight that does not.
    whole = {name.rpartition(".")[0] for name in adapted.head_names} - {
        name.rpartition(".")[0] for name in adapted.head_names if name not in fits
    }
    taken = [*adapted.method_names, *(name for name in fits if name.rpartition(".")[0] in whole)]
    with torch.no_grad():
        for name in taken:
            own[name].copy_(file.state[name])
    return Initialised(tuple(taken), tuple(name for name in adapted.names if name not in set(taken)))


def _meta(path: Path, text: str) -> AdapterMeta:
    try:
        fields = json.loads(text)
        if fields["format"] > FORMAT:
            raise CheckpointError(
                f"adapter {path} has format {fields['format']}, this version reads up to {FORMAT}; update lora_repro"
            )
        return AdapterMeta(**(fields | {"labels": tuple(fields["labels"])}))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise CheckpointError(f"adapter {path}: its description cannot be read ({error!r})") from error


def _refuse_other_kind(adapted: Adapted, file: AdapterFile, any_backbone: bool) -> None:
    meta, backbone = file.meta, adapted.backbone
    if meta.architecture != backbone.architecture.name:
        raise CheckpointError(
            f"adapter {file.path} is for {meta.backbone} ({meta.architecture}), this run uses {backbone.config.name} "
            f"({backbone.architecture.name}); choose model={meta.backbone}"
        )
    own = asdict(adapted.config)
    if meta.method["name"] != own["name"]:
        raise CheckpointError(
            f"adapter {file.path} was trained with method {meta.method['name']}, this run uses {own['name']}; "
            f"choose method={meta.method['name']}"
        )
    free = method(own["name"]).training_only
    for key in sorted((set(own) | set(meta.method)) - set(free)):
        if _plain(own.get(key)) != _plain(meta.method.get(key)):
            raise CheckpointError(
                f"adapter {file.path} has method.{key}={_plain(meta.method.get(key))}, this run has "
                f"{_plain(own.get(key))}; set method.{key}={_plain(meta.method.get(key))}"
            )
    if not any_backbone and meta.fingerprint != backbone.fingerprint:
        raise CheckpointError(
            f"adapter {file.path} was trained on {meta.backbone} with weights {meta.fingerprint}, this run's "
            f"{backbone.config.name} has {backbone.fingerprint}; load the backbone that it was trained on"
        )


def _plain(value: Any) -> Any:
    """Order does not matter in a list of targets."""
    return sorted(value) if isinstance(value, list | tuple) else value


def _refuse_other_names(names: Sequence[str], file: AdapterFile, also_fine: Collection[str] = ()) -> None:
    missing = sorted(set(names) - set(file.state))
    unexpected = sorted(set(file.state) - set(names) - set(also_fine))
    for problem, found in (("lacks", missing), ("has unexpected", unexpected)):
        if found:
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            raise CheckpointError(
                f"adapter {file.path} {problem} {', '.join(found[:3])}{more}; it holds {len(file.state)} tensors, "
                f"this model needs {len(names)}"
            )


def _refuse_other_shapes(adapted: Adapted, names: Sequence[str], file: AdapterFile) -> None:
    for name in names:
        own, new = tuple(adapted.model.get_parameter(name).shape), tuple(file.state[name].shape)
        if own != new:
            raise CheckpointError(f"adapter {file.path}: '{name}' is {_times(new)}, the model needs {_times(own)}")


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))

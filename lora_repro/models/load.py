"""Backbones with a fresh head: from a folder, the hub cache or the hub; or on the meta device, without weights."""

import contextlib
import importlib.util
import pickle
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from lora_repro.config import ModelConfig
from lora_repro.errors import BackboneError, ConfigError
from lora_repro.models.architectures import Architecture, architecture, classifying
from lora_repro.models.generators import generator
from lora_repro.models.locate import GGUF, fingerprint, locate
from lora_repro.models.sites import head_parameter_names

Problem = Literal["classification", "regression", "generation"]


@dataclass
class Backbone:
    """A pre-trained Transformer with its head, before anything is added."""

    model: nn.Module  # Transformers' own class, fp32, in eval mode
    tokenizer: Any  # None on the meta device
    architecture: Architecture  # with `heads` for classification, a decoder's without them for generation
    config: ModelConfig
    fingerprint: str  # of the weight file(s), 16 hex digits; "" on the meta device

    @property
    def pad_token_id(self) -> int:
        """What fills up a batch's rows: the tokenizer's padding token, or where it has none (GPT-2) its end of text.

        Raises:
            BackboneError: the tokenizer names neither.
        """
        return _padding(self.tokenizer, self.config.name)


@dataclass(frozen=True)
class _Pretrained:
    """What the checkpoint gives: kept in memory so that the next run of this process need not read it again."""

    config: Any  # Transformers' configuration
    state: dict[str, Tensor]  # full names in the headed model, fp32; parts of the head that the file lacks are absent
    buffers: dict[str, Tensor]  # that no checkpoint holds, e.g. position ids


def load_backbone(
    config: ModelConfig,
    num_labels: int,
    *,
    problem: Problem = "classification",
    classifier_dropout: float | None = None,
    dropout: float | None = None,
    seed: int = 0,
) -> Backbone:
    """Load the backbone of `config` in fp32 and give it a head that depends on `seed` only.

    The checkpoint is read once per process; every call returns parameters of its own. The pooler of BERT is taken from
    the checkpoint where it is there. A classifier in the checkpoint is never used. A decoder that classifies is told
    its padding token: its head reads the last token that is not padding.

    Args:
        num_labels: outputs of the head (1 for regression); ignored for generation.
        problem: ``"generation"`` wants a decoder, the others take any backbone.
        classifier_dropout: of the head; None leaves what the backbone's own configuration says. A decoder's has none.
        dropout: of everything below the head (embeddings, attention, residuals); None likewise.

    Raises:
        BackboneError: the folder is incomplete or holds another architecture.
        OfflineError: neither folder nor cache has it and the hub cannot be reached.
    """
    arch = _fitting(config, problem)
    folder = locate(config).resolve()
    mark = fingerprint(folder)
    pretrained = _read(folder, mark, arch.name, config.name)
    tokenizer = _tokenizer(folder, mark)
    hf_config = _headed(pretrained.config, arch, num_labels, problem, classifier_dropout)
    if arch.decoder and arch.heads:
        hf_config.pad_token_id, hf_config.use_cache = _padding(tokenizer, config.name), False
    if dropout is not None:
        for name in arch.dropouts:
            setattr(hf_config, name, dropout)
    model = _skeleton(arch, hf_config)
    names = set(model.state_dict())  # a decoder that classifies has no place for the output layer
    state = {name: tensor.clone() for name, tensor in pretrained.state.items() if name in names}
    absent = set(model.load_state_dict(state, strict=False, assign=True).missing_keys)
    model.tie_weights()
    _draw_head(model, arch, absent, hf_config.initializer_range, seed)
    for name, buffer in pretrained.buffers.items():
        owner, _, leaf = name.rpartition(".")
        model.get_submodule(owner).register_buffer(leaf, buffer.clone(), persistent=False)
    left = [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if tensor.is_meta]
    if left:
        raise BackboneError(f"{config.name}: the checkpoint in {folder} gives no value to {', '.join(left[:5])}")
    return Backbone(model.eval(), tokenizer, arch, config, mark)


def load_tokenizer(config: ModelConfig) -> Any:
    """The backbone's tokenizer alone; found where the backbone is. One object per process: do not change it."""
    folder = locate(config).resolve()
    return _tokenizer(folder, fingerprint(folder))


def build_meta(config: ModelConfig, num_labels: int, entry: Architecture | None = None) -> nn.Module:
    """The headed model of `config.dims` on the meta device: names and shapes, no weights, no network.

    Args:
        entry: what to build; None: the table's own (of a decoder the language model).
    """
    arch = entry or architecture(config.architecture)
    hf_config = transformers_config(config)
    if arch.heads:
        hf_config.num_labels = num_labels
    return _skeleton(arch, hf_config).eval()


def transformers_config(config: ModelConfig) -> Any:
    """Transformers' configuration object made of `config.dims`."""
    import transformers

    arch = architecture(config.architecture)
    if not config.dims:
        raise ConfigError(f"model {config.name} has no dims; give them in conf/model/{config.name}.yaml")
    with _quiet():
        return getattr(transformers, arch.config_class)(**config.dims)


def _fitting(config: ModelConfig, problem: Problem) -> Architecture:
    arch = architecture(config.architecture)
    if problem == "generation" and not arch.decoder:
        raise BackboneError(f"{config.name} is an encoder ({arch.name}) and cannot generate; use gpt2 or llama")
    return arch if problem == "generation" else classifying(arch)


def _padding(tokenizer: Any, name: str) -> int:
    found = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    if found is None:
        raise BackboneError(f"the tokenizer of {name} names neither pad_token nor eos_token; expected one of them")
    return int(found)


@lru_cache(maxsize=1)  # one: a sweep stays with its backbone, and DeBERTa XXL is 6 GB
def _read(folder: Path, mark: str, architecture_name: str, name: str) -> _Pretrained:
    """Read the checkpoint in `folder`, whose weights hash to `mark` (a changed file is read again)."""
    import transformers

    arch = architecture(architecture_name)
    with _quiet(), torch.random.fork_rng(devices=[]):
        place, gguf = _place(folder)
        hf_config = transformers.AutoConfig.from_pretrained(place, local_files_only=True, **gguf)
        if hf_config.model_type != arch.name:
            raise BackboneError(
                f"the folder of {name} holds a model of type '{hf_config.model_type}', not '{arch.name}'; "
                "set model.architecture or model.path"
            )
        extra: dict[str, Any] = dict(gguf)
        if gguf:  # or else its matrices stay as they were quantised, and cannot be trained or written
            extra["quantization_config"] = transformers.GgufConfig(dequantize=True)
        if arch.name == "roberta":
            extra["add_pooling_layer"] = False  # its head has a layer of its own
        try:
            model, report = getattr(transformers, arch.base_class).from_pretrained(
                place, config=hf_config, dtype=torch.float32, output_loading_info=True, local_files_only=True, **extra
            )
        except (SafetensorError, OSError, pickle.UnpicklingError) as error:
            raise BackboneError(
                f"the weights of {name} in {folder} cannot be read: {error}; copy them again"
            ) from error
    prefix = "" if arch.base_class == arch.model_class else f"{arch.base}."
    missing = {prefix + key for key in report["missing_keys"]}
    essential = sorted(key for key in missing if not key.startswith(tuple(f"{head}." for head in arch.heads)))
    if essential or report["mismatched_keys"]:
        wrong = essential or sorted(str(key[0]) for key in report["mismatched_keys"])
        raise BackboneError(
            f"the weights of {name} in {folder} do not fit {arch.model_class}: {len(wrong)} tensors lack or have "
            f"another shape, first {', '.join(wrong[:3])}"
        )
    state = {prefix + key: tensor for key, tensor in model.state_dict().items() if prefix + key not in missing}
    kept = set(model.state_dict())
    buffers = {prefix + key: buffer for key, buffer in model.named_buffers() if key not in kept}
    return _Pretrained(hf_config, state, buffers)


@lru_cache(maxsize=4)
def _tokenizer(folder: Path, mark: str) -> Any:
    import transformers

    place, gguf = _place(folder)
    with _quiet():
        return transformers.AutoTokenizer.from_pretrained(place, local_files_only=True, **gguf)


def _place(folder: Path) -> tuple[Path, dict[str, Any]]:
    """What Transformers wants to be told: a folder, and the name of a GGUF file in it where `folder` is one.

    Raises:
        BackboneError: the package that reads GGUF is not installed.
    """
    if folder.suffix != GGUF or not folder.is_file():
        return folder, {}
    if importlib.util.find_spec("gguf") is None:
        raise BackboneError(f"{folder.name} needs the package gguf, which is not installed: pip install gguf")
    return folder.parent, {"gguf_file": folder.name}


def _headed(hf_config: Any, arch: Architecture, num_labels: int, problem: Problem, dropout: float | None) -> Any:
    """A copy of the checkpoint's configuration with the head that is asked for."""
    copy = type(hf_config).from_dict(hf_config.to_dict())
    if arch.heads:
        copy.num_labels = num_labels
        copy.problem_type = "regression" if problem == "regression" else "single_label_classification"
        if dropout is not None:
            setattr(copy, "cls_dropout" if arch.name == "deberta-v2" else "classifier_dropout", dropout)
    return copy


def _skeleton(arch: Architecture, hf_config: Any) -> nn.Module:
    import transformers

    with _quiet(), torch.device("meta"), torch.random.fork_rng(devices=[]):
        return getattr(transformers, arch.model_class)(hf_config)


def _draw_head(model: nn.Module, arch: Architecture, absent: set[str], std: float, seed: int) -> None:
    """Weights N(0, std) and biases 0, as Transformers initialises them, for what the checkpoint did not give."""
    stream = generator("head", seed)
    for name in sorted(head_parameter_names(model, arch)):
        owner, _, leaf = name.rpartition(".")
        shape = model.get_parameter(name).shape
        drawn = torch.zeros(shape) if leaf == "bias" else torch.empty(shape).normal_(0.0, std, generator=stream)
        if name in absent:  # drawn in any case: the classifier does not depend on whether a pooler was found
            setattr(model.get_submodule(owner), leaf, nn.Parameter(drawn))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and reports of Transformers: what matters in them is checked here and raised as an error."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()

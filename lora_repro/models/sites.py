"""The table of `architectures` turned into names and modules of a concrete model."""

from dataclasses import dataclass

from torch import nn

from lora_repro.errors import BackboneError
from lora_repro.models.architectures import Architecture, Slice


@dataclass(frozen=True)
class Site:
    """One projection of one block: the module that computes it, its full name, and which part of it this one is."""

    name: str  # e.g. "roberta.encoder.layer.0.attention.self.query"
    module: nn.Module
    slice: Slice


def find(model: nn.Module, name: str) -> nn.Module:
    """The module called `name`; BackboneError, with the names at the level where the search ended, when absent."""
    module = model
    for depth, part in enumerate(name.split(".")):
        children = dict(module.named_children())
        if part not in children:
            where = ".".join(name.split(".")[:depth]) or "the model"
            raise BackboneError(
                f"{type(model).__name__} has no module '{name}': {where} holds {', '.join(children) or 'nothing'}"
            )
        module = children[part]
    return module


def block_names(model: nn.Module, architecture: Architecture) -> list[str]:
    """Full names of the Transformer blocks, lowest first: ``["roberta.encoder.layer.0", ...]``."""
    blocks = f"{architecture.base}.{architecture.blocks}"
    return [f"{blocks}.{name}" for name, _ in find(model, blocks).named_children()]


def block_modules(model: nn.Module, architecture: Architecture) -> list[nn.Module]:
    """The Transformer blocks, lowest first."""
    return [find(model, name) for name in block_names(model, architecture)]


def projection(model: nn.Module, architecture: Architecture, layer: int, weight: str) -> Site:
    """Where the projection `weight` (the paper's name, such as ``"W_q"``) of block `layer` sits."""
    where = architecture.weights[weight]
    name = f"{block_names(model, architecture)[layer]}.{where.module}"
    return Site(name, find(model, name), where)


def head_parameter_names(model: nn.Module, architecture: Architecture) -> set[str]:
    """Full names of the classification head's parameters; empty for a language model.

    The head is everything that only serves the classification: RoBERTa's classifier.dense and classifier.out_proj,
    BERT's and DeBERTa's pooler and classifier, a decoder's score.
    """
    names = set()
    for head in architecture.heads:
        names |= {f"{head}.{name}" for name, _ in find(model, head).named_parameters()}
    return names

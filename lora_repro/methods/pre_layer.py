"""PreLayer (section 5.1, "Prefix-layer tuning"): the activations of virtual tokens train, after every block.

"Instead of just learning the word embeddings [...] we learn the activations after every Transformer layer. The
activations computed from previous layers are simply replaced by trainable ones." So after each of the L blocks the
hidden states at the l_p prefix and l_i infix positions become learnt vectors; all else is frozen. Places, masks and
generation: `lora_repro.methods.virtual_tokens`. What follows from the definition, and what the paper leaves open:

- L blocks give L vectors per token, so the paper's count has none left for the input. Before the first block the word
  embedding of a virtual token is the zero vector (position and token type are added to it as to any other).
- The last block's vectors belong to the count, but nothing reads them: they get a gradient of zero and stay put.
- The vector after the last block does not depend on the prompt, so it could not predict the first token of the
  completion; the prompt's last own token does, as in the backbone.
- DeBERTa-v2's convolution beside block 1 belongs to that block: its output is replaced.

Li & Liang's form, a key and a value per block instead of an activation, is the method `prefix_kv`.

They start as the activations of words drawn from the vocabulary (``prefix_init=vocabulary``) or from a normal
distribution (``random``). Inference costs l_p + l_i more tokens per example.
"""

from typing import Any

import torch
from torch import Generator, Tensor, nn

from lora_repro.config import LoRAPreLayerConfig, PreLayerConfig
from lora_repro.methods.method import Method
from lora_repro.methods.virtual_tokens import VirtualTokens, activations, attach, draw_normal, draw_words, trainable
from lora_repro.models.architectures import Architecture
from lora_repro.models.dims import Dims
from lora_repro.models.sites import block_modules, find


class PreLayerTokens(VirtualTokens):
    """`prefix` (L, l_p, d) and `infix` (L, l_i, d): a parameter that would be empty is not there."""

    def __init__(self, model: nn.Module, architecture: Architecture, l_p: int, l_i: int, init: str, stream: Generator):
        super().__init__(model, architecture, l_p, l_i, infix_predicts=False)
        base: Any = find(model, architecture.base)
        blocks = after_blocks(model, architecture)
        table = base.get_input_embeddings().weight
        if init == "random":
            start = draw_normal(model, (len(blocks), l_p + l_i, self.d), stream).to(table.device)
        else:
            words = draw_words(model, l_p + l_i, stream).to(table.device)
            if table.is_meta:
                start = table.new_empty(len(blocks), l_p + l_i, self.d)
            else:
                start = torch.stack(activations(base, blocks, words))  # (L, l_p + l_i, d)
        if l_p:
            self.prefix = nn.Parameter(start[:, :l_p].clone())
        if l_i:
            self.infix = nn.Parameter(start[:, l_p:].clone())
        self.register_buffer("zero", table.new_zeros(l_p + l_i, self.d), persistent=False)
        for layer, block in enumerate(blocks):
            block.register_forward_hook(_Replace(self, layer))

    def embeddings(self) -> Tensor:
        return self.zero

    def replace(self, layer: int, hidden: Tensor) -> Tensor:
        """`hidden` (b, t + l_p + l_i, d) with the vectors of block `layer` (from 0) in the virtual tokens' columns."""
        if self.slots is None:
            return hidden
        vectors = torch.cat([parameter[layer] for parameter in self.parameters()]).to(hidden.dtype)  # (l_p + l_i, d)
        where = self.slots.unsqueeze(-1).expand(-1, -1, hidden.size(-1))
        return hidden.scatter(1, where, vectors.expand(len(hidden), -1, -1))


class _Replace:
    """Forward hook of one block. A class, so that a deep copy of the model has hooks with the copy's tokens."""

    def __init__(self, tokens: PreLayerTokens, layer: int):
        self.tokens, self.layer = tokens, layer

    def __call__(self, _block: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, tuple):
            return (self.tokens.replace(self.layer, output[0]), *output[1:])
        return self.tokens.replace(self.layer, output)


def after_blocks(model: nn.Module, architecture: Architecture) -> list[nn.Module]:
    """The modules whose outputs are the activations after block 1, 2, ..., L."""
    modules = block_modules(model, architecture)
    if architecture.name == "deberta-v2":
        encoder: Any = find(model, f"{architecture.base}.encoder")
        if encoder.conv is not None:
            modules[0] = encoder.conv
    return modules


def insert(
    model: nn.Module, architecture: Architecture, config: PreLayerConfig | LoRAPreLayerConfig, stream: Generator
) -> None:
    attach(
        model,
        architecture,
        PreLayerTokens(model, architecture, config.l_p, config.l_i, config.prefix_init, stream),
    )


def theta(config: PreLayerConfig | LoRAPreLayerConfig, dims: Dims) -> int:
    """|Theta| = L d (l_p + l_i); GPT-3, l_p = l_i = 8: 18,874,368.

    The paper prints 20.2M for that, and no row of its PreLayer figures is its own formula's.
    """
    return dims.layers * dims.d * (config.l_p + config.l_i)


METHOD = Method("pre_layer", "5.1", PreLayerConfig, trainable, theta, insert, ("prefix_init",))

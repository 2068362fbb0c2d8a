"""The two backbones and what they are trained to predict."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lora_repro.pretraining.blocks import IGNORED, mask
from lora_repro.pretraining.vocabulary import SPECIAL, Kind
from lora_repro.training.gelu import use_fused_gelu

EVALUATION_SHARE = 0.15  # of the tokens masked when the held-out text is measured: BERT's


@dataclass(frozen=True)
class Shape:
    """Of a backbone."""

    layers: int = 6
    width: int = 256
    heads: int = 4
    inner: int = 1024  # of the MLP
    vocabulary: int = 8192
    length: int = 256  # positions


def build(kind: Kind, shape: Shape, seed: int) -> Any:
    """Transformers' own class, freshly initialised, with the dropout rates of the published backbones."""
    from transformers import GPT2Config, GPT2LMHeadModel, RobertaConfig, RobertaForMaskedLM

    torch.manual_seed(seed)
    if kind == "gpt2":
        end = 0
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=shape.vocabulary, n_positions=shape.length, n_embd=shape.width, n_layer=shape.layers,
                n_head=shape.heads, n_inner=shape.inner, bos_token_id=end, eos_token_id=end,
            )
        )  # fmt: skip
    return RobertaForMaskedLM(
        RobertaConfig(
            vocab_size=shape.vocabulary, max_position_embeddings=shape.length + 2, type_vocab_size=1,
            hidden_size=shape.width, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
            intermediate_size=shape.inner, layer_norm_eps=1e-5, bos_token_id=0, pad_token_id=1, eos_token_id=2,
        )
    )  # fmt: skip


def start_positions_as_sinusoids(model: nn.Module) -> None:
    """Give the learnt position embeddings Vaswani et al.'s (2017) sinusoids, with wavelengths up to the model's length.

    From random positions a model must learn for each pair of them that they are neighbours; from sinusoids one linear
    map does for all. They start larger than the token embeddings, which outgrow them otherwise before the first layer
    has learnt to read them. (At the token embeddings' size they gained 0.04 nats of 7.2 after 60 steps of masked
    modelling and 0.02 after 160: not what decides.)
    """
    positions = next(p for name, p in model.named_parameters() if "position_embeddings" in name or ".wpe" in name)
    count, width = positions.shape
    rates = float(count) ** (-torch.arange(0, width, 2) / width)  # (width / 2,)
    angles = torch.arange(count)[:, None] * rates  # (count, width / 2)
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    with torch.no_grad():
        positions.copy_(waves * (3 * positions.std() / waves.std()))


def made_ready(model: nn.Module) -> nn.Module:
    """`model` as it is pre-trained: its dropouts at 0 (each block is seen about once, there is nothing to overfit), its
    activation fused."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    use_fused_gelu(model)
    return model


@dataclass(frozen=True)
class Objective:
    """Masked or causal language modelling.

    GPT-2 is trained with the causal objective. RoBERTa begins with it too: masked modelling alone predicts a fifth as
    many tokens a step, and a model of this size stays for thousands of steps at what the tokens' frequencies tell
    (Gisserot-Boukhlef et al. 2025, arXiv:2507.00994, find the causal beginning better at equal cost at larger sizes).
    """

    kind: Kind
    mask_id: int  # not used by the causal objective
    vocabulary: int
    share: float  # of the tokens that are masked in training
    causal: bool

    def batch(self, ids: torch.Tensor, stream: torch.Generator, *, training: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """What the model reads (b, t), and the labels (b, t) at the positions that predict them."""
        if not self.causal:
            share = self.share if training else EVALUATION_SHARE
            return mask(ids, share, self.mask_id, len(SPECIAL["roberta"]), self.vocabulary, stream)
        after = torch.full_like(ids[:, :1], IGNORED)
        return ids, torch.cat([ids[:, 1:], after], dim=1)

    def joined(self, blocks: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Each block in `rows` and the one after it: (n, t) and (b,) -> (b, 2 t).

        RoBERTa reads the two as it reads a pair of sentences: ``<s> A </s></s> B </s>``.
        """
        after = blocks[rows + 1].copy()
        if self.kind == "roberta":
            after[:, 0] = after[:, -1]
        return np.concatenate([blocks[rows], after], axis=1)

    def shift(self, width: int, length: int, stream: torch.Generator) -> int:
        """Where a training block of `width` tokens begins among RoBERTa's `length` positions, drawn anew each step.

        Else only long blocks would train the later positions, and bidirectional attention meets those in every token:
        without shifts the loss rose by 0.9 nats when the blocks grew. GPT-2, whose early tokens do not see late ones,
        took the growth without.
        """
        return 0 if self.kind == "gpt2" else int(torch.randint(length - width + 1, (), generator=stream))

    def logits(
        self, model: Any, read: torch.Tensor, labels: torch.Tensor, shift: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(m, vocabulary) at the m labelled positions only, and their labels (m,)."""
        if self.kind == "gpt2":
            hidden, head = model.transformer(read, use_cache=False).last_hidden_state, model.lm_head
        else:
            length = read.shape[1]
            seen = torch.ones(length, length, dtype=torch.bool).tril()[None, None] if self.causal else None
            places = torch.arange(length).expand_as(read) + model.config.pad_token_id + 1 + shift  # RoBERTa's count
            read_by = model.roberta(read, attention_mask=seen, position_ids=places)
            hidden, head = read_by.last_hidden_state, model.lm_head
        wanted = labels != IGNORED  # (b, t)
        return head(hidden[wanted]), labels[wanted]

    def loss(self, model: Any, read: torch.Tensor, labels: torch.Tensor, shift: int = 0) -> torch.Tensor:
        """Mean cross-entropy of the labelled positions, in nats."""
        logits, wanted = self.logits(model, read, labels, shift)
        return functional.cross_entropy(logits.float(), wanted)

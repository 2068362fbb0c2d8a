"""What the tests of virtual tokens share: texts of unlike length, padding on a side, models with strong vectors."""

from typing import Any

import torch
from torch import Tensor, nn

from lora_repro.config import MethodConfig, PreEmbedConfig
from lora_repro.methods.apply import Adapted, adapt
from lora_repro.methods.virtual_tokens import virtual_tokens
from tests.tiny_backbones import tiny

PREFIX, INFIX = [11, 12, 13], [14, 15]  # words whose embeddings the trained ones are set to
TEXTS = [[5, 21, 22, 23, 24, 6], [5, 31, 32, 6]]  # of unlike length; in encoders 5 opens and 6 closes
PROMPTS = [4, 2]  # tokens of each text's prompt, in decoders
PAD = 1


def name_of(value: object) -> str:
    if isinstance(value, str):
        return value
    return value.name + ("+mlp" if getattr(value, "reparametrisation", None) else "")  # type: ignore[attr-defined]


def padded(texts: list[list[int]], side: str = "right", width: int = 8) -> dict[str, Tensor]:
    def row(text: list[int], filler: int) -> list[int]:
        rest = [filler] * (width - len(text))
        return text + rest if side == "right" else rest + text

    ids = torch.tensor([row(text, PAD) for text in texts])
    mask = torch.tensor([row([1] * len(text), 0) for text in texts])
    return {"input_ids": ids, "attention_mask": mask}


def real(logits: Tensor, texts: list[list[int]], side: str, width: int = 8) -> list[Tensor]:
    """Each text's rows of (b, width, vocabulary) logits."""
    if side == "right":
        return [row[: len(text)] for row, text in zip(logits, texts, strict=True)]
    return [row[width - len(text) :] for row, text in zip(logits, texts, strict=True)]


def strong(name: str, config: MethodConfig) -> Adapted:
    """An adapted model whose virtual tokens and LoRA pairs are large enough to matter."""
    backbone = tiny(name)
    stream = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in backbone.model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(3.0)
    adapted = adapt(backbone, config, seed=0)
    with torch.no_grad():
        for parameter_name in adapted.method_names:
            parameter = adapted.model.get_parameter(parameter_name)
            parameter.copy_(torch.randn(parameter.shape, generator=stream))
    return adapted


def with_words(name: str, l_p: int = 3, l_i: int = 2, *, classify: bool = False) -> tuple[nn.Module, nn.Module]:
    """A plain backbone, and the same one with pre_embed whose vectors are the embeddings of PREFIX and INFIX."""
    plain = tiny(name, classify=classify).model
    adapted = adapt(
        tiny(name, classify=classify), PreEmbedConfig(name="pre_embed", l_p=l_p, l_i=l_i, prefix_init="random"), seed=0
    )
    tokens: Any = virtual_tokens(adapted.model)
    with torch.no_grad():
        table = plain.get_input_embeddings().weight
        if l_p:
            tokens.prefix.copy_(table[PREFIX[:l_p]])
        if l_i:
            tokens.infix.copy_(table[INFIX[:l_i]])
    return plain, adapted.model

"""Random backbones of two blocks, of the real Transformers classes: small enough to train in a test."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from lora_repro.config import (
    BitFitConfig,
    FTConfig,
    LoRAConfig,
    LoRAPreEmbedConfig,
    LoRAPreLayerConfig,
    MethodConfig,
    ModelConfig,
    PreEmbedConfig,
    PrefixKVConfig,
    PreLayerConfig,
)
from lora_repro.methods.apply import Adapted
from lora_repro.models.architectures import architecture, classifying
from lora_repro.models.load import Backbone, transformers_config

ENCODERS = ("bert", "roberta", "deberta-v2")
DECODERS = ("gpt2", "llama")

_ENCODER = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 60,
    "max_position_embeddings": 40,
    "pad_token_id": 1,
}
DIMS: dict[str, dict[str, Any]] = {
    "bert": _ENCODER | {"type_vocab_size": 2},
    "roberta": _ENCODER | {"type_vocab_size": 1},
    "deberta-v2": _ENCODER
    | {  # with the relative positions and the convolution of the published XXL
        "type_vocab_size": 0,
        "relative_attention": True,
        "position_biased_input": False,
        "position_buckets": 8,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "conv_kernel_size": 3,
        "conv_act": "gelu",
        "pooler_hidden_size": 32,
    },
    "gpt2": {
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_inner": 48,
        "vocab_size": 60,
        "n_positions": 40,
        "bos_token_id": 0,
        "eos_token_id": 0,
    },
    "llama": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 48,
        "vocab_size": 60,
        "max_position_embeddings": 40,
        "tie_word_embeddings": False,
    },
}


def tiny_config(name: str) -> ModelConfig:
    return ModelConfig(name=f"tiny-{name}", architecture=name, dims=dict(DIMS[name]))


def tiny(name: str, num_labels: int = 2, seed: int = 0, *, classify: bool = False) -> Backbone:
    """A backbone with every parameter random, so that no bias and no LayerNorm is at a value that hides a mistake.

    Args:
        classify: give a decoder a classification head instead of the language model's; token 1 pads.
    """
    import transformers

    config, arch = tiny_config(name), architecture(name)
    hf_config = transformers_config(config)
    if classify:
        arch = classifying(arch)
        hf_config.pad_token_id = 1
    if arch.heads:
        hf_config.num_labels = num_labels
    model = getattr(transformers, arch.model_class)(hf_config).eval()
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            centre = 1.0 if parameter.ndim == 1 else 0.0
            parameter.copy_(centre + 0.1 * torch.randn(parameter.shape, generator=stream))
    return Backbone(model, None, arch, config, f"random-{seed}")


def tiny_folder(name: str, folder: Path, seed: int = 0, base_only: bool = False) -> ModelConfig:
    """Write a tiny backbone with a tokenizer of single words to `folder`, as Transformers would.

    Args:
        base_only: the encoder alone, with names that have no prefix, as many checkpoints on the hub are.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    backbone = tiny(name, num_labels=5, seed=seed)
    model = getattr(backbone.model, backbone.architecture.base) if base_only else backbone.model
    model.save_pretrained(folder)
    words = Tokenizer(WordLevel({"[UNK]": 0, "[PAD]": 1, "good": 2, "bad": 3, "film": 4}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)
    config = tiny_config(name)
    config.path = str(folder)
    return config


def batch(examples: int = 4, tokens: int = 7, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random tokens; the last two positions of the first example are padding."""
    stream = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, 60, (examples, tokens), generator=stream)
    mask = torch.ones_like(ids)
    ids[0, -2:], mask[0, -2:] = 1, 0
    return {"input_ids": ids, "attention_mask": mask}


def moved(adapted: Adapted, names: Iterable[str] | None = None) -> Adapted:
    """All that trains, or what is named, away from its start, so that it takes part."""
    stream = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name in adapted.names if names is None else names:
            parameter = adapted.model.get_parameter(name)
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=stream))
    return adapted


def lora(**changes: Any) -> LoRAConfig:
    settings: dict[str, Any] = {"r": 4, "alpha": 8, "dropout": 0.0, "targets": ["W_q", "W_v"], "init": "kaiming"}
    return LoRAConfig(name="lora", **(settings | changes))


def every_method() -> list[MethodConfig]:
    return [FTConfig(name="ft"), BitFitConfig(name="bitfit"), lora()]


def prefix_methods() -> list[MethodConfig]:
    """The methods with virtual tokens: 3 prefix and 2 infix ones."""
    tokens: dict[str, Any] = {"l_p": 3, "l_i": 2, "prefix_init": "vocabulary"}
    pair: dict[str, Any] = {"r": 4, "alpha": 8, "dropout": 0.0, "targets": ["W_q", "W_v"], "init": "kaiming"}
    return [
        PreEmbedConfig(name="pre_embed", **tokens),
        PreLayerConfig(name="pre_layer", **tokens),
        PrefixKVConfig(name="prefix_kv", l_p=3, prefix_init="vocabulary"),
        PrefixKVConfig(name="prefix_kv", l_p=3, prefix_init="random", reparametrisation=6),
        LoRAPreEmbedConfig(name="lora_pre_embed", **tokens, **pair),
        LoRAPreLayerConfig(name="lora_pre_layer", **tokens, **pair),
    ]

"""Tiny decoders with random weights and a task in E2E's layout that they can learn."""

import random
from pathlib import Path
from typing import Any

NAMES = ("Aromi", "Bibimbap", "Cocum", "Giraffe", "Loch")
FOODS = ("Chinese", "English", "French", "Indian")
AREAS = ("riverside", "centre")

WORDS = ("name", "food", "area", ":", "|", "is", "a", "place", "in", "the", "serves", ".", *NAMES, *FOODS, *AREAS)

DIMS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "bos_token_id": 1, "eos_token_id": 1},
    "llama": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "bos_token_id": 1,
        "eos_token_id": 1,
        "tie_word_embeddings": True,
    },
}
CLASSES = {"gpt2": ("GPT2Config", "GPT2LMHeadModel"), "llama": ("LlamaConfig", "LlamaForCausalLM")}


def write_decoder(architecture: str, folder: Path, words: tuple[str, ...] = WORDS) -> Path:
    """Two blocks of width 32 and a tokenizer of whole words, as `save_pretrained` lays them out."""
    import torch
    import transformers
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    vocabulary = {word: number for number, word in enumerate(["<unk>", "<|endoftext|>", *words])}
    backend = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", eos_token="<|endoftext|>", bos_token="<|endoftext|>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config_class, model_class = CLASSES[architecture]
    config = getattr(transformers, config_class)(
        vocab_size=len(vocabulary), initializer_range=0.2, **DIMS[architecture]
    )
    getattr(transformers, model_class)(config).save_pretrained(folder)
    return folder


def write_e2e(folder: Path, train: int = 96, others: int = 12) -> Path:
    """``e2e/{train,valid,test}.txt`` in the form of the official LoRA repository: three facts and a sentence on them;
    every second input of the test split stands there twice, with the sentence in another order."""
    stream = random.Random(0)
    target = folder / "e2e"
    target.mkdir(parents=True)
    for name, count in (("train", train), ("valid", others), ("test", others)):
        lines = []
        for number in range(count):
            who, food, area = stream.choice(NAMES), stream.choice(FOODS), stream.choice(AREAS)
            context = f"name : {who} | food : {food} | area : {area}"
            lines.append(f"{context}||{who} is a {food} place in the {area} . ")
            if name == "test" and number % 2:
                lines.append(f"{context}||{who} in the {area} serves {food} . ")
        (target / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def text_overrides(backbone: Path, data: Path, out: Path, *more: str) -> list[str]:
    """A short run of LoRA on GPT-2 on the toy task, in fp32 wherever the tests run; later settings win."""
    chosen = {
        "model": "gpt2",
        "method": "lora",
        "task": "e2e",
        "recipe": "custom",
        "precision": "fp32",
        "recipe.lr": "1e-2",
        "recipe.epochs": "2",
        "recipe.batch_size": "16",
        "recipe.max_length": "40",
        "recipe.max_new_tokens": "12",
        "recipe.beams": "3",
        "recipe.weight_decay": "0",
        "recipe.warmup_steps": "2",
        "recipe.backbone_dropout": "0",
        "model.path": str(backbone),
        "data.dir": str(data),
        "data.sources": "[local]",
        "records": str(out / "records"),
        "runs": str(out / "runs"),
    }
    chosen |= dict(item.split("=", 1) for item in more)
    return [f"{key}={value}" for key, value in chosen.items()]

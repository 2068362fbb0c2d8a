"""A tiny BERT with random weights and a task in RTE's layout that it can learn: what end-to-end tests run on."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lora_repro.metrics.text import java

WORDS = (
    "red",
    "green",
    "blue",
    "old",
    "new",
    "small",
    "large",
    "cat",
    "dog",
    "house",
    "river",
    "runs",
    "fast",
    "falls",
)


def write_backbone(folder: Path, *, dropout: float = 0.1) -> Path:
    """Two blocks of width 32 and a word-level WordPiece vocabulary, as `save_pretrained` lays them out."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=512,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def write_rte(folder: Path, train: int = 192, dev: int = 64) -> Path:
    """``RTE/{train,dev}.tsv``: the pair is entailed when the second text uses the first half of the words."""
    stream = random.Random(0)
    target = folder / "RTE"
    target.mkdir(parents=True)
    for name, count in (("train", train), ("dev", dev)):
        lines = ["index\tsentence1\tsentence2\tlabel"]
        for index in range(count):
            entailed = index % 2 == 0
            first = " ".join(stream.choices(WORDS, k=stream.randint(2, 12)))
            second = " ".join(stream.choices(WORDS[:7] if entailed else WORDS[7:], k=stream.randint(3, 8)))
            lines.append(f"{index}\t{first}\t{second}\t{'entailment' if entailed else 'not_entailment'}")
        (target / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny backbone, dropout 0.1."""
    return write_backbone(tmp_path_factory.mktemp("backbone") / "bert")


@pytest.fixture(scope="session")
def tiny_bert_without_dropout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights, no dropout: for comparing runs that draw other random numbers."""
    return write_backbone(tmp_path_factory.mktemp("backbone") / "bert", dropout=0.0)


@pytest.fixture(scope="session")
def toy_rte(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the toy task."""
    return write_rte(tmp_path_factory.mktemp("glue"))


def overrides(backbone: Path, data: Path, out: Path, *more: str) -> list[str]:
    """A short run of LoRA on the toy task, in fp32 wherever the tests run; later settings win."""
    chosen = {
        "model": "minilm-l6",
        "method": "lora",
        "task": "rte",
        "recipe": "mini",
        "recipe.epochs": "2",
        "recipe.batch_size": "16",
        "recipe.max_length": "32",
        "precision": "fp32",
        "model.path": str(backbone),
        "data.dir": str(data),
        "data.sources": "[local]",
        "data.cache": str(out / "cache"),
        "records": str(out / "records"),
        "runs": str(out / "runs"),
    }
    chosen |= dict(item.split("=", 1) for item in more)
    return [f"{key}={value}" for key, value in chosen.items()]


def environment(**more: str) -> dict[str, str]:
    """For child processes: one thread, no network."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **more}


@pytest.fixture(scope="module")
def no_java() -> Iterator[None]:
    """The metrics that need it are tested elsewhere and take ten seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(java, "missing", lambda: "java not found")
        patch.setattr(java, "shared", lambda: None)
        yield

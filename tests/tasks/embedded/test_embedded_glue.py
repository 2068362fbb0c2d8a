"""Every embedded GLUE task: form, determinism, splits, balance, and that counting words does not solve it."""

import numpy as np
import pytest

from lora_repro.config import DataConfig
from lora_repro.errors import ConfigError
from lora_repro.tasks.embedded import glue
from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.examples import Examples
from lora_repro.tasks.glue import GLUE
from lora_repro.tasks.load import load_split

EMBEDDED = DataConfig(sources=["embedded"])
PAIRS = [name for name, task in GLUE.items() if len(task.columns) == 2]

GOLDEN: dict[str, tuple[str, str]] = {
    "cola": ("260ef54a918291ed", "80659c8343db93d6"),
    "sst2": ("5f1331e14992065c", "4155c3d11bfddd66"),
    "mrpc": ("4c6508cb5e157802", "5c44d6ea670cbc14"),
    "stsb": ("8ef207d4ff508d13", "81bd9acc6864e8d7"),
    "qqp": ("22b8de8178d1ff62", "851d2770035c5dd8"),
    "mnli": ("81a0e4c2bea89c93", "41e2c0efb3b4b4d0"),
    "qnli": ("2a0ee2f9a9f54dda", "0a14237eaf69e9b1"),
    "rte": ("ac858de467265365", "4d592f91c2366c12"),
    "wnli": ("25630e3bea0ef3ae", "29c4dd3b1531c845"),
}
"""Fingerprints of train and of the first development split at their default sizes. They change with the texts, and then
every result on generated data is out of date."""


def read(name: str, split: str, count: int | None = None) -> Examples:
    return load_split(GLUE[name], split, EMBEDDED, count)


@pytest.mark.parametrize("name", GLUE)
def test_texts_are_the_same_on_every_machine(name: str) -> None:
    found = read(name, "train"), read(name, GLUE[name].eval_splits[0])
    assert (found[0].fingerprint, found[1].fingerprint) == GOLDEN[name]
    assert (len(found[0]), len(found[1])) == (2000, 400)
    assert {examples.source for examples in found} == {"embedded"}


@pytest.mark.parametrize("name", GLUE)
def test_form_labels_and_disjoint_splits(name: str) -> None:
    task = GLUE[name]
    splits = {split: read(name, split, 300) for split in task.splits}
    texts = {split: set(zip(e.text_a, e.text_b or e.text_a, strict=True)) for split, e in splits.items()}
    assert all(len(those) == 300 for those in texts.values())
    for split in task.eval_splits:
        assert not texts["train"] & texts[split]
    for examples in splits.values():
        assert (examples.text_b is None) == (len(task.columns) == 1)
        if task.regression:
            assert all(0 <= label <= 5 for label in examples.labels)
            assert len(set(examples.labels)) > 30
            assert max(np.histogram(examples.labels, bins=5, range=(0, 5))[0]) < 0.4 * len(examples)
        else:
            shares = np.bincount(examples.labels) / len(examples)  # type: ignore[arg-type]
            assert len(shares) == len(task.labels)
            assert all(abs(share - 1 / len(task.labels)) < 0.1 for share in shares)


@pytest.mark.parametrize("name", GLUE)
def test_no_content_of_a_development_split_is_trained_on(name: str) -> None:
    """What an example is about (its key) is in one split only; drawn here without the filter."""
    draws = {split: Draw(name, split, 2021) for split in GLUE[name].splits[:2]}
    keys: dict[str, set[str]] = {}
    for split, draw in draws.items():
        wanted = {tuple(row) for row in _rows(read(name, split, 100))}
        keys[split] = set()
        for _ in range(20_000):
            item = glue.MAKERS[name](draw, "matched")
            if item.texts in wanted:
                keys[split].add(item.key)
                wanted.remove(item.texts)
            if not wanted:
                break
        assert not wanted
    assert not set.intersection(*keys.values())


def test_sizes_can_be_chosen_and_continue_each_other() -> None:
    small, large = read("rte", "train", 50), read("rte", "train", 2500)
    assert len(large) == 2500
    assert large.text_a[:50] == small.text_a
    with pytest.raises(ConfigError, match="=0: use a number from 1 up"):
        read("rte", "train", 0)


def test_mismatched_mnli_speaks_of_other_people() -> None:
    matched = " ".join(read("mnli", "validation_matched", 300).text_a).lower()
    mismatched = " ".join(read("mnli", "validation_mismatched", 300).text_a).lower()
    assert "doctor" in matched
    assert "doctor" not in mismatched
    assert "princess" in mismatched
    assert "princess" not in matched


@pytest.fixture(scope="module")
def bags() -> dict[str, tuple[float, float]]:
    """Of each pair task: accuracy (STS-B: Pearson) of the constant answer, and of TF-IDF with a linear model."""
    return {name: _bag_of_words(name) for name in PAIRS}


@pytest.mark.parametrize("name", PAIRS)
def test_a_bag_of_words_does_not_solve_the_pair_tasks(name: str, bags: dict[str, tuple[float, float]]) -> None:
    constant, words = bags[name]
    assert words < constant + (0.3 if GLUE[name].regression else 0.06)


def _bag_of_words(name: str) -> tuple[float, float]:
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge

    task = GLUE[name]
    train, dev = read(name, "train", 1500), read(name, task.eval_splits[0], 800)
    assert train.text_b is not None
    assert dev.text_b is not None
    vectors = [TfidfVectorizer().fit(column) for column in (train.text_a, train.text_b)]
    seen = hstack([v.transform(c) for v, c in zip(vectors, (train.text_a, train.text_b), strict=True)]).tocsr()
    new = hstack([v.transform(c) for v, c in zip(vectors, (dev.text_a, dev.text_b), strict=True)]).tocsr()
    if task.regression:
        scores = Ridge().fit(seen, train.labels).predict(new)
        return 0.0, float(np.corrcoef(scores, dev.labels)[0, 1])
    model = LogisticRegression(max_iter=1000).fit(seen, train.labels)
    constant = max(np.bincount(dev.labels)) / len(dev)  # type: ignore[arg-type]
    return float(constant), float(model.score(new, dev.labels))


def _rows(examples: Examples) -> list[tuple[str, ...]]:
    columns = [examples.text_a] if examples.text_b is None else [examples.text_a, examples.text_b]
    return list(zip(*columns, strict=True))

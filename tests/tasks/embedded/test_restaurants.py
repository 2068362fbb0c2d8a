"""The embedded E2E: the official lines' form, several texts that say every slot, splits without a common meaning."""

import pytest

from lora_repro.config import DataConfig
from lora_repro.errors import ConfigError, DataError
from lora_repro.tasks.data_to_text import DataToTextExamples, task_named
from lora_repro.tasks.e2e import SLOTS
from lora_repro.tasks.load_text import load_text_split

E2E = task_named("e2e")
GOLDEN = {"train": "8c2ed7fb835b3b54", "validation": "bdb9f303e9f681d4", "test": "ba59ba7d415318b5"}


def read(split: str, **limits: int) -> DataToTextExamples:
    return load_text_split(E2E, split, DataConfig(sources=["embedded"]), **limits)


def meaning(context: str) -> str:
    """Without the names."""
    return "|".join(part for part in context.split(" | ") if not part.startswith(("name", "near")))


@pytest.mark.parametrize("split", GOLDEN)
def test_texts_are_the_same_on_every_machine(split: str) -> None:
    found = read(split)
    assert found.fingerprint == GOLDEN[split]
    assert found.source == "embedded"
    assert len(found) == (2000 if split == "train" else 400)


def test_slots_are_the_official_ones_and_every_text_says_them() -> None:
    for context, texts in zip(read("train").inputs[:200], read("train").references[:200], strict=True):
        slots = dict(part.split(" : ") for part in context.split(" | "))
        assert set(slots) <= set(SLOTS.values())
        assert len(slots) >= 4
        assert len(set(texts)) == 4
        for text in texts:
            for slot in ("name", "near", "food", "Type"):
                assert slots.get(slot, "") in text, (slot, text)
            if slots.get("price", "x")[-1].isdigit():
                assert slots["price"] in text
            if "customer rating" in slots:
                assert f"{slots['customer rating']}" in text
                assert "rating" in text
            assert ("family friendly" in slots) == ("friendly" in text or "adults only" in text), text


def test_splits_have_no_meaning_in_common() -> None:
    meanings = {split: set(map(meaning, read(split).inputs)) for split in GOLDEN}
    assert not meanings["train"] & (meanings["validation"] | meanings["test"])
    assert not meanings["validation"] & meanings["test"]


def test_limits() -> None:
    assert len(read("train", pairs=10)) == 10
    assert len(read("test", inputs=7).inputs) == 7
    assert read("train", pairs=12).pairs == read("train", pairs=100).pairs[:12]
    with pytest.raises(ConfigError, match="=0: use a number from 1 up"):
        read("train", pairs=0)


def test_there_is_no_embedded_webnlg() -> None:
    with pytest.raises(DataError, match="no embedded task webnlg"):
        load_text_split(task_named("webnlg"), "train", DataConfig(sources=["embedded"]))

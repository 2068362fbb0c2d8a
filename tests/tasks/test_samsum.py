"""SAMSum from the published layout: the paper's form of input and text, damage named."""

import json
from pathlib import Path

import pytest

from lora_repro.config import DataConfig
from lora_repro.errors import DataError
from lora_repro.tasks.data_to_text import Pair, task_named
from lora_repro.tasks.load_text import load_text_split
from lora_repro.tasks.samsum import find, read

CHATS = [
    {"id": "1", "summary": "Ida will bring the tent.", "dialogue": "Ida: I have a tent\r\nJo: yes!\r\nIda: I bring it"},
    {"id": "2", "summary": "Max is\r\nlate. ", "dialogue": "Max: late again \n\nEve: ok"},
    {"id": "3", "summary": "Nobody said a thing.", "dialogue": ""},
]  # fmt: skip


def written(folder: Path, content: object, name: str = "test.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2), encoding="utf-8")
    return path


def test_utterances_one_a_line_then_an_empty_one(tmp_path: Path) -> None:
    examples = read(written(tmp_path, CHATS))
    assert examples.pairs == [
        Pair("Ida: I have a tent\nJo: yes!\nIda: I bring it\n\n", "Ida will bring the tent."),
        Pair("Max: late again\nEve: ok\n\n", "Max is late."),
        Pair("\n\n", "Nobody said a thing."),  # the official training file has one such
    ]
    assert examples.references == [[pair.completion] for pair in examples.pairs]


def test_equal_chats_are_written_for_once(tmp_path: Path) -> None:
    twice = [CHATS[0], {**CHATS[0], "id": "9", "summary": "Jo likes tents."}]
    examples = read(written(tmp_path, twice))
    assert len(examples.inputs) == 1 and len(examples.pairs) == 2
    assert examples.references == [["Ida will bring the tent.", "Jo likes tents."]]


@pytest.mark.parametrize("folder", ["samsum", "SAMSum", "samsum-corpus"])
def test_splits_are_found_under_their_published_names(folder: str, tmp_path: Path) -> None:
    for name, count in (("train", 3), ("val", 2), ("test", 1)):
        written(tmp_path / folder, CHATS[:count], f"{name}.json")
    data = DataConfig(dir=str(tmp_path), sources=["local"])
    found = [load_text_split(task_named("samsum"), split, data) for split in ("train", "validation", "test")]
    assert [len(examples) for examples in found] == [3, 2, 1]
    assert {examples.source for examples in found} == {"local"}


def test_the_official_sizes_are_known(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written(tmp_path / "samsum", CHATS, "train.json")
    load_text_split(task_named("samsum"), "train", DataConfig(dir=str(tmp_path), sources=["local"]))
    assert "samsum train has 3 texts here; the official split has 14732" in caplog.text
    assert task_named("samsum").pairs == (14_732, 818, 819)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[\n {"id": "1",\n  "dialogue": "A: b"\n', r"test\.json, line 3: expected JSON, found"),
        ({"id": "1"}, r"test\.json: expected a list, found"),
        ([{"id": "1", "dialogue": "A: b"}], r"test\.json, entry 1: expected the key 'summary', found 'id', 'dialogue'"),
        ([CHATS[0], ["A: b"]], r"test\.json, entry 2: expected an object, found"),
        ([{"id": "1", "dialogue": None, "summary": "x"}], r"entry 1, 'dialogue': expected text, found 'None'"),
        ([{"id": "1", "dialogue": "A: b", "summary": " "}], r"entry 1: expected a summary, found an empty one"),
        ([], r"test\.json: expected chats, found none"),
    ],
)
def test_damage_is_named(content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(written(tmp_path, content))


def test_a_folder_without_the_split(tmp_path: Path) -> None:
    written(tmp_path / "samsum", CHATS, "train.json")
    assert find("test", tmp_path / "samsum") is None
    with pytest.raises(DataError, match=r"expected the test split of samsum, found train\.json"):
        load_text_split(task_named("samsum"), "test", DataConfig(dir=str(tmp_path), sources=["local"]))

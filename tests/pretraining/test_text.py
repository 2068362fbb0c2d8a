import lzma
from pathlib import Path

import pytest

from lora_repro.errors import DataError
from lora_repro.pretraining.text import evaluation_texts, grams, read_corpus

TEN = "one two three four five six seven eight nine ten"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "heldout.txt").write_text("Kept aside.\n", encoding="utf-8")
    with lzma.open(folder / "books.txt.xz", "wt", encoding="utf-8") as file:
        file.write(f"A first paragraph.\nHe said: ONE, two {TEN[8:]}!\n\nA second document.\n\n\nA third one.\n")
    return folder


def test_documents_are_separated_by_empty_lines(corpus: Path) -> None:
    read = read_corpus(corpus, None)
    assert [len(document.splitlines()) for document in read.train] == [2, 1, 1]
    assert read.heldout == ["Kept aside."]
    assert (read.paragraphs, read.dropped) == (5, {"books": 0, "heldout": 0})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dev.tsv", f"1\t{TEN} eleven\t0"),
        ("dev.csv", f'mr,ref\n"a, b","{TEN}"'),
        ("test.json", f'{{"entries": [{{"text": ["x", "{TEN}"]}}]}}'),
        ("dev.jsonl", f'{{"premise": "{TEN}"}}\n'),
        ("e2e_test.txt", f"name : x||{TEN}"),
    ],
)
def test_a_paragraph_that_shares_ten_words_with_an_evaluation_text_is_dropped(
    corpus: Path, tmp_path: Path, name: str, content: str
) -> None:
    evaluation = tmp_path / "data" / "task"
    evaluation.mkdir(parents=True)
    (evaluation / name).write_text(content, encoding="utf-8")
    (evaluation / "train.tsv").write_text("A first paragraph.", encoding="utf-8")
    read = read_corpus(corpus, tmp_path / "data")
    assert read.dropped == {"books": 1, "heldout": 0}
    assert read.train[0] == "A first paragraph."


def test_nine_shared_words_are_not_ten() -> None:
    nine = TEN.rsplit(" ", 1)[0]
    assert grams([nine]) == set()
    assert len(grams([TEN, TEN + " eleven"])) == 2


def test_a_field_does_not_run_on_into_the_next(tmp_path: Path) -> None:
    (tmp_path / "dev.tsv").write_text("one two three four five\tsix seven eight nine ten", encoding="utf-8")
    assert grams(evaluation_texts(tmp_path)) == set()


def test_a_folder_without_text_or_without_evaluation_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"needs heldout.txt"):
        read_corpus(tmp_path, None)
    with pytest.raises(DataError, match=r"no development or test file"):
        list(evaluation_texts(tmp_path))

"""What a killed decoding leaves behind is gone on from."""

from pathlib import Path

from lora_repro.decoding.journal import Batch, Journal


def batch(number: int) -> Batch:
    return Batch(number, [number], [f'text {number} "é"\u2028'], [3], [-0.5], [True], 0.1)


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run", "last", "a")
    assert journal.read() == {}
    journal.append(0, batch(0))
    journal.append(1, batch(1))
    journal.append(0, batch(2))
    assert journal.read() == {number: batch(number) for number in range(3)}
    assert Journal(tmp_path / "run", "best", "a").read() == {}


def test_a_line_that_was_cut_off_is_forgotten_and_written_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "last", "a")
    journal.append(0, batch(0))
    journal.append(0, batch(1))
    path = journal.path(0)
    path.write_bytes(path.read_bytes()[:-20])
    assert journal.read() == {0: batch(0)}
    journal.append(0, batch(3))
    assert journal.read() == {0: batch(0), 3: batch(3)}


def test_a_first_line_that_was_cut_off_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "last", "a")
    journal.path(0).write_text('{"belongs')
    assert journal.read() == {}
    journal.append(0, batch(1))
    assert journal.read() == {1: batch(1)}


def test_texts_of_other_weights_are_not_taken(tmp_path: Path) -> None:
    Journal(tmp_path, "last", "old").append(0, batch(0))
    journal = Journal(tmp_path, "last", "new")
    assert journal.read() == {}
    journal.append(0, batch(1))
    assert journal.read() == {1: batch(1)}
    assert Journal(tmp_path, "last", "old").read() == {}

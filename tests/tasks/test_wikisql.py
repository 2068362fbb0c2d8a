"""WikiSQL from the published layout: questions and tables to inputs and queries, damage named."""

import json
from pathlib import Path
from typing import Any

import pytest

from lora_repro.config import DataConfig
from lora_repro.errors import DataError
from lora_repro.tasks.data_to_text import Pair, task_named
from lora_repro.tasks.load_text import load_text_split
from lora_repro.tasks.wikisql import read

TABLE = {
    "id": "1-1",
    "header": ["Player", "No.", "Position"],
    "types": ["text", "real", "text"],
    "rows": [["Ann Poe", 3, "Guard"]],
    "page_title": "A team",
}
QUESTION = {
    "phase": 1,
    "table_id": "1-1",
    "question": "Who wears  number 3?",
    "sql": {"sel": 0, "conds": [[1, 0, 3], [2, 0, "Guard"]], "agg": 0},
}


def asked(**sql: Any) -> dict[str, Any]:
    return {**QUESTION, "sql": {**QUESTION["sql"], **sql}}  # type: ignore[dict-item]


def written(folder: Path, questions: list[Any], tables: list[Any] | None = None, stem: str = "dev") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in ((f"{stem}.jsonl", questions), (f"{stem}.tables.jsonl", [TABLE] if tables is None else tables)):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder / f"{stem}.jsonl"


def test_columns_and_question_to_a_query(tmp_path: Path) -> None:
    examples = read(written(tmp_path, [QUESTION, asked(agg=3, sel=2, conds=[[1, 1, 2.5]]), asked(conds=[])]))
    context = "table: Player | No. | Position\nquestion: Who wears number 3?"
    assert examples.pairs == [
        Pair(context, "SELECT Player FROM table WHERE No. = 3 AND Position = Guard"),
        Pair(context, "SELECT COUNT Position FROM table WHERE No. > 2.5"),
        Pair(context, "SELECT Player FROM table"),
    ]
    assert examples.inputs == [context]


@pytest.mark.parametrize("place", ["wikisql", "WikiSQL/data"])
def test_splits_are_found_as_the_archive_has_them(place: str, tmp_path: Path) -> None:
    for stem, count in (("train", 3), ("dev", 2), ("test", 1)):
        written(tmp_path / place, [QUESTION] * count, stem=stem)
    data = DataConfig(dir=str(tmp_path), sources=["local"])
    found = [load_text_split(task_named("wikisql"), split, data) for split in ("train", "validation", "test")]
    assert [len(examples) for examples in found] == [3, 2, 1]


def test_the_validation_set_is_what_is_scored_as_in_the_paper() -> None:
    task = task_named("wikisql")
    assert (task.scored, task.scored_as, task.pairs[:2]) == ("validation", "validation_decoded", (56_355, 8_421))
    assert task_named("e2e").scored_as == "test"  # as the committed records have it


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ([QUESTION, '{"phase": 1, '], r"dev\.jsonl, line 2: expected a JSON object, found"),
        ([["no"]], r"dev\.jsonl, line 1: expected a JSON object, found"),
        ([{"question": "x"}], r"dev\.jsonl, line 1: expected the key 'table_id', found 'question'"),
        ([{**QUESTION, "table_id": "9-9"}], r"line 1: expected a table of dev\.tables\.jsonl, found '9-9'"),
        ([{**QUESTION, "question": " "}], r"line 1: expected a question, found an empty one"),
        ([asked(sel="0")], r"line 1, 'sel': expected a whole number, found \"'0'\""),
        ([asked(sel=3)], r"line 1: expected a number below 3 for the column, found 3"),
        ([asked(agg=6)], r"line 1: expected a number below 6 for the aggregate, found 6"),
        ([QUESTION, asked(conds=[[1, 7, "x"]])], r"line 2: expected a number below 4 for the operator, found 7"),
        ([asked(conds=[[1, 0]])], r"line 1: expected a condition \[column, operator, value\], found '\[1, 0\]'"),
        ([asked(conds={})], r"line 1, 'conds': expected a list, found"),
    ],
)
def test_damage_is_named(questions: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(written(tmp_path, questions))


def test_tables_that_lack_or_are_damaged_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dev\.tables\.jsonl, line 1, 'header': expected a list, found 'None'"):
        read(written(tmp_path, [QUESTION], [{**TABLE, "header": None}]))
    (tmp_path / "dev.tables.jsonl").unlink()
    with pytest.raises(DataError, match=r"dev\.tables\.jsonl: expected a file, found none"):
        read(tmp_path / "dev.jsonl")

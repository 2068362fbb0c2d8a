"""WikiSQL (Zhong et al. 2017, arXiv:1709.00103): a question and a table's columns to a query.

The published files lie in pairs: ``dev.jsonl`` has a question a line, ``{"table_id", "question", "sql": {"sel", "agg",
"conds": [[column, operator, value], ...]}}``, where columns, the aggregate and operators are numbers, and
``dev.tables.jsonl`` the tables, ``{"id", "header": [...], ...}``. The input is the paper's "table schema, query" (App.
C), the text the query in the words of WikiSQL's own code, which the hub has as ``human_readable``::

    table: Player | No. | Position
    question: Who wears number 3?

    SELECT Player FROM table WHERE No. = 3

The paper reports the validation set, 8,421 questions: the official test split is read for nothing. How a query is
judged: `lora_repro.metrics.text.sql`.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lora_repro.errors import DataError
from lora_repro.tasks.data_to_text import DataToTextExamples, Pair, collect_pairs
from lora_repro.tasks.jsonfile import json_lines, member, typed
from lora_repro.tasks.textfile import shown

STEMS = {"train": ("train",), "validation": ("dev", "validation"), "test": ("test",)}
AGGREGATES = ("", "MAX", "MIN", "COUNT", "SUM", "AVG")
OPERATORS = ("=", ">", "<", "OP")


class Question(NamedTuple):
    """A question, the table's columns, and the query as numbers."""

    text: str
    header: list[str]
    column: int  # that is selected
    aggregate: int
    conditions: list[tuple[int, int, str]]  # column, operator, value


def find(split: str, folder: Path) -> Path | None:
    """The split's file of questions in a folder, or in its folder ``data`` as the archive has it."""
    places = (place / f"{stem}.jsonl" for place in (folder, folder / "data") for stem in STEMS[split])
    return next((path for path in places if path.is_file()), None)


def read(path: Path) -> DataToTextExamples:
    """Read a file of questions and, beside it, that of their tables.

    Raises:
        DataError: with file and line.
    """
    return examples_of(json_questions(path), "local", str(path))


def json_questions(path: Path) -> Iterator[Question]:
    """The questions of a file, each with its table's columns.

    Raises:
        DataError: as `read`.
    """
    tables = path.with_name(f"{path.stem}.tables.jsonl")
    headers: dict[str, list[str]] = {}
    for number, record in json_lines(tables):
        where = f"{tables}, line {number}"
        names = member(record, "header", list, where)
        headers[member(record, "id", str, where)] = [typed(name, str, f"{where}, 'header'") for name in names]
    for number, record in json_lines(path):
        where = f"{path}, line {number}"
        table = member(record, "table_id", str, where)
        if table not in headers:
            raise DataError(f"{where}: expected a table of {tables.name}, found {shown(table)}")
        sql = member(record, "sql", dict, where)
        conditions = [_condition(item, where) for item in member(sql, "conds", list, where)]
        numbers = [member(sql, key, int, where) for key in ("sel", "agg")]
        question = Question(member(record, "question", str, where), headers[table], numbers[0], numbers[1], conditions)
        yield checked(question, where)


def checked(question: Question, where: str) -> Question:
    """The question itself.

    Raises:
        DataError: it is empty, or a number of its query names nothing.
    """
    if not question.text.strip():
        raise DataError(f"{where}: expected a question, found an empty one")
    columns = len(question.header)
    numbers = [("column", question.column, columns), ("aggregate", question.aggregate, len(AGGREGATES))]
    for column, operator, _ in question.conditions:
        numbers += [("column", column, columns), ("operator", operator, len(OPERATORS))]
    for what, number, count in numbers:
        if not 0 <= number < count:
            raise DataError(f"{where}: expected a number below {count} for the {what}, found {number}")
    return question


def examples_of(questions: Iterable[Question], source: str, name: str) -> DataToTextExamples:
    """Examples of all questions.

    Args:
        name: of the source, for messages.

    Raises:
        DataError: there is no question.
    """
    pairs = [Pair(linearise(question), query(question)) for question in questions]
    return collect_pairs(pairs, source, lacking=f"{name}: expected questions, found none")


def linearise(question: Question) -> str:
    """The input: the table's columns, then the question."""
    return f"table: {' | '.join(map(_plain, question.header))}\nquestion: {_plain(question.text)}"


def query(question: Question) -> str:
    """The query as text: ``SELECT COUNT Player FROM table WHERE No. > 3 AND Position = Guard``."""
    selected = " ".join(filter(None, (AGGREGATES[question.aggregate], _plain(question.header[question.column]))))
    conditions = [
        f"{_plain(question.header[column])} {OPERATORS[operator]} {_plain(value)}"
        for column, operator, value in question.conditions
    ]
    return f"SELECT {selected} FROM table{' WHERE ' if conditions else ''}{' AND '.join(conditions)}"


def _condition(item: Any, where: str) -> tuple[int, int, str]:
    triple: Sequence[Any] = typed(item, list, where)
    kinds = (int, int, str | int | float)
    if len(triple) != 3 or not all(map(isinstance, triple, kinds)):
        raise DataError(f"{where}: expected a condition [column, operator, value], found {shown(repr(item))}")
    return triple[0], triple[1], str(triple[2])


def _plain(text: str) -> str:
    """With single blanks, on one line."""
    return " ".join(text.split())

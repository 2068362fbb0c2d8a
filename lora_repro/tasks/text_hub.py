"""E2E, WebNLG, DART, SAMSum and WikiSQL from the Hugging Face hub.

Most of them are Python scripts there, which ``datasets`` refuses from version 4 on. The hub converts data sets to
Parquet on a branch of its own; the names of both stand here and nowhere else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_repro.errors import DataError, hub_unreachable
from lora_repro.hub import hub_reachable
from lora_repro.tasks import dart, e2e, samsum, webnlg, wikisql
from lora_repro.tasks.data_to_text import DataToTextExamples, DataToTextTask, Pair, collect_pairs
from lora_repro.tasks.textfile import shown

PARQUET_BRANCH = "refs/convert/parquet"

Row = dict[str, Any]


@dataclass(frozen=True)
class HubSource:
    """A data set on the hub: its name, its configuration, and what it calls the splits."""

    repo: str
    config: str
    splits: dict[str, str]  # ours -> theirs

    def pattern(self, split: str) -> str:
        """The Parquet files of one of our splits on the branch."""
        return f"{self.config}/{self.splits[split]}/*.parquet"


_SPLITS = {"train": "train", "validation": "validation", "test": "test"}
HUB_SOURCES: dict[str, HubSource] = {
    "e2e": HubSource("tuetschek/e2e_nlg", "default", _SPLITS),
    "webnlg": HubSource(
        "webnlg-challenge/web_nlg", "webnlg_challenge_2017", {"train": "train", "validation": "dev", "test": "test"}
    ),
    "dart": HubSource("Yale-LILY/dart", "default", _SPLITS),
    "samsum": HubSource("knkarthick/samsum", "default", _SPLITS),
    "wikisql": HubSource("Salesforce/wikisql", "default", _SPLITS),
}


def what(task: DataToTextTask) -> str:
    """For messages: the thing that is wanted from the hub."""
    return f"task {task.name} ({HUB_SOURCES[task.name].repo})"


def read_hub(task: DataToTextTask, split: str) -> DataToTextExamples:
    """Read one split: from the hub's file cache, or else, where the hub can be reached, by a download into it.

    Raises:
        OfflineError: not in the cache, and the hub cannot be reached (known within three seconds).
        DataError: the hub does not have the data set, or not in the expected form.
    """
    files = _cached(task, split)
    if not files:
        _require_hub(task)
        files = _downloaded(task, split)
    return READERS[task.name](_rows(files), f"{what(task)}, {split}")


def require(task: DataToTextTask, split: str) -> None:
    """Whether `read_hub` has where to read from, without reading: the hub's file cache, or the hub's answer.

    Raises:
        OfflineError: not in the cache, and the hub cannot be reached.
    """
    if not _cached(task, split):
        _require_hub(task)


def _require_hub(task: DataToTextTask) -> None:
    if not hub_reachable():
        raise hub_unreachable(what(task))


def _cached(task: DataToTextTask, split: str) -> list[Path]:
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return _fetched(task, split, local_files_only=True)
    except LocalEntryNotFoundError:
        return []


def _downloaded(task: DataToTextTask, split: str) -> list[Path]:
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    source = HUB_SOURCES[task.name]
    try:
        files = _fetched(task, split, local_files_only=False)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise DataError(f"the hub does not have {what(task)} on {PARQUET_BRANCH}: {error}") from error
    except OSError as error:  # connection lost, refused by a proxy, time-out: all the client's errors derive from it
        raise hub_unreachable(what(task)) from error
    if not files:
        raise DataError(f"{what(task)}: expected {source.pattern(split)} on {PARQUET_BRANCH}, found no such file")
    return files


def _fetched(task: DataToTextTask, split: str, *, local_files_only: bool) -> list[Path]:
    from huggingface_hub import snapshot_download

    source = HUB_SOURCES[task.name]
    folder = snapshot_download(
        source.repo,
        repo_type="dataset",
        revision=PARQUET_BRANCH,
        allow_patterns=source.pattern(split),
        local_files_only=local_files_only,
    )
    return sorted(Path(folder).glob(source.pattern(split)))


def _rows(files: list[Path]) -> Iterator[Row]:
    import pyarrow.parquet

    for file in files:
        yield from pyarrow.parquet.read_table(file).to_pylist()


def e2e_rows(rows: Iterator[Row], name: str) -> DataToTextExamples:
    """E2E: columns ``meaning_representation`` and ``human_reference``, those of the official CSV files."""
    pairs = []
    for number, row in enumerate(rows, start=1):
        representation, text = _values(row, ("meaning_representation", "human_reference"), f"{name}, row {number}")
        try:
            pairs.append(Pair(e2e.linearise(representation), text))
        except ValueError as error:
            raise DataError(f"{name}, row {number}: expected a meaning representation, found {error}") from None
    return collect_pairs(pairs, "hub")


def webnlg_rows(rows: Iterator[Row], name: str) -> DataToTextExamples:
    """WebNLG: of the test split the rows of ``testdata_with_lex``; the other files repeat them or have no texts."""
    wanted = webnlg.TEST_XML.removesuffix(".xml")
    entries = []
    for number, row in enumerate(rows, start=1):
        if row.get("test_category") not in (None, "", wanted):
            continue
        where = f"{name}, row {number}"
        category, triple_sets, lex = _values(row, ("category", "modified_triple_sets", "lex"), where)
        triples = [webnlg.split_triple(text, where) for text in triple_sets["mtriple_set"][0]]
        entries.append(webnlg.Entry(category, triples, list(zip(lex["comment"], lex["text"], strict=True))))
    return webnlg.examples_of(entries, "hub", name)


def dart_rows(rows: Iterator[Row], name: str) -> DataToTextExamples:
    """DART: columns ``tripleset`` and ``annotations``."""
    entries = []
    for number, row in enumerate(rows, start=1):
        triples, annotations = _values(row, ("tripleset", "annotations"), f"{name}, row {number}")
        texts = [text or "" for text in annotations["text"]]
        entries.append(dart.Entry([dart.triple_of(triple, f"{name}, row {number}") for triple in triples], texts))
    return dart.examples_of(entries, "hub", name)


def samsum_rows(rows: Iterator[Row], name: str) -> DataToTextExamples:
    """SAMSum: columns ``dialogue`` (null for the empty one) and ``summary``."""
    chats = []
    for number, row in enumerate(rows, start=1):
        where = f"{name}, row {number}"
        (summary,) = _values(row, ("summary",), where)
        chats.append(samsum.checked(samsum.Chat(row.get("dialogue") or "", summary), where))
    return samsum.examples_of(chats, "hub", name)


def wikisql_rows(rows: Iterator[Row], name: str) -> DataToTextExamples:
    """WikiSQL: columns ``question``, ``table`` with its ``header``, and ``sql``, whose ``conds`` are three lists."""
    questions = []
    for number, row in enumerate(rows, start=1):
        where = f"{name}, row {number}"
        text, table, sql = _values(row, ("question", "table", "sql"), where)
        conds = sql["conds"]
        lists = (conds["column_index"], conds["operator_index"], conds["condition"])
        conditions = [(column, operator, str(value)) for column, operator, value in zip(*lists, strict=True)]
        question = wikisql.Question(text, table["header"], sql["sel"], sql["agg"], conditions)
        questions.append(wikisql.checked(question, where))
    return wikisql.examples_of(questions, "hub", name)


READERS: dict[str, Callable[[Iterator[Row], str], DataToTextExamples]] = {
    "e2e": e2e_rows,
    "webnlg": webnlg_rows,
    "dart": dart_rows,
    "samsum": samsum_rows,
    "wikisql": wikisql_rows,
}


def _values(row: Row, columns: tuple[str, ...], where: str) -> list[Any]:
    missing = [column for column in columns if row.get(column) is None]
    if missing:
        there = ", ".join(f"{key}={shown(repr(value))}" for key, value in row.items())
        raise DataError(f"{where}: expected columns {', '.join(columns)}, found no {', '.join(missing)} in {there}")
    return [row[column] for column in columns]

"""Sources of data-to-text tasks: folders, the hub's Parquet files, and none of them."""

import json

import pyarrow
import pyarrow.parquet
import pytest

from lora_repro.config import DataConfig
from lora_repro.errors import ConfigError, DataError, OfflineError
from lora_repro.tasks import text_hub
from lora_repro.tasks.data_to_text import Pair, collect_pairs, task_named
from lora_repro.tasks.load_text import load_text_split, require_text_splits

HUB_ROWS = {
    "e2e": [{"meaning_representation": "name[A], priceRange[£20-25]", "human_reference": "A costs."}],
    "webnlg": [
        {
            "category": "Food",
            "modified_triple_sets": {"mtriple_set": [["Pie | has | Apple", "Pie | is | Good"]]},
            "lex": {"comment": ["good", "toFix"], "text": ["Pie is good.", "bad"]},
            "test_category": category,
        }
        for category in ("testdata_with_lex", "testdata_unseen_with_lex")
    ],
    "dart": [
        {
            "tripleset": [["A", "REL", "B"]],
            "subtree_was_extended": False,
            "annotations": {"source": ["x", "y"], "text": ["A rel B.", None]},
        }
    ],
    "samsum": [{"id": "1", "dialogue": "A: hi\r\nB: hi", "summary": "They greet."}],
    "wikisql": [
        {
            "phase": 1,
            "question": "Who?",
            "table": {"header": ["Name", "No."], "types": ["text", "real"], "id": "1-1", "rows": [["A", "3"]]},
            "sql": {
                "human_readable": "SELECT Name FROM table WHERE No. = 3",
                "sel": 0,
                "agg": 0,
                "conds": {"column_index": [1], "operator_index": [0], "condition": ["3"]},
            },
        }
    ],
}
PAIRS = {
    "e2e": [Pair("name : A | price : £ 20 - 25", "A costs.")],
    "webnlg": [Pair("Pie : has : Apple | Pie : is : Good", "Pie is good.", "Food")],
    "dart": [Pair("A : rel : B", "A rel B."), Pair("A : rel : B", "")],
    "samsum": [Pair("A: hi\nB: hi\n\n", "They greet.")],
    "wikisql": [Pair("table: Name | No.\nquestion: Who?", "SELECT Name FROM table WHERE No. = 3")],
}


@pytest.fixture
def lines(tmp_path):
    folder = tmp_path / "e2e"
    folder.mkdir()
    text = "".join(f"name : {letter}||{letter} {i} .\n" for letter in "ABCDEFGH" for i in range(3))
    (folder / "train.txt").write_text(text, encoding="utf-8")
    return DataConfig(dir=str(tmp_path), sources=["local"])


@pytest.fixture
def fetch(monkeypatch, tmp_path):
    """Stands for the hub: writes the rows as Parquet where `snapshot_download` would, and notes what was asked for."""
    asked = []

    def snapshot_download(repo, *, repo_type, revision, allow_patterns, local_files_only):
        from huggingface_hub.errors import LocalEntryNotFoundError

        asked.append((repo, repo_type, revision, allow_patterns, local_files_only))
        if local_files_only:
            raise LocalEntryNotFoundError("not cached")
        name = next(name for name, source in text_hub.HUB_SOURCES.items() if source.repo == repo)
        file = tmp_path / allow_patterns.replace("*", "0000")
        file.parent.mkdir(parents=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(HUB_ROWS[name]), file)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr(text_hub, "hub_reachable", lambda: True)
    return asked


@pytest.mark.parametrize("name", list(HUB_ROWS))
def test_the_parquet_branch_of_the_hub_gives_the_official_form(fetch, name):
    examples = load_text_split(task_named(name), "validation", DataConfig(sources=["hub"]))
    assert examples.pairs == PAIRS[name] and examples.source == "hub"
    source = text_hub.HUB_SOURCES[name]
    assert [call[-1] for call in fetch] == [True, False]
    assert fetch[0][:4] == (source.repo, "dataset", "refs/convert/parquet", source.pattern("validation"))
    assert source.pattern("validation").count("/") == 2


def test_other_columns_on_the_hub_are_an_error(fetch, monkeypatch):
    monkeypatch.setitem(HUB_ROWS, "e2e", [{"mr": "name[A]", "ref": "A."}])
    with pytest.raises(DataError, match="row 1: expected columns meaning_representation, human_reference, found no"):
        load_text_split(task_named("e2e"), "test", DataConfig(sources=["hub"]))


def test_without_hub_and_folder_the_ways_on_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(text_hub, "hub_reachable", lambda: False)
    monkeypatch.setattr(text_hub, "_cached", lambda *_: [])
    with pytest.raises(OfflineError, match=r"task e2e \(tuetschek/e2e_nlg\).*no folder e2e.*set data.dir"):
        load_text_split(task_named("e2e"), "test", DataConfig(dir=str(tmp_path)))
    with pytest.raises(OfflineError, match=r"data\.dir is not set"):
        load_text_split(task_named("dart"), "test", DataConfig())


@pytest.mark.parametrize(
    ("name", "repo", "files"),
    [
        ("samsum", "knkarthick/samsum", ("train.json", "val.json", "test.json")),
        ("wikisql", "Salesforce/wikisql", ("train.jsonl", "dev.jsonl", "test.jsonl")),
    ],
)
def test_whether_a_task_can_be_had_is_answered_without_reading(name, repo, files, tmp_path, monkeypatch):
    monkeypatch.setattr(text_hub, "hub_reachable", lambda: False)
    monkeypatch.setattr(text_hub, "_cached", lambda *_: [])
    (tmp_path / "glue").mkdir()
    data = DataConfig(dir=str(tmp_path))
    with pytest.raises(OfflineError, match=rf"task {name} \({repo}\).*no folder {name}"):
        require_text_splits(task_named(name), data)
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=f"expected the train split of {name}, found nothing"):
        require_text_splits(task_named(name), data)
    for file in files:
        (tmp_path / name / file).touch()
    require_text_splits(task_named(name), data)
    with pytest.raises(DataError, match=f"there is no embedded task {name}"):
        require_text_splits(task_named(name), DataConfig(sources=["embedded"]))


def test_a_folder_is_read_before_the_hub(lines, monkeypatch):
    monkeypatch.setattr(text_hub, "hub_reachable", lambda: pytest.fail("asked the hub"))
    examples = load_text_split(task_named("e2e"), "train", DataConfig(dir=lines.dir))
    assert len(examples) == 24 and examples.source == "local"


def test_the_task_folder_itself_may_be_named(lines, tmp_path):
    data = DataConfig(dir=str(tmp_path / "e2e"), sources=["local"])
    assert len(load_text_split(task_named("e2e"), "train", data)) == 24


def test_limits_nest_and_keep_inputs_whole(lines):
    task = task_named("e2e")
    few, more = (load_text_split(task, "train", lines, pairs=count).pairs for count in (5, 11))
    assert len(few) == 5 and more[:5] == few
    inputs = load_text_split(task, "train", lines, inputs=3)
    assert len(inputs.inputs) == 3 and all(len(texts) == 3 for texts in inputs.references)
    assert set(inputs.inputs) < set(load_text_split(task, "train", lines, inputs=6).inputs)
    assert (
        load_text_split(task, "train", lines, pairs=99, inputs=99).fingerprint
        == load_text_split(task, "train", lines).fingerprint
    )
    with pytest.raises(ConfigError, match="use a number from 1 up"):
        load_text_split(task, "train", lines, pairs=0)


def test_a_smaller_split_is_logged(lines, caplog):
    load_text_split(task_named("e2e"), "train", lines)
    assert "e2e train has 24 texts here; the official split has 42061" in caplog.text


def test_what_is_missing_is_named(lines, tmp_path):
    task = task_named("e2e")
    with pytest.raises(DataError, match=r"expected the test split of e2e, found train\.txt"):
        load_text_split(task, "test", lines)
    with pytest.raises(DataError, match="expected a folder with e2e/, found nothing there"):
        load_text_split(task, "test", DataConfig(dir=str(tmp_path / "no"), sources=["local"]))
    with pytest.raises(ConfigError, match="no split 'dev'; it has train, validation, test"):
        load_text_split(task, "dev", lines)
    with pytest.raises(ConfigError, match="no data-to-text task 'e2d'; there are e2e, webnlg, dart"):
        task_named("e2d")
    with pytest.raises(ConfigError, match="valid are local, hub"):
        load_text_split(task, "test", DataConfig(sources=["web"]))


def test_references_end_where_the_official_code_ends_them():
    examples = collect_pairs([Pair("a", " one\n\ntwo "), Pair("a", "x<|endoftext|>y"), Pair("a", "")], "local")
    assert examples.references == [["one", "x"]]
    with pytest.raises(DataError, match="input 'b': expected at least one text"):
        collect_pairs([Pair("b", " ")], "local")


def test_the_fingerprint_follows_the_pairs():
    one = collect_pairs([Pair("a", "b c")], "local")
    assert one.fingerprint == collect_pairs([Pair("a", "b c")], "hub").fingerprint
    assert one.fingerprint != collect_pairs([Pair("a b", "c")], "local").fingerprint
    assert json.dumps(one.pairs)  # plain values: they go into files as they are

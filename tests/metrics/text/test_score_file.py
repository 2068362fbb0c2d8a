"""The verb ``score``: files in, a table or JSON out, errors with file and line."""

import gzip
import json
import lzma

import pytest

from lora_repro.errors import DataError
from lora_repro.metrics.text.files import read_groups, read_outputs
from lora_repro.metrics.text.score import score_texts
from lora_repro.metrics.text.score_file import main

OUTPUTS = ["The mill is a pub near the river.", "Aromi serves Chinese food in the city."]
REFERENCES = [["The Mill is a pub by the river.", "Near the river is The Mill."], ["Aromi serves Chinese food."]]


@pytest.fixture
def outputs(tmp_path):
    return write(tmp_path / "outputs.txt", "\n".join(OUTPUTS) + "\n")


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def scored(capsys, *arguments):
    assert main([str(argument) for argument in arguments] + ["--json"]) == 0
    return json.loads(capsys.readouterr().out)["scores"]


def test_groups_csv_and_lines_give_the_same_scores(tmp_path, outputs, capsys):
    groups = write(tmp_path / "groups.txt", "\n\n".join("\n".join(texts) for texts in REFERENCES) + "\n\n")
    rows = [
        ("name[The Mill]", REFERENCES[0][0]),
        ("name[Aromi]", REFERENCES[1][0]),
        ("name[The Mill]", REFERENCES[0][1]),
    ]
    table = write(tmp_path / "refs.csv", "mr,ref\n" + "".join(f'"{mr}","{ref}"\n' for mr, ref in rows))
    lines = [("name : The Mill", text) for text in REFERENCES[0]] + [("name : Aromi", REFERENCES[1][0])]
    text = write(tmp_path / "lines.txt", "".join(f"{context}||{text} \n" for context, text in lines))
    expected = {"all": score_texts(OUTPUTS, REFERENCES, ["BLEU", "NIST"])}
    for references in (groups, table, text):
        assert scored(capsys, outputs, "--references", references, "--metrics", "BLEU,NIST") == expected


def test_a_reference_file_without_empty_lines_has_one_reference_each(tmp_path):
    assert read_groups(write(tmp_path / "one.txt", "a\nb\n")) == [["a"], ["b"]]
    assert read_groups(write(tmp_path / "two.txt", "a\n \nb\nc\n\n\n")) == [["a"], ["b", "c"]]


def test_perl_nist_is_an_option(tmp_path, capsys):
    outputs = write(tmp_path / "o.txt", "a b c d\nf g h\n")
    references = write(tmp_path / "r.txt", "a b c d\na b c d e f g\n\nf g h i\n")
    arguments = (outputs, "--references", references, "--metrics", "NIST", "--nist")
    found = {variant: scored(capsys, *arguments, variant)["all"]["NIST"] for variant in ("python", "perl")}
    assert found["python"] != found["perl"]


def test_webnlg_is_scored_by_category_and_the_table_names_what_is_missing(tmp_path, outputs, capsys, monkeypatch):
    entries = [
        {
            str(i): {
                "category": category,
                "modifiedtripleset": [{"subject": f"s{i}", "property": "p", "object": "o"}],
                "lexicalisations": [{"comment": "good", "lex": text} for text in texts],
            }
        }
        for i, (category, texts) in enumerate(zip(("Food", "Artist"), REFERENCES, strict=True), start=1)
    ]
    references = write(tmp_path / "test.json", json.dumps({"entries": entries}))
    monkeypatch.setattr("lora_repro.metrics.text.java.shutil.which", lambda name: None)
    assert main([str(outputs), "--references", str(references), "--task", "webnlg"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["group", "inputs", "BLEU", "METEOR", "TER"]
    assert [line.split()[:2] for line in lines[1:4]] == [["seen", "1"], ["unseen", "1"], ["all", "2"]]
    assert lines[4] == "METEOR: java not found"
    bleu = score_texts(OUTPUTS[1:], REFERENCES[1:], ["BLEU"], protocol="triples")["BLEU"]
    assert lines[2].split()[2] == f"{bleu:.4f}"


def test_dart_takes_its_folder_of_reference_files(tmp_path, outputs, capsys):
    folder = tmp_path / "refs"
    folder.mkdir()
    for i, column in enumerate(
        [("the mill is a pub by the river .", "aromi serves chinese food ."), ("near it .", "")]
    ):
        (folder / f"reference{i}.lex").write_bytes("".join(f"{line}\r\n" for line in column).encode())
    found = scored(capsys, outputs, "--references", folder, "--task", "dart", "--metrics", "BLEU,TER")
    expected = [["the mill is a pub by the river .", "near it ."], ["aromi serves chinese food ."]]
    assert found == {"all": score_texts(OUTPUTS, expected, ["BLEU", "TER"], protocol="triples")}


@pytest.mark.parametrize(("ending", "opener"), [(".gz", gzip.open), (".xz", lzma.open)])
def test_compressed_outputs_are_read(tmp_path, ending, opener):
    path = tmp_path / f"outputs.txt{ending}"
    with opener(path, "wt", encoding="utf-8") as file:
        file.write("one café\ntwo\n")
    assert read_outputs(path) == ["one café", "two"]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"outputs\.txt.*expected compressed UTF-8 text"):
        read_outputs(path)


def test_empty_outputs_need_leave(tmp_path, capsys):
    outputs = write(tmp_path / "o.txt", "The mill.\n\nAromi.\n\n")
    with pytest.raises(DataError, match=r"o\.txt, line 2: expected an output, found an empty line"):
        read_outputs(outputs)
    assert read_outputs(outputs, allow_empty=True) == ["The mill.", "", "Aromi.", ""]
    references = write(tmp_path / "r.txt", "The mill.\nIt.\nAromi.\nHere.\n")
    assert scored(capsys, outputs, "--references", references, "--metrics", "BLEU", "--allow-empty")["all"]["BLEU"] >= 0


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ("a\n\n\nb\n", r"r\.txt, line 3: expected a reference, found an empty line: input 2 would have no references"),
        ("a\nb\n\nc\n\nd\n", r"o\.txt against .*r\.txt: 2 outputs, but references for 3 inputs.*; line 2 of o\.txt"),
        ("a\n\n", r"2 outputs, but references for 1 inputs.*; line 2 of o\.txt is the first without references"),
    ],
)
def test_groups_that_do_not_match_are_refused(tmp_path, references, message):
    outputs = write(tmp_path / "o.txt", "one\ntwo\n")
    with pytest.raises(DataError, match=message):
        main([str(outputs), "--references", str(write(tmp_path / "r.txt", references)), "--metrics", "BLEU"])


def test_json_references_need_their_task(tmp_path, outputs):
    with pytest.raises(DataError, match="for the other tasks set --task"):
        main([str(outputs), "--references", str(write(tmp_path / "test.json", "[]"))])


def test_a_missing_file_and_a_wrong_encoding_are_named(tmp_path, outputs):
    with pytest.raises(DataError, match=r"nowhere\.txt: expected a file, found none"):
        main([str(outputs), "--references", str(tmp_path / "nowhere.txt")])
    latin = tmp_path / "latin.txt"
    latin.write_bytes("fine\nCafé\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.txt, line 2: expected UTF-8 text"):
        main([str(latin), "--references", str(outputs)])


def test_queries_are_scored_against_wikisqls_own_files(tmp_path, capsys):
    table = {"id": "1", "header": ["Name", "No."]}
    asked = [{"table_id": "1", "question": f"q{n}", "sql": {"sel": 0, "agg": 0, "conds": [[1, 0, n]]}} for n in (1, 2)]
    references = write(tmp_path / "dev.jsonl", "".join(f"{json.dumps(one)}\n" for one in asked))
    write(tmp_path / "dev.tables.jsonl", f"{json.dumps(table)}\n")
    outputs = write(tmp_path / "outputs.txt", "SELECT Name FROM table WHERE No. = 1\nSELECT Name FROM table\n")
    assert main([str(outputs), "--references", str(references), "--task", "wikisql"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["group", "inputs", "LF"], ["all", "2", "0.5000"]]

"""GPT-3's three tasks on a tiny GPT-2 from files in the published layouts: SAMSum, WikiSQL and MNLI."""

import json
import random
from pathlib import Path

import pytest

from lora_repro import decode, records, rescore
from lora_repro.compose import compose_run
from lora_repro.metrics.text.sql import logical_form_accuracy
from lora_repro.run import run, run_folder
from lora_repro.tasks import wikisql
from tests.end_to_end.text_backbones import text_overrides, write_decoder

NAMES, THINGS = ("Ida", "Jo", "Max", "Eve"), ("tent", "cake", "car", "map")
FRAME = ("premise:", "hypothesis:", "answer:", "table:", "question:", "SELECT", "FROM", "WHERE", "=", "|")
WORDS = (*FRAME, *NAMES, *THINGS, *(f"{name}:" for name in NAMES), "has", "a", "the", "Owner", "Thing", "who", "table")


pytestmark = pytest.mark.usefixtures("no_java")


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_decoder("gpt2", tmp_path_factory.mktemp("decoder") / "gpt2", words=WORDS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``samsum/``, ``wikisql/`` and ``glue/MNLI/``, small and easy."""
    top, stream = tmp_path_factory.mktemp("data"), random.Random(0)

    def drawn() -> tuple[str, str]:
        return stream.choice(NAMES), stream.choice(THINGS)

    (top / "samsum").mkdir()
    (top / "wikisql").mkdir()
    (top / "glue" / "MNLI").mkdir(parents=True)
    for name, count in (("train", 64), ("val", 8), ("test", 8)):
        chats = [
            {"id": str(i), "summary": f"{who} has a {what}", "dialogue": f"{who}: a {what}\r\n{who}: the {what}"}
            for i, (who, what) in enumerate(drawn() for _ in range(count))
        ]
        (top / "samsum" / f"{name}.json").write_text(json.dumps(chats))
    table = {"id": "1-1", "header": ["Owner", "Thing"], "types": ["text", "text"], "rows": []}
    for name, count in (("train", 64), ("dev", 12), ("test", 4)):
        questions = [
            {"phase": 1, "table_id": "1-1", "question": f"who has the {what}",
             "sql": {"sel": 0, "conds": [[1, 0, what]], "agg": 0}}
            for _, what in (drawn() for _ in range(count))
        ]  # fmt: skip
        (top / "wikisql" / f"{name}.jsonl").write_text("".join(f"{json.dumps(q)}\n" for q in questions))
        (top / "wikisql" / f"{name}.tables.jsonl").write_text(f"{json.dumps(table)}\n")
    for name, count in (("train", 96), ("dev_matched", 12), ("dev_mismatched", 12)):
        lines = ["index\tsentence1\tsentence2\tgold_label"]
        for i in range(count):
            (who, what), label = drawn(), ("entailment", "neutral", "contradiction")[i % 3]
            other = {"entailment": f"{who} has a {what}", "neutral": f"the {what}", "contradiction": "who"}[label]
            lines.append(f"{i}\t{who} has a {what}\t{other}\t{label}")
        (top / "glue" / "MNLI" / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    return top


SHORT = ("recipe.epochs=3", "recipe.batch_size=8", "recipe.max_new_tokens=10", "recipe.beams=1")


def test_samsum(decoder: Path, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("rouge_score")
    record = run(compose_run(text_overrides(decoder, data, tmp_path, "task=samsum", *SHORT)))
    assert record.epochs[-1].eval_loss < record.epochs[0].eval_loss
    assert set(record.last.metrics) == {"R1", "R2", "RL"}
    assert record.headline_metric == "R1" and record.last.headline == record.last.metrics["R1"] > 0.3
    assert list(record.splits) == ["train", "validation", "test"]


def test_wikisql_decodes_the_validation_set_and_can_be_scored_again(
    decoder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("task=wikisql", "method=ft", *SHORT, "recipe.epochs=8", "recipe.no_repeat_ngram=0")
    config = compose_run(text_overrides(decoder, data, tmp_path, *more))
    record = run(config)
    assert list(record.splits) == ["train", "validation", "validation_decoded"]
    (decoding,) = record.decodings
    examples = wikisql.read(data / "wikisql" / "dev.jsonl")
    assert decoding.inputs == len(examples.inputs) < len(examples) == 12
    texts = (run_folder(config) / "last.outputs.txt").read_text().splitlines()
    assert record.last.metrics == {"LF": logical_form_accuracy(texts, examples.references)}
    assert record.last.headline is not None and record.last.headline > 0.5

    path = records.record_path(config)
    assert rescore.main([str(path), "--data", str(data)]) == 0
    assert records.load(path).last == record.last
    adapter, out = run_folder(config) / "last.safetensors", tmp_path / "again.txt"
    place = ["--model-path", str(decoder), "--data", str(data), "--out", str(out)]
    search = ["--beams", "1", "--length-penalty", "1", "--no-repeat-ngram", "0", "--max-new-tokens", "10"]
    assert decode.main([str(adapter), *place, *search, "--max-length", "40"]) == 0  # the validation set by itself
    assert out.read_text().splitlines() == texts
    assert f"{record.last.headline:.4f}" in capsys.readouterr().out


def test_mnli(decoder: Path, data: Path, tmp_path: Path) -> None:
    arguments = text_overrides(decoder, data, tmp_path, "task=mnli", f"data.cache={tmp_path}/cache", "recipe.epochs=4")
    writing = ("recipe.max_new_tokens", "recipe.beams")
    record = run(compose_run([item for item in arguments if not item.startswith(writing)]))
    assert record.parameters.head == 3 * 32
    assert set(record.last.metrics) == {
        "accuracy", "validation_matched/accuracy", "validation_mismatched/accuracy"
    }  # fmt: skip
    assert record.last.headline is not None and record.last.headline > 0.6

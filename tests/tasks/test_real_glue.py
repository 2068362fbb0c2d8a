"""The real GLUE files: counts, labels and texts as the official release and the hub have them."""

import csv
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from lora_repro.config import DataConfig
from lora_repro.tasks.glue import GLUE
from lora_repro.tasks.load import load_split
from lora_repro.tasks.official import STEMS

# (task, split) -> examples per label id, as published; STS-B: mean score
DISTRIBUTIONS = {
    ("cola", "train"): {0: 2528, 1: 6023},
    ("cola", "validation"): {0: 322, 1: 721},
    ("sst2", "train"): {0: 29780, 1: 37569},
    ("sst2", "validation"): {0: 428, 1: 444},
    ("mrpc", "train"): {0: 1194, 1: 2474},
    ("mrpc", "validation"): {0: 129, 1: 279},
    ("qnli", "validation"): {0: 2702, 1: 2761},  # entailment, not_entailment
    ("rte", "train"): {0: 1249, 1: 1241},
    ("rte", "validation"): {0: 146, 1: 131},
    ("wnli", "train"): {0: 323, 1: 312},
    ("wnli", "validation"): {0: 40, 1: 31},
    ("mnli", "validation_matched"): {0: 3479, 1: 3123, 2: 3213},  # entailment, neutral, contradiction
}
SCORES = {"train": 2.7010, "validation": 2.3639}

# first example of each: text, second text, label, as the hub's viewer shows them
FIRST = {
    ("cola", "train"): ("Our friends won't buy this analysis, let alone the next one we propose.", None, 1),
    ("sst2", "train"): ("hide new secretions from the parental units ", None, 0),
    ("mrpc", "train"): (
        'Amrozi accused his brother , whom he called " the witness " , of deliberately distorting his evidence .',
        'Referring to him as only " the witness " , Amrozi accused his brother of deliberately distorting '
        "his evidence .",
        1,
    ),
    ("stsb", "train"): ("A plane is taking off.", "An air plane is taking off.", 5.0),
    ("rte", "train"): (
        "No Weapons of Mass Destruction Found in Iraq Yet.",
        "Weapons of Mass Destruction Found in Iraq.",
        1,
    ),
    ("qnli", "validation"): (
        "What came into force after the new constitution was herald?",
        "As of that day, the new constitution heralding the Second Republic came into force.",
        0,
    ),
    ("wnli", "train"): (
        "I stuck a pin through a carrot. When I pulled the pin out, it had a hole.",
        "The carrot had a hole.",
        1,
    ),
    ("mnli", "validation_matched"): (
        "The new rights are nice enough",
        "Everyone really likes the newest benefits ",
        1,
    ),
}


def read(shared: Path, task: str, split: str, limit: int | None = None):
    return load_split(GLUE[task], split, DataConfig(dir=str(shared / "data"), sources=["local"]), limit)


@pytest.mark.parametrize(("task", "split"), DISTRIBUTIONS)
def test_label_distributions_and_official_sizes(task: str, split: str, shared: Path) -> None:
    examples = read(shared, task, split)
    assert Counter(examples.labels) == DISTRIBUTIONS[task, split]
    assert len(examples) == GLUE[task].rows[GLUE[task].splits.index(split)]
    assert (examples.text_b is None) == (len(GLUE[task].columns) == 1)


@pytest.mark.parametrize("split", SCORES)
def test_similarity_scores(split: str, shared: Path) -> None:
    examples = read(shared, "stsb", split)
    assert len(examples) == GLUE["stsb"].rows[GLUE["stsb"].splits.index(split)]
    assert min(examples.labels) == 0.0 and max(examples.labels) == 5.0
    assert sum(examples.labels) / len(examples) == pytest.approx(SCORES[split], abs=5e-5)


@pytest.mark.parametrize(("task", "split"), FIRST)
def test_first_examples(task: str, split: str, shared: Path) -> None:
    examples = read(shared, task, split)
    second = examples.text_b[0] if examples.text_b else None
    assert (examples.text_a[0], second, examples.labels[0]) == FIRST[task, split]


def test_row_counts_of_the_provenance_list(shared: Path) -> None:
    """Every labelled file in the official form has as many examples as its provenance says."""
    with (shared / "data" / "PROVENANCE.tsv").open(encoding="utf-8", newline="") as file:
        rows = {row["file"]: row["rows"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    checked = 0
    for task in GLUE.values():
        for split in task.splits:
            for suffix in ("tsv", "jsonl"):
                name = f"glue/{task.folder}/{STEMS[split]}.{suffix}"
                if name in rows:
                    assert len(read(shared, task.name, split)) == int(rows[name]), name
                    checked += 1
    assert checked >= 14


def test_a_byte_order_mark_changes_nothing(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "MRPC").mkdir()
    content = (shared / "data/glue/MRPC/dev.tsv").read_bytes()
    assert not content.startswith(b"\xef\xbb\xbf")
    (tmp_path / "MRPC/dev.tsv").write_bytes(b"\xef\xbb\xbf" + content)
    copy = load_split(GLUE["mrpc"], "validation", DataConfig(dir=str(tmp_path), sources=["local"]))
    assert copy.fingerprint == read(shared, "mrpc", "validation").fingerprint


def test_the_same_split_from_every_source_is_the_same(shared: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    original = read(shared, "rte", "validation")
    data = {"sentence1": original.text_a, "sentence2": original.text_b, "label": original.labels}
    features = {name: datasets.Value("string") for name in ("sentence1", "sentence2")}
    features["label"] = datasets.ClassLabel(names=["entailment", "not_entailment"])
    saved = datasets.Dataset.from_dict(data, features=datasets.Features(features))
    saved.save_to_disk(tmp_path / "a/rte/validation")
    (tmp_path / "b/rte").mkdir(parents=True)
    saved.to_parquet(tmp_path / "b/rte/validation.parquet")
    for folder in ("a", "b"):
        copy = load_split(GLUE["rte"], "validation", DataConfig(dir=str(tmp_path / folder), sources=["local"]))
        assert copy.source == "saved" and copy.fingerprint == original.fingerprint


def test_quotes_in_the_real_files_swallow_no_rows(shared: Path) -> None:
    """A reader that treats quotes as CSV does would merge rows of this file."""
    examples = read(shared, "mrpc", "train")
    assert sum(text.startswith('"') for text in examples.text_a + examples.text_b) > 100
    assert all("\t" not in text and "\n" not in text for text in examples.text_a + examples.text_b)


def test_sst2_reads_in_well_under_a_second(shared: Path) -> None:
    start = time.monotonic()
    assert len(read(shared, "sst2", "train")) == 67349
    assert time.monotonic() - start < 3


ENCODE = """
import sys
from pathlib import Path
from transformers import AutoTokenizer
from lora_repro.config import DataConfig
from lora_repro.tasks.encode import encode
from lora_repro.tasks.glue import GLUE
from lora_repro.tasks.load import load_split
shared, cache = map(Path, sys.argv[1:])
tokenizer = AutoTokenizer.from_pretrained(shared / "models/minilm-l6", local_files_only=True)
data = DataConfig(dir=str(shared / "data"))
encoded = encode(load_split(GLUE["mrpc"], "validation", data), tokenizer, 128, cache)
print(encoded.fingerprint, len(encoded), len(encoded.input_ids), encoded.input_ids[:3].tolist())
"""


def test_two_processes_share_the_cache(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another process and this one: each start of one costs the imports."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    arguments = [str(shared), str(tmp_path)]
    other = subprocess.run(
        [sys.executable, "-c", ENCODE, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    made = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    program = compile(ENCODE.replace("sys.argv[1:]", repr(arguments)), "ENCODE", "exec")
    exec(program, {})
    assert capsys.readouterr().out == other.stdout and " 408 " in other.stdout
    assert (
        len(made) == 1 and {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == made
    )  # read, not written

"""JSON-lines exports."""

from dataclasses import replace

import pytest

from lora_repro.errors import DataError
from lora_repro.tasks import jsonlines
from lora_repro.tasks.glue import GLUE

MNLI = GLUE["mnli"]


def test_names_ids_and_the_official_columns(write) -> None:
    path = write(
        "MNLI/dev_matched.jsonl",
        '{"premise": "A.", "hypothesis": "B.", "label": "contradiction"}',
        '{"premise": "C\\n.", "hypothesis": "D.", "label": 1}',
        '{"sentence1": "E.", "sentence2": "F.", "gold_label": "entailment", "genre": "fiction"}',
    )
    assert jsonlines.find(MNLI, "validation_matched", path.parent) == path
    examples = jsonlines.read(MNLI, "validation_matched", path)
    assert (examples.text_a, examples.text_b) == (["A.", "C\n.", "E."], ["B.", "D.", "F."])
    assert examples.labels == [2, 1, 0]


def test_scores(write) -> None:
    path = write("STS-B/train.jsonl", '{"sentence1": "A", "sentence2": "B", "label": 4}')
    assert jsonlines.read(GLUE["stsb"], "train", path).labels == [4.0]


DAMAGED = {
    "cut off": ('{"premise": "A.", "hyp', ", line 2: expected a JSON object, found '{\"premise\": \"A.\", \"hyp'"),
    "no object": ("[1, 2]", ", line 2: expected a JSON object, found '[1, 2]'"),
    "missing key": ('{"premise": "A.", "label": 0}', ", line 2: expected the keys premise, hypothesis, label, found "
                    "premise, label: no hypothesis"),
    "no gold label": ('{"premise": "A.", "hypothesis": "B.", "label": "-"}', ", line 2: expected one of entailment, "
                      "neutral, contradiction or an id from 0 to 2 in that order under 'label', found"),
    "unlabelled": ('{"premise": "A.", "hypothesis": "B.", "label": -1}', ", line 2: expected one of entailment"),
    "truth for an id": ('{"premise": "A.", "hypothesis": "B.", "label": true}', ", line 2: expected one of entailment"),
    "no text": ('{"premise": null, "hypothesis": "B.", "label": 0}', ", line 2: expected text under 'premise'"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_lines(what: str, write) -> None:
    line, message = DAMAGED[what]
    path = write("MNLI/train.jsonl", '{"premise": "A.", "hypothesis": "B.", "label": 0}', line)
    with pytest.raises(DataError) as caught:
        jsonlines.read(MNLI, "train", path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_a_task_of_ones_own(write) -> None:
    """A line in the table of tasks is enough: no official file, so no other names for its columns."""
    spam = replace(GLUE["sst2"], name="spam", folder="SPAM", columns=("text",), labels=("ham", "spam"))
    path = write("SPAM/train.jsonl", '{"text": "win money", "label": "spam"}', '{"text": "see you", "label": 0}')
    read = jsonlines.read(spam, "train", path)
    assert (read.text_a, list(read.labels)) == (["win money", "see you"], [1, 0])
    with pytest.raises(DataError, match="expected the keys text, label"):
        jsonlines.read(spam, "train", write("SPAM/train.jsonl", '{"sentence": "win money", "label": 0}'))

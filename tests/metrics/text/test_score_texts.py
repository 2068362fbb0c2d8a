"""One call for all scores: what it refuses, what it leaves out, which protocol does what."""

import pytest

from lora_repro.errors import ConfigError, DataError
from lora_repro.metrics.text import java
from lora_repro.metrics.text.score import METRICS, score_groups, score_texts

OUTPUTS = ["The mill is a pub near the river.", "Aromi serves Chinese food in the city."]
REFERENCES = [["The Mill is a pub by the river.", "Near the river is The Mill."], ["Aromi serves Chinese food."]]


def test_all_scores_of_e2e_with_one_java_process(java_text):
    scores = score_texts(OUTPUTS, REFERENCES, java_text=java_text)
    assert tuple(scores) == METRICS["e2e"]
    assert all(isinstance(score, float) and score > 0 for score in scores.values())


def test_without_java_its_columns_say_so_and_the_rest_stands(monkeypatch):
    monkeypatch.setattr(java.shutil, "which", lambda name: None)
    scores = score_texts(OUTPUTS, REFERENCES)
    assert {scores[name] for name in ("METEOR", "ROUGE_L", "CIDEr")} == {"java not found"}
    assert scores["BLEU"] > 0.1 and scores["NIST"] > 0.5


def test_triples_are_scored_lower_case_and_separated():
    upper = [output.upper() for output in OUTPUTS]
    for metrics in (["BLEU", "TER"], ["TER_tercom"]):
        assert score_texts(upper, REFERENCES, metrics, protocol="triples") == score_texts(
            OUTPUTS, REFERENCES, metrics, protocol="triples"
        )
    hyphenated = score_texts(["a five-o show here"], [["a five - o show here"]], ["BLEU", "TER"], protocol="triples")
    assert hyphenated == pytest.approx({"BLEU": 1.0, "TER": 0.0})
    assert score_texts(["a five-o show here"], [["a five - o show here"]], ["BLEU"])["BLEU"] < 0.5


def test_the_seventh_reference_of_triples_does_not_count():
    seven = [["no words alike whatsoever"] * 6 + [OUTPUTS[0]]]
    assert score_texts(OUTPUTS[:1], seven, ["BLEU", "TER"], protocol="triples")["BLEU"] == 0
    assert score_texts(OUTPUTS[:1], seven, ["BLEU"])["BLEU"] == pytest.approx(1)


def test_groups_are_scored_apart_and_empty_ones_left_out():
    groups = {"seen": [0], "unseen": [1], "all": [0, 1], "none": []}
    scores = score_groups(OUTPUTS, REFERENCES, groups, ["BLEU"])
    assert list(scores) == ["seen", "unseen", "all"]
    for name, position in (("seen", 0), ("unseen", 1)):
        alone = score_texts(
            OUTPUTS[position : position + 1], REFERENCES[position : position + 1], ["BLEU"], protocol="triples"
        )
        assert scores[name] == alone
    assert scores["seen"] != scores["unseen"]


@pytest.mark.parametrize(
    ("outputs", "references", "message"),
    [
        (OUTPUTS[:1], REFERENCES, "1 outputs, but references for 2 inputs"),
        ([*OUTPUTS, "One more."], REFERENCES, "one output per reference: keep the last of each input"),
        ([], [], "no outputs to score"),
        ([OUTPUTS[0], "  "], REFERENCES, "1 of 2 outputs are empty, the first for input 2"),
        (OUTPUTS, [REFERENCES[0], []], "input 2 has 0 references"),
        (OUTPUTS, [REFERENCES[0], ["fine", ""]], "input 2 has 2 references, an empty one among them"),
    ],
)
def test_texts_that_cannot_be_scored_are_refused(outputs, references, message):
    with pytest.raises(DataError, match=message):
        score_texts(outputs, references, ["BLEU"])


def test_empty_outputs_are_scored_where_allowed():
    assert score_texts(["", OUTPUTS[1]], REFERENCES, ["BLEU"], allow_empty=True)["BLEU"] > 0
    assert score_texts(["", ""], REFERENCES, ["BLEU", "TER"], protocol="triples", allow_empty=True) == {
        "BLEU": 0,
        "TER": 1,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["BLUE"]}, "metrics BLUE: valid are BLEU, NIST"),
        ({"metrics": []}, r"metrics \(none\)"),
        ({"protocol": "webnlg"}, "protocol 'webnlg': valid are e2e, triples, summaries, sql"),
        ({"nist_variant": "ruby"}, "NIST variant 'ruby': valid are python, perl"),
    ],
)
def test_unknown_names_are_refused_with_the_valid_ones(options, message):
    with pytest.raises(ConfigError, match=message):
        score_texts(OUTPUTS, REFERENCES, **options)

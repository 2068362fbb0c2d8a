"""ROUGE of summaries by hand-counted overlaps."""

import pytest

from lora_repro.metrics.text.score import METRICS, score_texts

pytest.importorskip("rouge_score")


def test_three_scores_by_hand() -> None:
    # 4 of 5 words, 2 of 4 pairs of words and 4 words in order
    found = score_texts(["the cat sat on mats"], [["the cat lay on mats"]], protocol="summaries")
    assert tuple(found) == METRICS["summaries"] == ("R1", "R2", "RL")
    assert found == pytest.approx({"R1": 0.8, "R2": 0.5, "RL": 0.8})


def test_words_are_stemmed_and_case_and_marks_left_out() -> None:
    assert score_texts(["Eve is running!"], [["eve is run"]], ["R1"], protocol="summaries")["R1"] == 1.0


def test_the_best_reference_counts_and_the_mean_over_outputs() -> None:
    outputs, references = ["a b", "c d", ""], [["x y", "a b"], ["c x"], ["e f"]]
    found = score_texts(outputs, references, ["R1"], protocol="summaries", allow_empty=True)
    assert found["R1"] == pytest.approx((1 + 0.5 + 0) / 3)

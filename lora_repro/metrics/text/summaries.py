"""ROUGE-1, ROUGE-2 and ROUGE-L of summaries (Table 4's R1, R2 and RL), by Google's package rouge-score.

The paper does not say which ROUGE it has; this is the one that summarisation papers of its time report for SAMSum: F1
of stemmed words, L over the whole summary. E2E's ROUGE-L is another one (`coco`).
"""

from collections.abc import Sequence

KINDS = {"R1": "rouge1", "R2": "rouge2", "RL": "rougeL"}


def rouge(name: str, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """One of `KINDS`, a fraction: the mean over the outputs of the F1 with the best of their references."""
    from rouge_score import rouge_scorer

    kind = KINDS[name]
    scorer = rouge_scorer.RougeScorer([kind], use_stemmer=True)
    found = [scorer.score_multi(list(texts), output)[kind] for output, texts in zip(outputs, references, strict=True)]
    return float(sum(score.fmeasure for score in found) / len(found))

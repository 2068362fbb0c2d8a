"""One call for all scores of a set of outputs."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Literal, TypedDict

from lora_repro.errors import ConfigError, DataError
from lora_repro.metrics.text import bleu, coco, java, nist, sql, summaries, ter
from lora_repro.metrics.text.java import JavaText
from lora_repro.metrics.text.tokenise import mteval, separate

Protocol = Literal["e2e", "triples", "summaries", "sql"]

METRICS: dict[str, tuple[str, ...]] = {
    "e2e": ("BLEU", "NIST", "METEOR", "ROUGE_L", "CIDEr"),  # Table 3
    "triples": ("BLEU", "METEOR", "TER"),  # Tables 13 and 14
    "summaries": ("R1", "R2", "RL"),  # Table 4, SAMSum
    "sql": ("LF",),  # Table 4, WikiSQL
}
"""The metrics of each protocol, in the order of the paper's tables."""

NEEDS_JAVA = frozenset({"METEOR", "ROUGE_L", "CIDEr"})
MOST_REFERENCES = 6  # of one input under "triples": the official scripts write and read six

Reason = str
"""Why a score cannot be computed on this machine: ``"java not found"`` or ``"pycocoevalcap not found"``."""


class TextScores(TypedDict, total=False):
    """Scores by metric, a plain dict that goes into a record as it is. Metrics not asked for are absent."""

    BLEU: float  # fraction: 0.704 is the paper's 70.4
    NIST: float  # bits, up to about 10
    METEOR: float | Reason  # fraction
    ROUGE_L: float | Reason  # fraction
    CIDEr: float | Reason  # 0 to 10
    TER: float  # edits per reference word as the official script counts them, lower is better
    TER_tercom: float  # the same as sacrebleu counts them
    R1: float  # fraction, as R2 and RL: see `summaries`
    R2: float
    RL: float
    LF: float  # fraction of queries that are right: see `sql`


def score_texts(
    outputs: Sequence[str],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str] | None = None,
    *,
    protocol: Protocol = "e2e",
    nist_variant: nist.NistVariant = "python",
    java_text: JavaText | None = None,
    allow_empty: bool = False,
) -> TextScores:
    """Score outputs against their references.

    Args:
        outputs: (n,) one text per input.
        references: (n,) lists of at least one text.
        metrics: names from `METRICS` (of either protocol); None: those of the protocol.
        protocol: ``"e2e"``: as ``measure_scores.py -p`` of the E2E challenge; texts are scored as they are.
            ``"triples"``: as the official code scores WebNLG and DART; outputs and references are lower-cased and
            separated first, and an input's first six references count. ``"summaries"`` and ``"sql"``: SAMSum's and
            WikiSQL's, texts as they are.
        nist_variant: ``"python"`` (the official code's) or ``"perl"``; see `nist`.
        java_text: an open `JavaText`, kept by the caller for many calls; None: opened and closed here where needed.
        allow_empty: score empty outputs as what they are, very bad ones (a collapsed run); else they are an error.

    Returns:
        a score for each metric; where Java is missing the reason stands in the place of METEOR, ROUGE-L and CIDEr.

    Raises:
        ConfigError: an unknown metric, protocol or NIST variant.
        DataError: lengths differ, an input has no reference, an output or a reference is empty.
    """
    names = _checked_names(metrics, protocol, nist_variant)
    check_texts(outputs, references, allow_empty=allow_empty)
    if protocol == "triples":
        outputs = [separate(text) for text in outputs]
        references = [[separate(text) for text in texts[:MOST_REFERENCES]] for texts in references]

    scores: dict[str, float | str] = {}
    wanting_java = [name for name in names if name in NEEDS_JAVA]
    lacking = java.missing() if wanting_java and java_text is None else None
    with JavaText() if wanting_java and not (java_text or lacking) else nullcontext(java_text) as opened:
        for name in names:
            if name in NEEDS_JAVA:
                scores[name] = lacking or _with_java(name, outputs, references, protocol, opened)
            elif name == "BLEU":
                scores[name] = (bleu.e2e_bleu if protocol == "e2e" else bleu.detokenised_bleu)(outputs, references)
            elif name == "NIST":
                scores[name] = nist.nist(outputs, references, nist_variant)
            elif name == "LF":
                scores[name] = sql.logical_form_accuracy(outputs, references)
            elif name in summaries.KINDS:
                scores[name] = summaries.rouge(name, outputs, references)
            else:
                scores[name] = _ter(name, outputs, references, protocol)
    return scores  # type: ignore[return-value]  # the names are checked


def score_groups(
    outputs: Sequence[str],
    references: Sequence[Sequence[str]],
    groups: Mapping[str, Sequence[int]],
    metrics: Sequence[str] | None = None,
    *,
    protocol: Protocol = "triples",
    nist_variant: nist.NistVariant = "python",
    java_text: JavaText | None = None,
    allow_empty: bool = False,
) -> dict[str, TextScores]:
    """Scores of several groups of inputs, e.g. WebNLG's categories seen in training, unseen, and all.

    Args:
        groups: name -> positions in `outputs`. A group without positions is left out.

    The other arguments and errors are those of `score_texts`.
    """
    check_texts(outputs, references, allow_empty=allow_empty)
    return {
        name: score_texts(
            [outputs[i] for i in positions],
            [references[i] for i in positions],
            metrics,
            protocol=protocol,
            nist_variant=nist_variant,
            java_text=java_text,
            allow_empty=allow_empty,
        )
        for name, positions in groups.items()
        if positions
    }


def check_texts(outputs: Sequence[str], references: Sequence[Sequence[str]], *, allow_empty: bool = False) -> None:
    """Refuse texts that cannot be scored, or whose score would mean nothing.

    Raises:
        DataError: names the first offender by its number, counted from 1.
    """
    if len(outputs) != len(references):
        raise DataError(
            f"{len(outputs)} outputs, but references for {len(references)} inputs; give one output per distinct input, "
            f"in the order of the references{_hint(len(outputs), references)}"
        )
    if not outputs:
        raise DataError("no outputs to score: expected one text per input")
    empty = [number for number, output in enumerate(outputs, start=1) if not output.strip()]
    if empty and not allow_empty:
        raise DataError(
            f"{len(empty)} of {len(outputs)} outputs are empty, the first for input {empty[0]}; a run that writes "
            "nothing scores 0: decode again, or allow empty outputs to score them as they are"
        )
    for number, texts in enumerate(references, start=1):
        if not texts or not all(text.strip() for text in texts):
            raise DataError(f"input {number} has {len(texts)} references, an empty one among them or none at all")


def _hint(outputs: int, references: Sequence[Sequence[str]]) -> str:
    if outputs != sum(map(len, references)):
        return ""
    return " (that is one output per reference: keep the last of each input, as the official decoding does)"


def _checked_names(metrics: Sequence[str] | None, protocol: str, nist_variant: str) -> tuple[str, ...]:
    if protocol not in METRICS:
        raise ConfigError(f"protocol {protocol!r}: valid are {', '.join(METRICS)}")
    if nist_variant not in ("python", "perl"):
        raise ConfigError(f"NIST variant {nist_variant!r}: valid are python, perl")
    names = METRICS[protocol] if metrics is None else tuple(metrics)
    known = list(TextScores.__annotations__)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ConfigError(f"metrics {', '.join(unknown) or '(none)'}: valid are {', '.join(known)}")
    return names


def _with_java(
    name: str,
    outputs: Sequence[str],
    references: Sequence[Sequence[str]],
    protocol: Protocol,
    opened: JavaText | None,
) -> float:
    assert opened is not None  # score_texts opens one whenever a metric needs it and Java is there
    if name == "ROUGE_L":
        return coco.rouge_l(outputs, references, opened)
    if name == "CIDEr":
        return coco.cider(outputs, references, opened)
    if protocol == "triples":  # the words of `separate` are METEOR's words
        return opened.meteor(outputs, references)
    return coco.meteor(outputs, references, opened)


def _ter(name: str, outputs: Sequence[str], references: Sequence[Sequence[str]], protocol: Protocol) -> float:
    if protocol == "e2e":  # E2E has no TER of its own: BLEU's words are used
        outputs = [" ".join(mteval(text)) for text in outputs]
        references = [[" ".join(mteval(text)) for text in texts] for texts in references]
    return (ter.ter if name == "TER" else ter.tercom)(outputs, references)

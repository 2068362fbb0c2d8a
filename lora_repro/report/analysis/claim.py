"""A claim of the paper as data, and what records say of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lora_repro.analysis.record import AnalysisRecord

HOLDS, FAILS, OPEN = "holds", "does not hold", "not enough runs"


@dataclass(frozen=True)
class Finding:
    """What the records say of a claim in one setting."""

    verdict: str  # HOLDS | FAILS | OPEN
    numbers: str
    setting: str


@dataclass(frozen=True)
class Claim:
    """One statement of the paper.

    Attributes:
        key: its number in the list of checkable claims.
        where: in the paper.
        paper: the paper's numbers.
        test: how `decide` decides, in words.
        decide: records -> one finding for each setting that has records.
    """

    key: str
    where: str
    statement: str
    paper: str
    test: str
    decide: Callable[[Sequence[AnalysisRecord]], list[Finding]]

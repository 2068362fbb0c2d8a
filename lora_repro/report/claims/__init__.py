"""The paper's claims as data, each decided by a written test on the records that are there."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from lora_repro.report.claims.evidence import Evidence


class Finding(StrEnum):
    """What the records say of a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNDECIDED = "not enough runs"


@dataclass(frozen=True)
class Outcome:
    """A claim decided on one backbone.

    Attributes:
        where: backbone, recipe and task, and whether that is the paper's own setting.
        finding: the decision.
        numbers: what it rests on.
    """

    where: str
    finding: Finding
    numbers: str


Rule = Callable[[Evidence], list[Outcome]]


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        name: letter and number, e.g. ``"B1"``.
        statement: what the paper says, in our words.
        paper: its numbers.
        source: where it says so.
        needs: the records that a decision asks for.
        test: when it holds and when it does not, in words.
        rule: the same as code; one outcome for each backbone that has such records.
    """

    name: str
    statement: str
    paper: str
    source: str
    needs: str
    test: str
    rule: Rule

    def outcomes(self, evidence: Evidence) -> list[Outcome]:
        """Decide the claim; where nothing can be said, one outcome says what is missing."""
        return self.rule(evidence) or [Outcome("--", Finding.UNDECIDED, f"needs {self.needs}")]

"""The paper's claims that the analyses decide: A (latency), E (efficiency), F (section 7).

Each claim is a statement, the paper's numbers, and a test on the records. A verdict holds for the setting that it names
and for no other: most of ours are on small backbones or another machine than the paper's.
"""

from collections.abc import Sequence

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.report.analysis.claim import OPEN, Claim, Finding
from lora_repro.report.analysis.cost_claims import COST_CLAIMS
from lora_repro.report.analysis.section7_claims import SECTION7_CLAIMS
from lora_repro.report.layout import Table

CLAIMS: tuple[Claim, ...] = (*COST_CLAIMS, *SECTION7_CLAIMS)


def findings(records: Sequence[AnalysisRecord]) -> list[tuple[Claim, Finding]]:
    """Every claim with what is known of it; a claim without records has one finding, OPEN."""
    return [
        (claim, finding) for claim in CLAIMS for finding in claim.decide(records) or [Finding(OPEN, "no records", "")]
    ]


def claims_table(records: Sequence[AnalysisRecord]) -> Table:
    """The claims as a table."""
    rows = [
        [claim.key, claim.statement, claim.where, claim.paper, claim.test, found.verdict, found.numbers, found.setting]
        for claim, found in findings(records)
    ]
    notes = ["A verdict is about the setting in its row. Intervals are 95 % bootstrap intervals over rounds."]
    columns = ["Claim", "Statement", "Where", "Paper", "Test", "Verdict", "Numbers", "Setting"]
    return Table("Claims that the analyses decide", notes, columns, rows)

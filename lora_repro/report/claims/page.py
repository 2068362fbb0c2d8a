"""``lora-repro claims``: the claims, decided, as a page of five minutes (Markdown) and as CSV."""

import argparse
import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.records import Record, write_atomically
from lora_repro.report.audited import Audited
from lora_repro.report.claims import Claim, Finding, Outcome
from lora_repro.report.claims.evidence import Evidence
from lora_repro.report.claims.registry import CLAIMS
from lora_repro.report.inputs import add_inputs, read_inputs

GROUPS = {
    "A": "Inference latency",
    "B": "GLUE",
    "C": "Data-to-text with GPT-2",
    "D": "GPT-3's tables, asked of smaller backbones",
    "E": "Efficiency",
    "F": "What DeltaW is (section 7)",
    "G": "Method",
}

HOW = (
    "A difference between methods is paired by seed and has a 95 % interval (Student's t). A claim holds where its "
    "test does, does not hold where the opposite is as clear, and else the runs are not enough. What is decided on a "
    "small backbone is said of that backbone; it neither confirms nor refutes the paper's own number."
)


@dataclass(frozen=True)
class Decided:
    """A claim and what the records say of it."""

    claim: Claim
    outcomes: tuple[Outcome, ...]


def decide(records: Sequence[Record], audited: Audited, analyses: Sequence[AnalysisRecord] = ()) -> list[Decided]:
    """Every claim."""
    evidence = Evidence(tuple(records), audited, tuple(analyses))
    return [Decided(claim, tuple(claim.outcomes(evidence))) for claim in CLAIMS]


def summary(decided: Sequence[Decided]) -> str:
    """One sentence with the counts; a claim counts once for each finding that it has on some backbone."""
    counts = Counter(finding for item in decided for finding in {outcome.finding for outcome in item.outcomes})
    said = {Finding.HOLDS: "hold", Finding.FAILS: "do not hold", Finding.UNDECIDED: "have not enough runs"}
    found = ", ".join(f"{counts[finding]} {text}" for finding, text in said.items())
    both = sum(len({outcome.finding for outcome in item.outcomes}) > 1 for item in decided)
    twice = f" ({both} with different findings on different backbones count in each)" if both else ""
    return f"{len(decided)} claims: {found}{twice}."


def markdown(decided: Sequence[Decided]) -> str:
    """The page."""
    lines = ["# The paper's claims, tested", "", summary(decided), "", HOW, ""]
    for letter, title in GROUPS.items():
        mine = [item for item in decided if item.claim.name[0] == letter]
        decisive = [item for item in mine if any(o.where != "--" for o in item.outcomes)]
        waiting = [item for item in mine if item not in decisive]
        lines += [f"## {letter}. {title}", ""]
        for item in decisive:
            claim = item.claim
            lines.append(f"**{claim.name}. {claim.statement}** The paper: {claim.paper} ({claim.source}).")
            lines.append(f"Test: {claim.test}.")
            lines.append("")
            lines += [f"- **{o.finding}** on {o.where}: {o.numbers}." for o in item.outcomes]
            lines.append("")
        if waiting:
            lines += ["Not enough runs yet:", ""]
            for claim in (item.claim for item in waiting):
                paper = f"The paper: {claim.paper} ({claim.source})."
                lines.append(f"- {claim.name}. {claim.statement} {paper} Needs {claim.needs}.")
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def as_csv(decided: Sequence[Decided]) -> str:
    """One line for each claim and backbone."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["claim", "statement", "paper", "source", "needs", "test", "where", "finding", "numbers"])
    for item in decided:
        c = item.claim
        for o in item.outcomes:
            writer.writerow([c.name, c.statement, c.paper, c.source, c.needs, c.test, o.where, o.finding, o.numbers])
    return out.getvalue()


def main(argv: Sequence[str]) -> int:
    """Decide every claim of the paper that public models can test, on the records that are there."""
    parser = argparse.ArgumentParser(prog="lora-repro claims", description=main.__doc__)
    add_inputs(parser)
    parser.add_argument("--out", default="results/claims", help="folder for the files (default: %(default)s)")
    arguments = parser.parse_args(argv)
    inputs = read_inputs(arguments)
    decided = decide(inputs.runs, inputs.audited, inputs.analyses)
    out = Path(arguments.out)
    write_atomically(out / "claims.md", markdown(decided).encode())
    write_atomically(out / "claims.csv", as_csv(decided).encode())
    print(summary(decided))
    for item in decided:
        for outcome in item.outcomes:
            if outcome.where != "--":
                print(f"  {item.claim.name:3} {outcome.finding:15} {outcome.where}: {outcome.numbers}")
    print(f"saved {out / 'claims.md'}, {out / 'claims.csv'}")
    return 0

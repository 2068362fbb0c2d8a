"""What the verbs that render read: records of runs and of analyses, and the counts of the audit."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from lora_repro import records as store
from lora_repro.analysis.record import ROOT, AnalysisRecord, load_all
from lora_repro.records import Record
from lora_repro.report.audited import Audited

AUDIT = "parameters.csv"
"""What ``lora-repro audit`` leaves beside the tables."""


@dataclass(frozen=True)
class Inputs:
    """All that is rendered."""

    runs: list[Record]
    analyses: list[AnalysisRecord]
    audit: Path  # CSV of the audit; it need not be there
    damaged: list[str]  # files that are no records of runs: a message each
    unread: list[str]  # files that are no records of analyses

    @property
    def audited(self) -> Audited:
        """The audit's counts."""
        return Audited.read(self.audit)


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """The folders, by the names that all verbs share."""
    add_records(parser)
    parser.add_argument("--analyses", default=ROOT, help="folder of the analyses' records (default: %(default)s)")
    parser.add_argument("--tables", default="results/tables", help="folder of the audit (default: %(default)s)")


def read_inputs(arguments: argparse.Namespace) -> Inputs:
    """Read everything; files that are no records are named on the screen and left out."""
    runs, damaged = read_records(arguments)
    analyses, unread = load_all(arguments.analyses)
    _warn(unread)
    return Inputs(runs, analyses, Path(arguments.tables) / AUDIT, damaged, unread)


def add_records(parser: argparse.ArgumentParser) -> None:
    """The folder of records alone."""
    parser.add_argument("--records", default="results/records", help="folder of records (default: %(default)s)")


def read_records(arguments: argparse.Namespace) -> tuple[list[Record], list[str]]:
    """The records, and a message for each file that is none, which is said on the screen too."""
    runs, damaged = store.load_all(arguments.records)
    _warn(damaged)
    return runs, damaged


def _warn(messages: list[str]) -> None:
    for message in messages:
        print(f"warning: {message}")

"""The verb ``analyse``: what the paper measures beside scores, each by one command that leaves a record.

lora-repro analyse subspaces A8 A64                             # Figures 3, 6 (two ranks) or 4, 7 (two seeds)
lora-repro analyse amplification A4 A64 --model roberta-base    # Table 7, Figure 8, spectra
lora-repro analyse latency --grid table1                        # Table 1; --grid figure5
lora-repro analyse memory --model gpt2-medium --predict-only    # section 4.2
lora-repro analyse switching A B --model roberta-base           # section 4.1
lora-repro analyse show                                         # tables and figures from the records

Adapters may be this suite's, folders of Hugging Face PEFT, or state dicts of the authors' loralib; the last two need
--model to say what they stand on. torch is imported only after the arguments are known to be right.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from lora_repro.analyse import costs, section7
from lora_repro.analyse.arguments import add_records
from lora_repro.analysis.record import ROOT


def main(argv: Sequence[str]) -> int:
    """Run one analysis, or show what the records hold."""
    parser = argparse.ArgumentParser(
        prog="lora-repro analyse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="ANALYSIS")
    for name, (add, _) in VERBS.items():
        add(verbs.add_parser(name, help=(add.__doc__ or "").splitlines()[0]))
    arguments = parser.parse_args(argv)
    return VERBS[arguments.verb][1](arguments)


def add_show(parser: argparse.ArgumentParser) -> None:
    """every table and figure of the analyses, from their records"""
    parser.add_argument("--out", type=Path, default=Path(ROOT), help="for tables/ and figures/ (default: %(default)s)")
    parser.add_argument("--runs-records", default="results/records", help="for score against r (default: %(default)s)")
    add_records(parser)


def show(arguments: argparse.Namespace) -> int:
    from lora_repro.report.analysis.render import render

    return render(arguments.records, arguments.runs_records, arguments.out)


VERBS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]] = {
    "subspaces": (section7.add_subspaces, section7.subspaces),
    "amplification": (section7.add_amplification, section7.amplification),
    "latency": (costs.add_latency, costs.latency),
    "memory": (costs.add_memory, costs.memory),
    "switching": (costs.add_switching, costs.switching),
    "show": (add_show, show),
}

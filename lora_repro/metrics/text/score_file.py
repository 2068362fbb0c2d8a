"""The verb ``score``: score a file of outputs, whoever wrote it."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from lora_repro.errors import DataError
from lora_repro.metrics.text import java
from lora_repro.metrics.text.files import References, read_outputs, read_references
from lora_repro.metrics.text.score import METRICS, TextScores, check_texts, score_groups
from lora_repro.tasks.data_to_text import DATA_TO_TEXT, DataToTextTask, task_named

DESCRIPTION = """\
Score a file of outputs, one per line in the order of the distinct inputs, as the official scripts do.

references (--references) are one of:
  E2E          the official CSV (testset_w_refs.csv), the official LoRA repository's || lines, or a text file as
               measure_scores.py takes it: one reference per line, an empty line between inputs
  WebNLG       test.json or the official XML; with seen and unseen categories apart
  DART         test.json, or the folder of reference0.lex, reference1.lex, reference2.lex
  SAMSum       test.json
  WikiSQL      dev.jsonl, with dev.tables.jsonl beside it
"""


def main(argv: Sequence[str]) -> int:
    """Print the scores as a table, or with ``--json`` as JSON.

    Returns:
        0.

    Raises:
        UserError: a file is damaged, outputs and references do not match, or an argument is wrong.
    """
    arguments = _parser().parse_args(argv)
    task = task_named(arguments.task)
    outputs = read_outputs(arguments.outputs, allow_empty=arguments.allow_empty)
    references = read_references(arguments.references, task)
    try:
        check_texts(outputs, references.texts, allow_empty=arguments.allow_empty)
    except DataError as error:
        where = _first_alone(arguments.outputs, len(outputs), len(references.texts))
        raise DataError(f"{arguments.outputs} against {arguments.references}: {error}{where}") from None
    metrics = tuple(arguments.metrics.split(",")) if arguments.metrics else METRICS[task.protocol]
    scores = score_outputs(task, outputs, references, metrics, arguments.nist, allow_empty=arguments.allow_empty)
    if arguments.json:
        print(json.dumps({"task": task.name, "nist": arguments.nist, "scores": scores}, indent=2))
    else:
        print(table(scores, {name: len(positions) for name, positions in references.groups.items()}))
    return 0


def score_outputs(
    task: DataToTextTask,
    outputs: Sequence[str],
    references: References,
    metrics: Sequence[str],
    nist_variant: str = "python",
    *,
    allow_empty: bool = False,
) -> dict[str, TextScores]:
    """Scores of each group of inputs, one METEOR process for all of them."""
    return score_groups(
        outputs,
        references.texts,
        references.groups,
        metrics,
        protocol=task.protocol,
        nist_variant=nist_variant,  # type: ignore[arg-type]  # score_texts refuses any other
        java_text=java.shared(),
        allow_empty=allow_empty,
    )


def table(scores: dict[str, TextScores], sizes: dict[str, int]) -> str:
    """A line per group, four decimals as the official scorer prints them; below it why a score is missing."""
    names = list(next(iter(scores.values())))
    lines = [["group", "inputs", *names]]
    reasons = set()
    for group, values in scores.items():
        cells = [values[name] for name in names]  # type: ignore[literal-required]
        reasons |= {f"{name}: {cell}" for name, cell in zip(names, cells, strict=True) if isinstance(cell, str)}
        lines.append([group, str(sizes[group]), *("--" if isinstance(cell, str) else f"{cell:.4f}" for cell in cells)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.rjust, line, widths)) for line in lines]
    return "\n".join([*text, *sorted(reasons)])


def _first_alone(path: Path, outputs: int, inputs: int) -> str:
    """For the message: the line where outputs and references of different number part."""
    if outputs < inputs:
        return f"; line {outputs} of {path.name} is its last"
    return f"; line {inputs + 1} of {path.name} is the first without references" if outputs > inputs else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lora-repro score", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("outputs", type=Path, metavar="FILE", help="one output per line (.gz and .xz are read too)")
    parser.add_argument("--references", type=Path, required=True, metavar="REF", help="file or folder, see above")
    parser.add_argument("--task", default="e2e", help=f"{', '.join(DATA_TO_TEXT)} (default: e2e)")
    parser.add_argument("--metrics", help="comma-separated; default: those of the task's tables")
    parser.add_argument("--nist", default="python", choices=("python", "perl"), help="which program's NIST (E2E)")
    parser.add_argument("--allow-empty", action="store_true", help="score empty outputs as they are")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser

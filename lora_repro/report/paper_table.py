"""The paper's tables with our numbers in them: its rows, its columns, each cell ``ours (n) | paper | verdict``.

Runs of small backbones are in no row here; they have tables of the same shape of their own.
"""

from collections.abc import Sequence

from lora_repro.records import Record
from lora_repro.report.audited import Audited
from lora_repro.report.layout import Table, best_rows
from lora_repro.report.made import commits, join
from lora_repro.report.paper import PaperTable, paper_table
from lora_repro.report.paper.answers import TASKS
from lora_repro.report.paper.facts import TRANSCRIBED
from lora_repro.report.paper_fill import SOURCES, FilledRow, fill
from lora_repro.report.scores import statistic_of
from lora_repro.report.statistics import PAIRED_TEST, SIGNIFICANT, paired_p
from lora_repro.report.verdicts import RULE, Verdict

DIFFERS = "‡"
"""Marks a cell whose method differs from LoRA by the paired test."""

_LATENCY = {"latency_ms@bs32_seq512": "32 x 512", "latency_ms@bs16_seq256": "16 x 256",
            "latency_ms@bs1_seq128": "1 x 128"}  # fmt: skip
_FIRST = 5  # columns before the numbers


def render(number: str, records: Sequence[Record], audited: Audited) -> Table:
    """Table `number` of the paper, from records and from the audit's counts."""
    table = paper_table(number)
    if number not in TASKS:
        return _printed_only(table, audited)
    filled = fill(number, records)
    rows = [
        [
            line.row.model,
            line.row.label,
            line.source or "--",
            line.row.params or "--",
            f"{line.counted:,}" if line.counted else audited.count(line.row),
            *(
                line.cells[metric].text(_mark(metric, line, filled)) if metric in line.cells else ""
                for metric in table.metrics
            ),
        ]
        for line in filled
    ]
    columns = ["Backbone", "Method", "Recipe", "Trainable (paper)", "Trainable (counted)", *table.metrics]
    return Table(f"Table {number}. {table.facts.title}", _notes(table, filled), columns, rows, _bold(table, filled))


def _printed_only(table: PaperTable, audited: Audited) -> Table:
    """A table that no run of ours can answer: the paper's numbers, and the counted parameters beside the printed."""
    facts = table.facts
    if facts.public:
        why = "No training run answers this table; the analyses measure it, and their table stands beside this one."
    else:
        why = "GPT-3 175B cannot be had, so no row can be run; the same questions are asked of small backbones."
    columns = ["Method", "Trainable (paper)", "Trainable (counted)", *(_LATENCY.get(m, m) for m in table.metrics)]
    rows = [
        [
            row.label,
            row.params or "--",
            audited.count(row),
            *(_with_note(row.values[m].printed, row.values[m].note) if m in row.values else "" for m in table.metrics),
        ]
        for row in table.rows
    ]
    notes = [f"The paper's numbers only. {why}", f"Statistic: {facts.statistic}.", *_sayings(table)]
    return Table(f"Table {table.number}. {facts.title}", notes, columns, rows)


def _notes(table: PaperTable, filled: Sequence[FilledRow]) -> list[str]:
    statistic = statistic_of(TASKS[table.number][0])
    seeds = table.facts.seeds or 1
    runs = list({run.identity: run for line in filled for run in line.runs}.values())
    notes = [
        f"Cells: ours ± standard deviation over seeds (n runs) | the paper's | verdict. Missing: -- (0/{seeds}).",
        f"Our statistic: {statistic.text}. The paper's: {table.facts.statistic} (section {table.facts.section}).",
        RULE,
        f"Bold: the best of our comparable values for its backbone. {DIFFERS}: differs from LoRA by the {PAIRED_TEST}.",
        "Trainable: as the paper prints it; as counted in our models, the head apart (by the audit if not run).",
        f"Recipe: {' or '.join(SOURCES)}, whose values are in conf/recipe. Small backbones have tables of their own.",
        *_reasons(table, filled),
        *_sayings(table),
    ]
    if not runs:
        return [*notes, "No run of these backbones is recorded yet."]
    return [*notes, f"{len(runs)} runs on {join(run.environment.machine for run in runs)}; {commits(runs)}."]


def _sayings(table: PaperTable) -> list[str]:
    """The paper's own footnotes, then what is known to be wrong in it."""
    facts = table.facts
    notes = ["The paper: " + " ".join(facts.footnotes)] if facts.footnotes else []
    if facts.misprints:
        notes.append("Known misprints and open points: " + " ".join(facts.misprints))
    return [*notes, f"How the paper's numbers were checked: {TRANSCRIBED}"]


def _reasons(table: PaperTable, filled: Sequence[FilledRow]) -> list[str]:
    """What is other in each cell of another setting."""
    found = [
        f"{line.row.model} {line.row.label} {name}: {', '.join(cell.judgement.reasons)}"
        for line in filled
        for name, cell in line.cells.items()
        if cell.judgement.verdict == Verdict.OTHER_SETTING
    ]
    return ["Other settings: " + "; ".join(found) + "."] if found else []


def _bold(table: PaperTable, filled: Sequence[FilledRow]) -> frozenset[tuple[int, int]]:
    """The best of ours in each column of each block (backbone; free or restricted) that has two or more to compare."""
    best = set()
    for block in dict.fromkeys((line.row.model, line.row.dagger) for line in filled):
        for column, metric in enumerate(table.metrics, start=_FIRST):
            values = {
                index: cell.ours.value * (-1 if cell.metric.lower_is_better else 1)
                for index, line in enumerate(filled)
                if (line.row.model, line.row.dagger) == block
                and (cell := line.cells.get(metric))
                and cell.comparable
                and cell.ours
                and cell.ours.value is not None
            }
            best |= {(index, column) for index in best_rows(values)}
    return frozenset(best)


def _mark(metric: str, line: FilledRow, filled: Sequence[FilledRow]) -> str:
    """`DIFFERS` where the paired test tells this row from LoRA's of the same backbone, block and recipe."""
    cell = line.cells[metric]
    for other in filled:
        same = (other.row.model, other.row.dagger, other.source) == (line.row.model, line.row.dagger, line.source)
        if same and other is not line and other.row.method.startswith("LoRA") and cell.ours and cell.comparable:
            theirs = other.cells[metric]
            p = paired_p(cell.ours.by_seed, theirs.ours.by_seed) if theirs.ours and theirs.comparable else None
            return DIFFERS if p is not None and p < SIGNIFICANT else ""
    return ""


def _with_note(printed: str, note: str) -> str:
    return f"{printed} ({note})" if note else printed

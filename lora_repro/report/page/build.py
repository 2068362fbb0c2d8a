"""``lora-repro report``: claims, tables, figures, audit, deviations and runs on one page that needs no network."""

import argparse
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.records import Record, write_atomically
from lora_repro.report.analysis.render import all_figures
from lora_repro.report.analysis.tables import tables_of
from lora_repro.report.audited import Audited
from lora_repro.report.claims import Finding
from lora_repro.report.claims.page import GROUPS, HOW, Decided, decide, summary
from lora_repro.report.figures.render import drawings
from lora_repro.report.figures.style import Rendered
from lora_repro.report.inputs import add_inputs, read_inputs
from lora_repro.report.layout import Table
from lora_repro.report.page.deviations import DISAGREEMENTS, OURS
from lora_repro.report.settings import is_generated, say, settings_of
from lora_repro.report.tables import all_tables
from lora_repro.report.verdicts import Verdict

_TEMPLATE = Path(__file__).with_name("template.html.j2")
_SHOWN_SETTINGS = ("recipe.lr", "recipe.epochs", "recipe.batch_size", "task.train_examples")


@dataclass(frozen=True)
class Cell:
    """A cell of a table on the page: its parts (ours, the paper's, the verdict), one line each."""

    parts: tuple[str, ...]
    bold: bool
    verdict: str  # class name; "" for a cell without a verdict


@dataclass(frozen=True)
class RunLine:
    """One run in one line."""

    task: str
    model: str
    method: str
    seed: int
    settings: str
    best: str
    last: str
    minutes: str
    commit: str
    finished: str
    identity: str
    remarks: str


def build(
    records: Sequence[Record], damaged: Sequence[str], tables: dict[str, Table], audited: Audited,
    figures: Sequence[Rendered], audit_csv: Path, analyses: Sequence[AnalysisRecord] = (),
) -> str:  # fmt: skip
    """The page.

    Args:
        records: all that there are.
        damaged: messages of files that are no records.
        tables: from `all_tables`, of the same records, and those of the analyses.
        audited: counts that claims rest on.
        figures: drawn from the same records.
        audit_csv: the audit's table; left out where there is none.
        analyses: that claims rest on.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters["cells"] = cells
    environment.filters["image"] = image
    own = {name: table for name, table in tables.items() if not name.startswith("paper_")}
    decided = decide(records, audited, analyses)
    page = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return (
        page.render(
            summary=summary(decided),
            how=HOW,
            groups=_grouped(decided),
            holds=Finding.HOLDS,
            fails=Finding.FAILS,
            own_tables={name: table for name, table in own.items() if not name.endswith("_details")},
            details={name: table for name, table in own.items() if name.endswith("_details")},
            paper_tables={name: table for name, table in tables.items() if name.startswith("paper_")},
            own_figures=[figure for figure in figures if not figure.name.startswith("paper_")],
            paper_figures=[figure for figure in figures if figure.name.startswith("paper_")],
            audit=_audit(audit_csv),
            disagreements=DISAGREEMENTS,
            ours=OURS,
            runs=[line_of(record) for record in records],
            damaged=damaged,
            last=max((record.finished[:10] for record in records), default="none yet"),
        ).rstrip()
        + "\n"
    )


def cells(table: Table) -> list[list[Cell]]:
    """A table's rows for the page."""
    verdicts = {str(verdict): verdict.name.lower() for verdict in Verdict}
    rows = []
    for r, row in enumerate(table.rows):
        split = [tuple(text.split(" | ")) for text in row]
        rows.append([Cell(parts, (r, c) in table.bold, verdicts.get(parts[-1], "") if len(parts) > 1 else "")
                     for c, parts in enumerate(split)])  # fmt: skip
    return rows


def image(figure: Rendered) -> Markup:
    """A figure as a data address: one file holds everything, and ids of different figures cannot meet."""
    return Markup("data:image/svg+xml;base64,") + base64.b64encode(figure.svg).decode()


def line_of(record: Record) -> RunLine:
    """One run in one line."""
    own = settings_of(record)
    method = {key: value for key, value in own.items() if key.startswith("method.") and value not in ({}, None)}
    chosen = {key: own[key] for key in _SHOWN_SETTINGS if own.get(key) is not None} | method
    remarks = ["collapsed"] * record.last.collapsed + ["generated data"] * is_generated(record)
    remarks += ["from another adapter"] * (record.config.get("init_from") is not None)
    return RunLine(
        record.task,
        record.model,
        record.method,
        record.seed,
        f"recipe {record.config['recipe']['source']}: {say(chosen)}",
        _fraction(record.best.headline),
        _fraction(record.last.headline),
        f"{(record.cost.train_seconds + record.cost.eval_seconds) / 60:.1f}",
        record.environment.commit[:10],
        record.finished[:10],
        record.identity,
        ", ".join(remarks),
    )


def main(argv: Sequence[str]) -> int:
    """Write the whole report into one HTML file that opens from the disk."""
    parser = argparse.ArgumentParser(prog="lora-repro report", description=main.__doc__)
    add_inputs(parser)
    parser.add_argument("--out", default="results/report", help="folder for index.html (default: %(default)s)")
    arguments = parser.parse_args(argv)
    inputs = read_inputs(arguments)
    found, analyses = inputs.runs, inputs.analyses
    audited = inputs.audited
    figures = [drawing.render() for drawing in [*drawings(found), *all_figures(analyses, found)]]
    tables = {**all_tables(found, inputs.damaged, audited), **tables_of(analyses)}
    page = build(found, [*inputs.damaged, *inputs.unread], tables, audited, figures, inputs.audit, analyses)
    path = Path(arguments.out) / "index.html"
    write_atomically(path, page.encode())
    print(f"{len(found)} records, {len(figures)} figures: {path} ({len(page.encode()) / 1e6:.1f} MB)")
    return 0


def _fraction(value: float | None) -> str:
    return "--" if value is None else f"{value:.4f}"


def _grouped(decided: Sequence[Decided]) -> list[tuple[str, list[Decided], list[Decided]]]:
    """Title, decided claims and waiting ones, group by group."""
    groups = []
    for letter, title in GROUPS.items():
        mine = [item for item in decided if item.claim.name[0] == letter]
        tried = [item for item in mine if any(outcome.where != "--" for outcome in item.outcomes)]
        groups.append((f"{letter}. {title}", tried, [item for item in mine if item not in tried]))
    return groups


def _audit(path: Path) -> Table | None:
    import csv

    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        columns, *rows = list(csv.reader(file))
    return Table("Parameter audit", [], columns, rows)

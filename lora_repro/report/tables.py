"""``lora-repro tables``: every table, from records and the audit's counts, as Markdown, LaTeX and CSV."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lora_repro import records as store
from lora_repro.errors import DataError
from lora_repro.records import Record
from lora_repro.report import glue_table, sweep_table, text_table
from lora_repro.report.audited import Audited
from lora_repro.report.glue_table import Grid
from lora_repro.report.inputs import AUDIT, add_records, read_records
from lora_repro.report.layout import Table
from lora_repro.report.paper.answers import MODELS
from lora_repro.report.paper.facts import FACTS
from lora_repro.report.paper_table import render
from lora_repro.report.scores import TEXT_METRICS, statistic_of
from lora_repro.report.text_table import TextGrid
from lora_repro.tasks.glue import GLUE

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
"""Marks around the table on the front page."""


def paper_tables(records: Sequence[Record], audited: Audited) -> dict[str, Table]:
    """The paper's own tables, by file name without its ending."""
    return {f"paper_table{number}": render(number, records, audited) for number in FACTS}


def own_tables(records: Sequence[Record]) -> dict[str, Table]:
    """Tables of the same shape for every backbone and recipe that has records, by file name without its ending."""
    built: dict[str, Table] = {}
    for model, recipe in backbones(records):
        mine = [r for r in records if (r.model, r.config["recipe"]["source"]) == (model, recipe)]
        tasks = list(dict.fromkeys(r.task for r in mine))
        glue = [r for r in mine if r.task in GLUE]
        if glue:
            grid = Grid(glue, model, recipe)
            built[f"glue_{model}_{recipe}"] = glue_table.comparison(grid, full_cell(glue))
            built[f"glue_{model}_{recipe}_details"] = glue_table.details(grid)
        for task in (name for name in TEXT_METRICS if name in tasks):
            text = TextGrid(mine, task, model, recipe)
            built[f"{task}_{model}_{recipe}"] = text_table.comparison(text, full_cell(text.shown))
        for task in tasks:
            for name, build in (
                ("rank", sweep_table.weights_and_rank),
                ("rank_metrics", sweep_table.rank_metrics),
                ("examples", sweep_table.training_examples),
            ):
                table = build(mine, model, task, recipe)
                if table is not None:
                    built[f"{name}_{task}_{model}_{recipe}"] = table
    return built


def all_tables(records: Sequence[Record], damaged: Sequence[str], audited: Audited) -> dict[str, Table]:
    """Every table; files that are no records are named in the notes of those that they may belong to."""
    built = {**own_tables(records), **paper_tables(records, audited)}
    return {name: _with_damage(name, table, damaged) for name, table in built.items()}


def backbones(records: Sequence[Record]) -> list[tuple[str, str]]:
    """(backbone, recipe) pairs that have records; the paper's backbones first."""
    found = {(r.model, r.config["recipe"]["source"]) for r in records}
    return sorted(found, key=lambda pair: (pair[0] not in MODELS.values(), pair))


def full_cell(runs: Sequence[Record]) -> int:
    """Seeds of a full cell: the paper's for its recipes, for others as many as the fullest cell has."""
    if runs[0].config["recipe"]["source"] in ("paper", "official"):
        return statistic_of(runs[0].task).seeds
    return max(len({r.seed for r in runs if (r.task, r.method) == key}) for key in {(r.task, r.method) for r in runs})


def main(argv: Sequence[str]) -> int:
    """Render every table from the records; what the audit counted is read from the same folder."""
    parser = argparse.ArgumentParser(prog="lora-repro tables", description=main.__doc__)
    add_records(parser)
    parser.add_argument("--out", default="results/tables", help="folder for the files (default: %(default)s)")
    parser.add_argument("--front-page", help="Markdown file to show --show in, between its results marks")
    parser.add_argument("--show", help="table of --front-page, e.g. glue_minilm-l6_mini")
    arguments = parser.parse_args(argv)
    found, damaged = read_records(arguments)
    out = Path(arguments.out)
    built = all_tables(found, damaged, Audited.read(out / AUDIT))
    for name, table in built.items():
        table.save(out / name)
    if arguments.front_page and arguments.show:
        show_in(Path(arguments.front_page), built, arguments.show)
    print(f"{len(found)} records, {len(built)} tables in {out}: " + ", ".join(built))
    return 0


def show_in(page: Path, tables: Mapping[str, Table], name: str) -> None:
    """Put one table between the results marks of a Markdown page.

    Raises:
        DataError: there is no such table, or the page has no marks.
    """
    text = page.read_text(encoding="utf-8")
    if name not in tables:
        raise DataError(f"no table {name} to show in {page}; there are {', '.join(tables)}")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise DataError(f"{page} needs the lines {BEGIN} and {END}, once each, around the table {name}")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    store.write_atomically(page, f"{before}{BEGIN}\n{tables[name].markdown()}{END}{after}".encode())


def _with_damage(name: str, table: Table, damaged: Sequence[str]) -> Table:
    """Name the unreadable records (``<task>/<model>/<method>/s<seed>-<identity>.json``) of a table's backbone."""
    files = [Path(message.split(": ")[0]) for message in damaged]
    mine = [
        "/".join(path.parts[-4:]) for path in files
        if name.startswith("paper_") or (len(path.parts) > 3 and path.parts[-3] in name)
    ]  # fmt: skip
    if not mine:
        return table
    return replace(table, notes=[*table.notes, f"Records that cannot be read, counted as missing: {', '.join(mine)}."])

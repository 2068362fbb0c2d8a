"""``lora-repro glue``: methods x tasks x seeds on one backbone, in one process or several, ending with the table.

The study ``conf/studies/glue.yaml``, with any methods and tasks.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lora_repro import records
from lora_repro.studies.arguments import add_request, request
from lora_repro.studies.plan import Plan, make_plan
from lora_repro.studies.study import add_execution, carry_out, look_ahead


def main(argv: Sequence[str]) -> int:
    """Plan, say so, run, show the table. 1 when a run failed."""
    parser = argparse.ArgumentParser(prog="lora-repro glue", description=__doc__)
    add_request(parser)
    add_execution(parser)
    parser.add_argument("--tables", help="where the table goes (default: tables/ beside the folder of records)")
    arguments = parser.parse_intermixed_args(argv)
    asked = request(arguments, "glue")
    look_ahead(asked, arguments)
    plan = make_plan(asked)
    code = carry_out(plan, arguments)
    if code is None:
        return 0
    _show_table(plan, Path(arguments.tables or Path(plan.records).parent / "tables"))
    return code


def _show_table(plan: Plan, tables: Path) -> None:
    """The table of all that the store has of this backbone and recipe: a part of a grid does not hide the rest."""
    from lora_repro.report.glue_table import Grid, show
    from lora_repro.report.tables import full_cell

    found, damaged = records.load_all(plan.records)
    for message in damaged:
        print(f"warning: {message}")
    first = plan.planned[0]
    grid = Grid(found, first.model, first.recipe)
    show(grid, full_cell(grid.records) if grid.records else len({run.seed for run in plan.planned}), tables)

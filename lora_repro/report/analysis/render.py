"""``lora-repro analyse show``: every table, figure and claim that the records of the analyses allow."""

from collections.abc import Sequence
from pathlib import Path

from lora_repro import records as store
from lora_repro.analysis.record import AnalysisRecord, load_all
from lora_repro.report.analysis.claims import claims_table
from lora_repro.report.analysis.curves import figure5, memory_bars, spectra
from lora_repro.report.analysis.heat_maps import figure8, subspace_figures
from lora_repro.report.analysis.rank import rank_figures
from lora_repro.report.analysis.tables import tables_of
from lora_repro.report.figures.style import Drawing
from lora_repro.report.layout import Table


def all_tables(records: Sequence[AnalysisRecord]) -> dict[str, Table]:
    """By file name without its ending; the claims last."""
    return {**tables_of(records), "claims_analysis": claims_table(records)}


def all_figures(records: Sequence[AnalysisRecord]) -> list[Drawing]:
    """Every figure, yet to be drawn."""
    return [
        *figure5(records),
        *subspace_figures(records),
        *figure8(records),
        *spectra(records),
        *memory_bars(records),
    ]


def render(root: str | Path, out: Path, runs: str | Path = "results/records") -> int:
    """Write ``out/tables`` and ``out/figures`` from the records below `root`; score against r from those of `runs`.

    Returns:
        0, also where files were no records: they are named and left out.
    """
    records, damaged = load_all(root)
    for message in damaged:
        print(f"warning: {message}")
    tables, figures = all_tables(records), [*all_figures(records), *rank_figures(store.load_all(runs)[0])]
    for name, table in tables.items():
        table.save(out / "tables" / name)
    for drawing in figures:
        drawing.render().save(out / "figures")
    print(f"{len(records)} records, {len(tables)} tables, {len(figures)} figures below {out}")
    return 0

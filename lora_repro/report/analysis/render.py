"""``lora-repro analyse show``: every table and figure that the records of the analyses allow."""

from collections.abc import Sequence
from pathlib import Path

from lora_repro import records as store
from lora_repro.analysis.record import AnalysisRecord, load_all
from lora_repro.records import Record
from lora_repro.report.analysis.curves import figure5, memory_bars, spectra
from lora_repro.report.analysis.heat_maps import figure8, subspace_figures
from lora_repro.report.analysis.rank import rank_figures
from lora_repro.report.analysis.tables import tables_of
from lora_repro.report.figures.style import Drawing


def all_figures(analyses: Sequence[AnalysisRecord], runs: Sequence[Record] = ()) -> list[Drawing]:
    """Every figure, yet to be drawn; score against r is drawn from records of runs."""
    return [
        *figure5(analyses),
        *subspace_figures(analyses),
        *figure8(analyses),
        *spectra(analyses),
        *memory_bars(analyses),
        *rank_figures(runs),
    ]


def render(root: str | Path, runs: str | Path, out: Path) -> int:
    """Write ``out/tables`` and ``out/figures`` from the analyses below `root` and the runs below `runs`.

    Returns:
        0, also where files were no records: they are named and left out.
    """
    analyses, damaged = load_all(root)
    found, unread = store.load_all(runs)
    for message in [*damaged, *unread]:
        print(f"warning: {message}")
    tables, figures = tables_of(analyses), all_figures(analyses, found)
    for name, table in tables.items():
        table.save(out / "tables" / name)
    for drawing in figures:
        drawing.render().save(out / "figures")
    print(f"{len(analyses)} records, {len(tables)} tables, {len(figures)} figures below {out}")
    return 0

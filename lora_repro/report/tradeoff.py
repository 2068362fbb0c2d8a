"""The figure that a comparison ends with: each method's score over what it trains, one panel a backbone and task."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from lora_repro.records import Record, write_atomically
from lora_repro.report.figures.style import legend, look
from lora_repro.report.settings import is_generated
from lora_repro.report.statistics import summarise

_WIDTH, _HEIGHT = 4.6, 3.8  # inches of one panel


def draw(records: Sequence[Record], stem: Path) -> list[Path]:
    """Save ``stem.svg`` and ``stem.png``.

    The score is the table's: the median over seeds of the best epoch, in percent; the dashed line is the constant
    answer. |Theta| leaves the head out. Generated data are named in the title.

    Args:
        records: finished runs; each panel takes those of one (backbone, task).
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels = list(dict.fromkeys((record.model, record.task) for record in records))
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(_WIDTH * columns, _HEIGHT * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _panel(axes, [record for record in records if (record.model, record.task) == panel])
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    data = "GENERATED DATA, not the tasks themselves" if any(map(is_generated, records)) else "real data"
    legend(figure, list(dict.fromkeys(record.method for record in records)))
    figure.suptitle(f"Score and trainable parameters ({data})", fontsize=11)
    written = []
    for suffix in (".svg", ".png"):
        content = BytesIO()
        metadata = {"Date": None} if suffix == ".svg" else {}
        with rc_context({"svg.hashsalt": stem.name, "svg.fonttype": "none"}):  # the same records, the same file
            figure.savefig(content, format=suffix[1:], dpi=150, metadata=metadata)
        path = stem.with_name(stem.name + suffix)
        write_atomically(path, content.getvalue())
        written.append(path)
    return written


def _panel(axes: Any, records: Sequence[Record]) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    first = records[0]
    methods = list(dict.fromkeys(record.method for record in records))
    for method in methods:
        runs = [record for record in records if record.method == method]
        score = 100 * summarise(runs).median_best
        size = runs[0].parameters.method
        axes.plot(size, score, color=look(method).colour, marker=look(method).marker, markersize=6, linestyle="none")
    axes.axhline(100 * first.baseline, color="0.5", linestyle="--", linewidth=1, label="constant answer")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if _spread(records) < 100 else (1,)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.18, y=0.12)
    low, high = axes.get_ylim()
    if high - low < 1:  # of equal scores, no rounding errors
        axes.set_ylim((low + high - 1) / 2, (low + high + 1) / 2)
    axes.set_title(f"{first.task}, {first.model}", fontsize=10)
    axes.set_xlabel("trainable parameters, head apart", fontsize=8)
    axes.set_ylabel(f"{first.headline_metric}, %", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=7, loc="lower right")


def _spread(records: Sequence[Record]) -> float:
    """The most trained parameters over the fewest."""
    sizes = [record.parameters.method for record in records]
    return max(sizes) / min(sizes)

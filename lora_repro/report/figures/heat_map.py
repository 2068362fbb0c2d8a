"""A table as a heat map: how far each method is from the best of its column."""

import re
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from lora_repro.report.figures.panels import Panel, methods_of
from lora_repro.report.figures.style import WIDTH, look
from lora_repro.report.paper import paper_table
from lora_repro.report.scores import score

_LIGHTER = 0.4  # of the scale stays unused, so that the darkest blue can be written on


def of_panels(panels: Sequence[Panel]) -> Figure:
    """Ours: the table's statistic of each method and task."""
    methods = methods_of(panels)
    values = np.full((len(methods), len(panels)), np.nan)
    texts = [["--"] * len(panels) for _ in methods]
    for column, panel in enumerate(panels):
        for row, method in enumerate(methods):
            found = score(panel.shown[method].runs, panel.metric) if method in panel.shown else None
            if found and found.value is not None:
                values[row, column] = found.value
                collapsed = f"\n{found.collapsed} collapsed" if found.collapsed else ""
                texts[row][column] = f"{found.value:.1f}{collapsed}"
    columns = [f"{panel.title}\n{panel.metric.title}" for panel in panels]
    return heat_map(values, texts, [look(method).label for method in methods], columns)


def of_paper(model: str) -> Figure:
    """The paper's Table 2, one backbone."""
    table = paper_table("2")
    rows = [row for row in table.rows if row.model == model]
    metrics = list(table.metrics)
    values = np.array([[row.values[metric].value for metric in metrics] for row in rows])
    texts = [[row.values[metric].printed.replace("±", "\n±") for metric in metrics] for row in rows]
    return heat_map(values, texts, [re.sub(r"\^(\w+)", r"$^{\1}$", row.label) for row in rows], metrics)


def heat_map(values: np.ndarray, texts: Sequence[Sequence[str]], rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """Draw (rows, columns) values, nan where there is none; the darker, the nearer to the best of the column.

    Each column has its own scale: from its best down to 10 points below it.
    """
    deepest = 10.0  # points below the best that are drawn darkest
    best = np.nanmax(values, axis=0, keepdims=True)
    shade = np.clip((values - best) / deepest, -1, 0)  # (rows, columns)
    width = min(WIDTH, 1.5 + 0.72 * len(columns) + 0.5)
    figure = Figure(figsize=(width, 0.75 + 0.36 * len(rows)), layout="constrained")
    ax = figure.subplots()
    colours = matplotlib.colormaps["Blues"].with_extremes(bad="white")
    image = ax.imshow(np.ma.masked_invalid(shade), cmap=colours, vmin=-1, vmax=_LIGHTER, aspect="auto")
    for row in range(len(rows)):
        for column in range(len(columns)):
            is_best = not np.isnan(values[row, column]) and values[row, column] == best[0, column]
            dark = not np.isnan(shade[row, column]) and shade[row, column] > -0.15
            ax.text(column, row, texts[row][column], ha="center", va="center", fontsize=6.8, linespacing=1.1,
                    color="white" if dark else "black", fontweight="bold" if is_best else "normal")  # fmt: skip
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for side in ax.spines.values():
        side.set_visible(False)
    scale = np.linspace(-1, 0, 101)
    bar = figure.colorbar(image, ax=ax, ticks=[-1, -0.5, 0], boundaries=scale, pad=0.015, fraction=0.03)
    bar.ax.set_yticklabels([f"{deepest:g} below,\nor more", f"{deepest / 2:g} below", "best"])
    bar.outline.set_visible(False)
    return figure

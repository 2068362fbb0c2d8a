"""How every figure looks, and how it is saved so that the same records give the same bytes.

Colours are Okabe and Ito's, which the colour-blind can tell apart; methods differ in their marker too, so that a figure
reads in grey. Heat maps use one hue, whose lightness only falls.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lora_repro.records import write_atomically

WIDTH = 7.0  # inches: the text width of a page
DPI = 200

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 4.5,
    "figure.dpi": 100,
    "savefig.dpi": DPI,
    "svg.hashsalt": "lora_repro",  # ids in the file, else random
    "svg.fonttype": "path",  # no font needed to read it
}

BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE, GREY = (
    "#000000", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7", "#777777",
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How one method is drawn everywhere."""

    label: str  # as the paper writes it
    colour: str
    marker: str


LOOKS = {
    "ft": Look("FT", BLACK, "s"),
    "ft_top2": Look("FT$^{Top2}$", GREY, "s"),
    "bitfit": Look("BitFit", ORANGE, "^"),
    "pre_embed": Look("PreEmbed", SKY, "<"),
    "pre_layer": Look("PreLayer", SKY, ">"),
    "prefix_kv": Look("Prefix (K, V)", BLUE, "v"),
    "adapter_d": Look("Adapter$^D$", GREEN, "P"),
    "adapter_p": Look("Adapter$^P$", GREEN, "X"),
    "adapter_l": Look("Adapter$^L$", GREEN, "D"),
    "adapter_h": Look("Adapter$^H$", GREEN, "p"),
    "lora": Look("LoRA", VERMILION, "o"),
    "lora_pre_embed": Look("LoRA+PE", PURPLE, "h"),
    "lora_pre_layer": Look("LoRA+PL", PURPLE, "d"),
}


def look(method: str) -> Look:
    """A method's look; a method that is not the paper's is a grey star under its own name."""
    return LOOKS.get(method, Look(method, GREY, "*"))


@dataclass(frozen=True)
class Rendered:
    """A figure as files."""

    name: str
    caption: str
    svg: bytes
    png: bytes

    def save(self, folder: Path) -> None:
        """Write ``<name>.svg`` and ``<name>.png``."""
        write_atomically(folder / f"{self.name}.svg", self.svg)
        write_atomically(folder / f"{self.name}.png", self.png)


@dataclass(frozen=True)
class Drawing:
    """A figure that is yet to be drawn.

    Attributes:
        name: of its files.
        caption: what it shows, on which data, of how many runs.
        draw: makes it; called under the settings above.
    """

    name: str
    caption: str
    draw: Callable[[], Figure]

    def render(self) -> Rendered:
        """Draw it once, as SVG without a date and as PNG without the name of the program."""
        with matplotlib.rc_context():
            matplotlib.rcdefaults()  # whatever the user's own matplotlibrc says
            matplotlib.rcParams.update(_SETTINGS)
            figure = self.draw()
            svg, png = io.BytesIO(), io.BytesIO()
            figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
            figure.savefig(png, format="png", metadata={"Software": None})
        return Rendered(self.name, self.caption, svg.getvalue(), png.getvalue())


def small_multiples(
    panels: int, height: float, columns: int | None = None, below: float = 0.35
) -> tuple[Figure, list[Axes]]:
    """A figure of `panels` axes in rows.

    Args:
        height: of a row, in inches.
        columns: panels in a row; None: three or four, whichever leaves fewer gaps.
        below: inches under the rows for a legend.
    """
    columns = min(panels, columns or (3 if panels in (3, 5, 6, 9) else 4))
    rows = -(-panels // columns)
    width = WIDTH if columns > 2 else 2.6 * columns + 0.4
    figure = Figure(figsize=(width, rows * height + below), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in axes[panels:]:
        spare.set_axis_off()
    return figure, axes[:panels]


def label_lowest(axes: Sequence[Axes], label: str) -> None:
    """Name the horizontal axis under the lowest panel of each column."""
    columns = max(i for i, ax in enumerate(axes, start=1) if ax.get_subplotspec().is_first_row())  # type: ignore[union-attr]
    for index, ax in enumerate(axes):
        if index + columns >= len(axes):
            ax.set_xlabel(label)


def legend(figure: Figure, methods: Sequence[str], line: bool = False) -> None:
    """One legend for all panels, under them."""
    handles = [
        Line2D([], [], color=look(name).colour, marker=look(name).marker, linestyle="-" if line else "none",
               label=look(name).label)
        for name in methods
    ]  # fmt: skip
    most = int(figure.get_figwidth() / 0.98)
    rows = -(-len(handles) // most)
    figure.legend(handles=handles, loc="outside lower center", ncols=-(-len(handles) // rows), handletextpad=0.4)

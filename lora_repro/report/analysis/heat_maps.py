"""Figures 3, 4, 6, 7 and 8: heat maps of phi."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.analysis.results import AdapterNote, Amplification, Amplifications, Matrix, Similarity, Subspaces
from lora_repro.report.analysis.places import middle, of
from lora_repro.report.figures.style import WIDTH, Drawing

SYMBOLS = {
    "W_q": "W_q", "W_k": "W_k", "W_v": "W_v", "W_o": "W_o", "W_fc1": "W_{fc1}", "W_fc2": "W_{fc2}",
}  # fmt: skip
_MAP = "cividis"
_PANEL = 1.55  # inches, height of a row


def subspace_figures(records: Sequence[AnalysisRecord]) -> list[Drawing]:
    """For each pair of adapters, for A and for B: the middle block (Figures 3, 4), and four blocks (Figures 6, 7).

    dW's directions on the input's side are nearly A's; the tables have them.
    """
    drawings = []
    for record in of(records, Subspaces):
        result = record.result
        assert isinstance(result, Subspaces)
        layers = sorted({own.layer for own in result.pairs})
        for matrix in dict.fromkeys(own.matrix for own in result.pairs if own.matrix != "dW"):
            for suffix, shown in (("", [middle(layers)]), ("_blocks", _four(layers))):
                drawings.append(
                    Drawing(
                        f"subspaces_{record.name}_{matrix}{suffix}",
                        _caption(result, matrix, shown),
                        partial(_similarities, result, matrix, shown),
                    )
                )
    return drawings


def figure8(records: Sequence[AnalysisRecord]) -> list[Drawing]:
    """W's own directions against those of dW for each r, and against random ones, on the middle block."""
    found: defaultdict[tuple[str, str, str], list[Amplification]] = defaultdict(list)
    for record in of(records, Amplifications):
        result = record.result
        assert isinstance(result, Amplifications)
        block = middle([line.layer for line in result.lines])
        for line in result.lines:
            if line.layer == block:
                found[result.backbone, result.adapter.task, line.weight].append(line)
    drawings = []
    for (backbone, task, weight), lines in found.items():
        by_rank = {line.r: line for line in sorted(lines, key=lambda line: line.r)}
        caption = (
            f"phi(i, j) between the first tenth of the right-singular directions of {weight} (i) and those of its "
            f"update (j), block {lines[0].layer + 1} of {backbone}" + (f", {task}" if task else "") + "; right: "
            "against random directions. Figure 8's kind."
        )
        name = "_".join(filter(None, ["figure8", backbone, task, weight]))
        drawings.append(Drawing(name, caption, partial(_figure8, list(by_rank.values()))))
    return drawings


def _similarities(result: Subspaces, matrix: str, layers: Sequence[int]) -> Figure:
    """Rows: blocks. Columns: each projection over all sizes, zoomed to the smaller r if ranks differ, the control."""
    by_place = {(own.layer, own.weight): own for own in result.pairs if own.matrix == matrix}
    weights = list(dict.fromkeys(own.weight for own in result.pairs if own.matrix == matrix))
    control = next(own for own in result.control if own.matrix == matrix)
    first = by_place[layers[0], weights[0]].phi
    zoom = len(first) < len(first[0])
    columns = len(weights) * (2 if zoom else 1) + 1
    figure = Figure(figsize=(WIDTH, 0.55 + _PANEL * len(layers)), layout="constrained")
    grid = figure.subplots(len(layers), columns, squeeze=False)
    image = None
    top = max(0.5, *(max(map(max, own.phi)) for (layer, _), own in by_place.items() if layer in layers))
    for row, layer in enumerate(layers):
        panels: list[tuple[str, Matrix]] = []
        for weight in weights:
            own = by_place[layer, weight]
            panels.append((_title(own), own.phi))
        if zoom:
            panels += [(f"{title}, $j \\leq {len(phi)}$", [line[: len(phi)] for line in phi]) for title, phi in panels]
        panels.append(("random", control.phi))
        for axes, (title, phi) in zip(grid[row], panels, strict=True):
            image = _heat(axes, phi, 0.0, top)
            if row == 0:
                axes.set_title(title)
            if row == len(layers) - 1:
                axes.set_xlabel("$j$")
        grid[row][0].set_ylabel(f"block {layer + 1}\n$i$")
    assert image is not None
    bar = figure.colorbar(image, ax=grid, shrink=0.9, aspect=25, pad=0.01)
    bar.set_label(r"$\phi(i, j)$")
    bar.outline.set_visible(False)
    return figure


def _figure8(lines: Sequence[Amplification]) -> Figure:
    panels = [(rf"$\Delta {SYMBOLS[line.weight]}$, $r = {line.r}$", line.phi_W) for line in lines]
    panels.append((f"random, $r = {lines[-1].r}$", lines[-1].phi_random))
    figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    top = max(max(map(max, phi)) for _, phi in panels)
    image = None
    for axes, (title, phi) in zip(grid, panels, strict=True):
        image = _heat(axes, phi, 0.0, top)
        axes.set_title(title)
        axes.set_xlabel("$j$")
    grid[0].set_ylabel(f"$i$ (directions of ${SYMBOLS[lines[0].weight]}$)")
    assert image is not None
    bar = figure.colorbar(image, ax=grid, shrink=0.9, aspect=20, pad=0.01)
    bar.set_label(r"$\phi(i, j)$")
    bar.outline.set_visible(False)
    return figure


def _heat(axes: Axes, phi: Matrix, low: float, high: float) -> AxesImage:
    values = np.array(phi)  # (i, j)
    rows, columns = values.shape
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)
    image = axes.imshow(
        values, cmap=_MAP, vmin=low, vmax=high, aspect="auto", interpolation="nearest",
        extent=(0.5, columns + 0.5, rows + 0.5, 0.5),
    )  # fmt: skip
    axes.set_xticks(_ticks(columns))
    axes.set_yticks(_ticks(rows))
    return image


def _ticks(size: int) -> list[int]:
    """1, the end, and two or three round places between."""
    if size <= 8:
        return sorted({1, (size + 1) // 2, size})
    step = max(1, round(size / 4))
    inner = [tick for tick in range(step, size, step) if size - tick > step / 2]
    return [1, *inner, size]


def _title(own: Similarity) -> str:
    return rf"$\Delta {SYMBOLS[own.weight]}$"


def _four(layers: Sequence[int]) -> list[int]:
    """The paper's 1, 32, 64 and 96 of 96: first, thirds, last."""
    last = len(layers) - 1
    return [layers[index] for index in dict.fromkeys(round(last * share) for share in (0, 1 / 3, 2 / 3, 1))]


def _caption(result: Subspaces, matrix: str, layers: Sequence[int]) -> str:
    sides = {"A": "right-singular directions of A", "B": "left-singular directions of B", "dW": "right-singular "
             "directions of dW"}  # fmt: skip
    kind = "Figures 3 and 6" if result.first.ranks != result.second.ranks else "Figures 4 and 7"
    blocks = ", ".join(str(layer + 1) for layer in layers)
    return (
        f"phi(i, j) between the {sides[matrix]} of {_short(result.first)} (i) and of {_short(result.second)} (j), "
        f"block {blocks} of {result.layers}; right: two random Gaussian matrices of the same shapes. As {kind}."
    )


def _short(note: AdapterNote) -> str:
    ranks = "/".join(map(str, sorted(set(note.ranks.values()))))
    return ", ".join(filter(None, [note.source.split("/")[0], note.task, note.backbone])) + f", r = {ranks}"

"""Figure 5, spectra of dW, and memory by part."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.analysis.results import Amplification, Amplifications, Latency, Memory, MethodMemory
from lora_repro.report.analysis.heat_maps import SYMBOLS
from lora_repro.report.analysis.places import latency_groups, middle, of
from lora_repro.report.analysis.slowdown import slowdown
from lora_repro.report.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, SKY, VERMILION, WIDTH, Drawing, look

_METHODS = ("adapter_h", "adapter_l")  # the rows of Figure 5
_PARTS = (("weights", GREY), ("gradients", ORANGE), ("optimiser", BLUE), ("activations", SKY))


def figure5(records: Sequence[AnalysisRecord]) -> list[Drawing]:
    """Slow-down in percent over batch size (x) and bottleneck (y), for each length, as far as cells were measured.

    Drawn once some length has two batch sizes, which Table 1's three cells have not.
    """
    drawings = []
    for name, own in latency_groups(records).items():
        values: dict[tuple[str, int, int, int], float] = {}
        for record in own:
            cell = record.result
            assert isinstance(cell, Latency)
            for timing in cell.timings:
                if timing.variant in _METHODS:
                    place = (timing.variant, cell.length, timing.r, cell.batch)
                    values[place] = slowdown(cell, timing).percent
        places = {(length, batch) for _, length, _, batch in values}
        if len(places) > len({length for length, _ in places}):
            caption = (
                f"Slow-down of one forward pass over the model without adapters, in percent, {_place(own[0])}. r = 0 "
                "is the model itself. Empty: not measured. Figure 5's kind."
            )
            drawings.append(Drawing(f"figure5_{name}", caption, partial(_figure5, values)))
    return drawings


def _place(record: AnalysisRecord) -> str:
    return f"{record.settings['model']}, {record.environment.machine}, {record.settings['precision']}"


def _figure5(values: dict[tuple[str, int, int, int], float]) -> Figure:
    lengths = sorted({length for _, length, _, _ in values})
    figure = Figure(figsize=(min(WIDTH, 1.6 + 2.1 * len(lengths)), 3.9), layout="constrained")
    grid = figure.subplots(len(_METHODS), len(lengths), squeeze=False)
    top = max(1.0, *values.values())
    image = None
    for row, method in enumerate(_METHODS):
        for column, length in enumerate(lengths):
            axes = grid[row][column]
            batches = sorted({batch for _, own, _, batch in values if own == length})
            sizes = [0, *sorted({r for name, own, r, _ in values if (name, own) == (method, length)})]
            shown = np.array(
                [[0.0 if r == 0 else values.get((method, length, r, b), np.nan) for b in batches] for r in sizes]
            )  # (sizes, batches), percent
            image = axes.imshow(shown, cmap="cividis", vmin=0.0, vmax=top, aspect="auto", origin="lower")
            axes.grid(False)
            for side in axes.spines.values():
                side.set_visible(False)
            axes.set_xticks(range(len(batches)), [str(batch) for batch in batches])
            axes.set_yticks(range(len(sizes)), [str(r) for r in sizes])
            for y, line in enumerate(shown):
                for x, value in enumerate(line):
                    if not np.isnan(value):
                        colour = "white" if value < 0.55 * top else "black"
                        axes.text(x, y, f"{value:.0f}", ha="center", va="center", fontsize=6.5, color=colour)
            if row == 0:
                axes.set_title(f"sequence length {length}")
            else:
                axes.set_xlabel("batch size")
        grid[row][0].set_ylabel(f"{look(method).label}\nr")
    assert image is not None
    bar = figure.colorbar(image, ax=grid, shrink=0.9, aspect=25, pad=0.01)
    bar.set_label("slow-down (%)")
    bar.outline.set_visible(False)
    return figure


def spectra(records: Sequence[AnalysisRecord]) -> list[Drawing]:
    """Singular values of dW for each r, and of W, on the middle block."""
    found: defaultdict[tuple[str, str], dict[str, list[tuple[str, Amplification]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for record in of(records, Amplifications):
        result = record.result
        assert isinstance(result, Amplifications)
        block = middle([line.layer for line in result.lines])
        for line in result.lines:
            if line.layer == block:
                label = f"r = {line.r} ({result.adapter.source.split('-')[0]})"
                found[result.backbone, result.adapter.task][line.weight].append((label, line))
    drawings = []
    for (backbone, task), by_weight in found.items():
        number = next(iter(by_weight.values()))[0][1].layer + 1
        caption = (
            f"Singular values of the update dW = (alpha / r) B A and of W itself, block {number} of {backbone}"
            + (f", {task}" if task else "")
            + ". Section 7.2: how many directions an update really uses."
        )
        name = "_".join(filter(None, ["spectra", backbone, task]))
        drawings.append(Drawing(name, caption, partial(_spectra, dict(by_weight))))
    return drawings


def _spectra(by_weight: dict[str, list[tuple[str, Amplification]]]) -> Figure:
    figure = Figure(figsize=(min(WIDTH, 3.4 * len(by_weight)), 2.6), layout="constrained")
    grid = figure.subplots(1, len(by_weight), squeeze=False, sharey=True)[0]
    colours, markers = (VERMILION, BLUE, GREEN, ORANGE, SKY), "osD^v"
    for axes, (weight, lines) in zip(grid, by_weight.items(), strict=True):
        longest = max(len(line.spectrum_dW) for _, line in lines)
        own = lines[0][1].spectrum_W[:longest]
        axes.plot(range(1, len(own) + 1), own, color=BLACK, label="the backbone's", linestyle="--")
        for number, (label, line) in enumerate(sorted(lines, key=lambda pair: (pair[1].r, pair[0]))):
            style = {"color": colours[number % 5], "marker": markers[number % 5], "markersize": 3.0}
            axes.plot(range(1, line.r + 1), line.spectrum_dW, label=label, **style)
        axes.set_yscale("log")
        axes.set_xscale("log", base=2)
        ticks = [2**power for power in range(longest.bit_length()) if 2**power <= longest]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_title(rf"$\Delta {SYMBOLS[weight]}$")
        axes.set_xlabel("singular value number")
    grid[0].set_ylabel("singular value")
    grid[0].legend(loc="lower left")
    return figure


def memory_bars(records: Sequence[AnalysisRecord]) -> list[Drawing]:
    """Each method's memory by part: predicted above, measured below, the measured peak as a mark."""
    drawings = []
    for record in of(records, Memory):
        result = record.result
        assert isinstance(result, Memory)
        caption = (
            f"Training memory of {result.model}, batch {result.batch} x {result.length} tokens, {result.precision}: "
            "predicted from shapes (upper bars) and, where it was run, measured (lower bars); diamonds are the "
            "measured peak of the process, temporary buffers included."
        )
        name = f"memory_{result.model}_b{result.batch}_t{result.length}"
        drawings.append(Drawing(name, caption, partial(_memory, result.methods)))
    return drawings


def _memory(methods: Sequence[MethodMemory]) -> Figure:
    figure = Figure(figsize=(WIDTH, 0.9 + 0.36 * len(methods)), layout="constrained")
    axes = figure.subplots()
    axes.grid(False, axis="y")
    for place, own in enumerate(methods):
        both = own.measured is not None
        for parts, offset, faded in ((own.predicted, -0.2 if both else 0.0, False), (own.measured, 0.2, True)):
            left = 0.0
            if parts is None:
                continue
            for part, colour in _PARTS:
                width = getattr(parts, part) / 1e9
                label = part if place == 0 and not faded else None
                axes.barh(
                    place + offset, width, 0.36 if both else 0.6, left=left, color=colour, label=label,
                    alpha=0.65 if faded else 1.0, edgecolor="white", linewidth=0.4,
                )  # fmt: skip
                left += width
            if both:
                beside = max(left, (own.peak or 0) / 1e9)  # right of the bar and of the diamond
                axes.annotate(
                    "measured" if faded else "predicted", (beside, place + offset), (5, 0), textcoords="offset points",
                    va="center", fontsize=6.5, color=BLACK,
                )  # fmt: skip
        if own.peak is not None:
            label = "measured peak" if place == 0 else None
            axes.plot(own.peak / 1e9, place, "D", color=BLACK, markersize=4, label=label, zorder=3)
    axes.set_yticks(range(len(methods)), [look(own.method).label for own in methods])
    axes.invert_yaxis()
    axes.set_xlabel("GB ($10^9$ bytes)")
    figure.legend(loc="outside upper center", ncols=5)
    return figure

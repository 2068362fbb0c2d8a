"""Figures that compare methods on one backbone: score against parameters, learning curves, seeds."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lora_repro.records import Epoch
from lora_repro.report.cells import Group
from lora_repro.report.figures.panels import Panel, methods_of
from lora_repro.report.figures.style import GREY, label_lowest, legend, look, small_multiples
from lora_repro.report.scores import score
from lora_repro.report.statistics import bootstrap_interval
from lora_repro.report.sweep_table import loss_of
from lora_repro.tasks.glue import GLUE

AXES = {"acc.": "accuracy (%)", "Matthews": "Matthews (%)", "Pearson": "Pearson (%)"}
_SPARSE = 5  # epochs up to which each one is marked


def against_parameters(panels: Sequence[Panel]) -> Figure:
    """Score against the number of trainable parameters (log scale), Figure 2's kind; bars: one standard deviation."""
    figure, axes = small_multiples(len(panels), 1.75)
    for ax, panel in zip(axes, panels, strict=True):
        for method in panel.shown:
            groups = sorted([panel.shown[method], *panel.others[method]], key=lambda g: g.first.parameters.method)
            scores = [score(group.runs, panel.metric) for group in groups]
            points = [(g.first.parameters.method, s.value, s.std or 0.0)
                      for g, s in zip(groups, scores, strict=True) if s and s.value is not None]  # fmt: skip
            x, y, spread = (list(part) for part in zip(*points, strict=True))
            ax.errorbar(x, y, yerr=spread, color=look(method).colour, marker=look(method).marker, linestyle="-",
                        elinewidth=0.8, capsize=1.5)  # fmt: skip
        _baseline(ax, panel)
        ax.set_xscale("log")
        ax.margins(x=0.15, y=0.15)
        _titles(ax, panel)
    label_lowest(axes, "trainable parameters")
    legend(figure, methods_of(panels))
    return figure


def learning_curves(panels: Sequence[Panel]) -> Figure:
    """After each epoch: the headline metric, for data-to-text the validation loss (only the last epoch is decoded).

    The mean over seeds, and each seed as a thin line.
    """
    figure, axes = small_multiples(len(panels), 1.75)
    for ax, panel in zip(axes, panels, strict=True):
        metric = panel.metric if panel.task in GLUE else loss_of(panel.task)
        _over_epochs(ax, panel, metric.of)
        if panel.task in GLUE:
            _baseline(ax, panel)
        ax.set_title(panel.title)
        ax.set_ylabel(AXES.get(metric.title, metric.title))
    label_lowest(axes, "epoch")
    legend(figure, methods_of(panels), line=True)
    return figure


def losses(panels: Sequence[Panel]) -> Figure:
    """After each epoch: the loss on the training examples (with dropout, as trained) and, on the same scale, on the
    evaluation split. What learns by heart falls on the left and rises on the right; what stays constant does neither.
    """
    figure, axes = small_multiples(2 * len(panels), 1.6, columns=4)
    for index, panel in enumerate(panels):
        training, evaluation = axes[2 * index : 2 * index + 2]
        _over_epochs(training, panel, lambda epoch: epoch.train_loss)
        _over_epochs(evaluation, panel, lambda epoch: epoch.eval_loss)
        evaluation.sharey(training)
        training.autoscale(axis="y")
        training.set_title(f"{panel.title}, training")
        evaluation.set_title(f"{panel.title}, evaluation")
        training.set_ylabel("loss")
    label_lowest(axes, "epoch")
    legend(figure, methods_of(panels), line=True)
    return figure


def seeds(panels: Sequence[Panel]) -> Figure:
    """Every run as a point; a tick at the table's statistic, a bar over the bootstrap interval of the mean."""
    methods = methods_of(panels)
    figure, axes = small_multiples(len(panels), 0.55 + 0.17 * len(methods), columns=3, below=0.15)
    for index, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        for place, method in enumerate(methods):
            if method in panel.shown:
                _strip(ax, place, method, panel.shown[method], panel)
        _baseline(ax, panel, vertical=True)
        ax.set_ylim(len(methods) - 0.5, -0.5)
        first = index % 3 == 0
        ax.set_yticks(range(len(methods)), [look(m).label for m in methods] if first else [""] * len(methods))
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
        ax.margins(x=0.08)
        ax.set_title(panel.title)
        ax.set_xlabel(AXES.get(panel.metric.title, panel.metric.title))
    return figure


def _over_epochs(ax: Axes, panel: Panel, of: Callable[[Epoch], float | None]) -> None:
    """One line a method: the mean over seeds, each seed thin."""
    longest = 1
    for method, group in panel.shown.items():
        curves = [[value for epoch in run.epochs if (value := of(epoch)) is not None] for run in group.runs]
        longest = max(longest, *map(len, curves))
        for curve in curves:
            ax.plot(range(1, len(curve) + 1), curve, color=look(method).colour, linewidth=0.5, alpha=0.45)
        shared = min(map(len, curves))
        mean = np.mean([curve[:shared] for curve in curves], axis=0)
        marker = look(method).marker if longest <= _SPARSE else None
        ax.plot(range(1, shared + 1), mean, color=look(method).colour, marker=marker, markersize=3.8)
    ax.set_xlim(0.7, longest + 0.3)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    ax.margins(y=0.12)


def _strip(ax: Axes, place: int, method: str, group: Group, panel: Panel) -> None:
    """One method's runs in one row."""
    found = score(group.runs, panel.metric)
    if found is None or found.value is None:
        return
    values = list(found.by_seed.values())
    colour = look(method).colour
    if len(values) > 1:
        low, high = bootstrap_interval(np.array(values))
        ax.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.28, solid_capstyle="butt")
    ax.plot(values, [place] * len(values), linestyle="none", marker=look(method).marker, color=colour, markersize=3.6,
            markeredgecolor="white", markeredgewidth=0.4)  # fmt: skip
    ax.plot([found.value, found.value], [place - 0.36, place + 0.36], color=colour, linewidth=1.3)


def _baseline(ax: Axes, panel: Panel, vertical: bool = False) -> None:
    """The constant answer, where it is near enough to be seen without hiding the differences."""
    if panel.task not in GLUE:
        return  # a constant text has no fixed score
    values = [value for run in panel.runs if (value := panel.metric.of(run.best)) is not None]
    if max(values) - panel.baseline > 4 * (max(values) - min(values)) + 5:
        return
    line = ax.axvline if vertical else ax.axhline
    line(panel.baseline, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)


def _titles(ax: Axes, panel: Panel) -> None:
    ax.set_title(panel.title)
    ax.set_ylabel(AXES.get(panel.metric.title, panel.metric.title))

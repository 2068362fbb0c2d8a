"""Score against r (Tables 6 and 18; section 4.1: LoRA approaches full fine-tuning as r grows), from records of runs."""

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from lora_repro.records import Record
from lora_repro.report.cells import same_work
from lora_repro.report.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, Drawing
from lora_repro.report.settings import configuration

_VARIED = ("r", "targets", "alpha", "ranks")
_ORDER = ("W_q", "W_k", "W_v", "W_o", "W_fc1", "W_fc2")  # the paper's
_LONG = 5  # types of weights whose names leave no room for a third column of the legend
_STYLES = ((VERMILION, "o"), (BLUE, "s"), (GREEN, "D"), (ORANGE, "^"), (PURPLE, "v"), (SKY, "P"))

Sweep = dict[tuple[str, ...], dict[int, list[Record]]]
"""Targets -> r -> runs that differ in nothing else but their seed and alpha."""


def rank_figures(records: Sequence[Record]) -> list[Drawing]:
    """One figure for each backbone and task on which LoRA ran with at least three values of r, all else equal."""
    families: defaultdict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.method == "lora" and not record.config["method"].get("ranks"):
            families[record.model, record.task, _rest(record)].append(record)
    chosen: dict[tuple[str, str], Sweep] = {}
    for (model, task, _), own in families.items():
        sweep = _sweep(own)
        if _size(sweep) > max(2, _size(chosen.get((model, task), {}))):
            chosen[model, task] = sweep
    drawings = []
    for (model, task), sweep in sorted(chosen.items()):
        first = next(run for by_rank in sweep.values() for runs in by_rank.values() for run in runs)
        ft = [r for r in records if (r.model, r.task, r.method) == (model, task, "ft") and same_work(r, first)]
        caption = (
            f"{first.headline_metric} on {task} against LoRA's rank r, {model}, {len(first.epochs)} epochs: points are "
            "seeds (best epoch), lines their median"
            + (f"; the band is full fine-tuning (n = {len(ft)})" if ft else "")
            + ". Tables 6 and 18 in form."
        )
        drawings.append(Drawing(f"rank_{model}_{task}", caption, partial(_draw, sweep, ft, first.headline_metric)))
    return drawings


def _scores(runs: Sequence[Record]) -> list[float]:
    """Headlines of the best epochs; a best epoch always has one."""
    return [run.best.headline for run in runs if run.best.headline is not None]


def _draw(sweep: Sweep, ft: Sequence[Record], metric: str) -> Figure:
    figure = Figure(figsize=(3.6, 2.7), layout="constrained")
    axes = figure.subplots()
    if ft:
        scores = _scores(ft)
        axes.axhspan(min(scores), max(scores), color=GREY, alpha=0.25, linewidth=0)
        axes.axhline(statistics.median(scores), color=BLACK, linestyle="--", label="FT")
    many = {targets: by_rank for targets, by_rank in sweep.items() if len(by_rank) > 1}  # one r makes no line
    ordered = sorted(many.items(), key=lambda item: (len(item[0]), item[0]))
    for (targets, by_rank), (colour, marker) in zip(ordered, _STYLES * len(ordered), strict=False):
        ranks = sorted(by_rank)
        medians = [statistics.median(_scores(by_rank[r])) for r in ranks]
        names = sorted(targets, key=_ORDER.index)
        label = ", ".join(f"${name.replace('fc1', '{fc1}').replace('fc2', '{fc2}')}$" for name in names)
        axes.plot(ranks, medians, color=colour, label=label)
        for r in ranks:
            own = _scores(by_rank[r])
            axes.plot([r] * len(own), own, marker, color=colour, markersize=3.5, alpha=0.7, linestyle="none")
    everything = sorted({r for by_rank in many.values() for r in by_rank})
    axes.set_xscale("log", base=2)
    axes.set_xticks(everything, [str(r) for r in everything])
    axes.minorticks_off()
    axes.set_xlabel("$r$")
    axes.set_ylabel(metric)
    figure.legend(loc="outside upper center", ncols=3 if max(map(len, many)) < _LONG else 2)
    return figure


def _sweep(runs: Sequence[Record]) -> Sweep:
    found: Sweep = {}
    for run in runs:
        method = run.config["method"]
        found.setdefault(tuple(sorted(method["targets"])), {}).setdefault(method["r"], []).append(run)
    return found


def _size(sweep: Sweep) -> int:
    """Most values of r on one set of targets."""
    return max((len(by_rank) for by_rank in sweep.values()), default=0)


def _rest(record: Record) -> str:
    """All settings but the varied ones."""
    config = {key: value for key, value in configuration(record).items() if key != "seed"}
    config["method"] = {key: value for key, value in config["method"].items() if key not in _VARIED}
    return json.dumps(config, sort_keys=True)

"""The paper's Figure 2 from the paper's own numbers (Table 15): accuracy against trainable parameters, GPT-3 175B."""

from collections import defaultdict

from matplotlib.figure import Figure

from lora_repro.report.figures.style import label_lowest, legend, look, small_multiples
from lora_repro.report.paper import paper_table

_METHODS = {"Fine-Tune": "ft", "PrefixEmbed": "pre_embed", "PrefixLayer": "pre_layer", "Adapter^H": "adapter_h",
            "LoRA": "lora", "LoRA+PE": "lora_pre_embed", "LoRA+PL": "lora_pre_layer"}  # fmt: skip
_TITLES = {"WikiSQL": "WikiSQL", "MNLI-m": "MultiNLI (matched)"}


def figure_2() -> Figure:
    """Two panels, as in the paper; LoRA+PE and LoRA+PL of appendix E too. A line joins the best of each size."""
    table = paper_table("15")
    figure, axes = small_multiples(2, 2.5, columns=2)
    for ax, metric in zip(axes, table.metrics, strict=True):
        points: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        for row in table.rows:
            points[_METHODS[row.method]].append((_parameters(row.params), row.values[metric].value))
        for method, found in points.items():
            best = {size: max(score for other, score in found if other == size) for size, _ in sorted(found)}
            ax.plot(list(best), list(best.values()), color=look(method).colour)
            ax.plot(*zip(*found, strict=True), linestyle="none", color=look(method).colour, marker=look(method).marker)
        ax.set_xscale("log")
        ax.set_title(_TITLES[metric])
        ax.set_ylabel("validation accuracy (%)")
    label_lowest(axes, "trainable parameters (as printed)")
    legend(figure, list(_METHODS.values()), line=True)
    return figure


def _parameters(printed: str) -> float:
    number, unit = float(printed[:-1]), printed[-1]
    return number * {"M": 1e6, "B": 1e9}[unit]

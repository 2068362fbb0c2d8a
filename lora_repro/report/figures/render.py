"""``lora-repro figures``: every figure, from records, as SVG and PNG."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from lora_repro.records import Record
from lora_repro.report.figures import budget, comparisons, heat_map
from lora_repro.report.figures.panels import caption, panels
from lora_repro.report.figures.style import Drawing
from lora_repro.report.inputs import add_records, read_records
from lora_repro.report.tables import backbones
from lora_repro.tasks.glue import GLUE

Builder = Callable[[Sequence[Record]], list[Drawing]]


def of_backbones(records: Sequence[Record]) -> list[Drawing]:
    """The comparisons of methods, for every backbone and recipe that has records; GLUE and data-to-text apart."""
    drawings = []
    for model, recipe in backbones(records):
        everything = panels(records, model, recipe)
        for name, found in (
            ("glue", [panel for panel in everything if panel.task in GLUE]),
            ("text", [panel for panel in everything if panel.task not in GLUE]),
        ):
            if not found:
                continue
            stem, end = f"{name}_{model}_{recipe}", caption(found, model, recipe)
            statistic = found[0].statistic.text
            drawings += [
                Drawing(
                    f"parameters_{stem}",
                    f"Score against trainable parameters (Figure 2's kind). Point: {statistic}; bar: one standard "
                    f"deviation over seeds; dashed: the constant answer. {end}",
                    partial(comparisons.against_parameters, found),
                ),
                Drawing(
                    f"seeds_{stem}",
                    f"Every run as a point; tick: {statistic}; band: 95 % bootstrap interval of the mean. {end}",
                    partial(comparisons.seeds, found),
                ),
            ]
            long = [panel for panel in found if max(len(run.epochs) for run in panel.runs) > 1]
            if long:
                drawings += [
                    Drawing(
                        f"curves_{stem}",
                        "Learning curves on the evaluation split, tasks with more than one epoch: mean over seeds, "
                        f"each seed thin; dashed: the constant answer. {end}",
                        partial(comparisons.learning_curves, long),
                    ),
                    Drawing(
                        f"losses_{stem}",
                        "The loss after each epoch on the training examples and on the evaluation split, tasks with "
                        f"more than one epoch: mean over seeds, each seed thin. {end}",
                        partial(comparisons.losses, long),
                    ),
                ]
            if name == "glue":
                drawings.append(
                    Drawing(
                        f"heat_map_{stem}",
                        "Table 2's form as a heat map: the darker, the nearer to the best of its column, which is "
                        f"bold. {end}",
                        partial(heat_map.of_panels, found),
                    )
                )
    return drawings


def of_paper(_: Sequence[Record]) -> list[Drawing]:
    """What the paper prints, drawn as our own figures are, for comparison."""
    models = {"RoBERTa base": "roberta-base", "RoBERTa large": "roberta-large"}
    return [
        Drawing(
            "paper_figure2",
            "The paper's Figure 2 from the paper's own numbers (Table 15), GPT-3 175B: no run of ours.",
            budget.figure_2,
        ),
        *(
            Drawing(
                f"paper_heat_map_{ours}",
                f"The paper's Table 2, {model}, as a heat map: the paper's own numbers, no run of ours. * cited, "
                "† restricted setting.",
                partial(heat_map.of_paper, model),
            )
            for model, ours in models.items()
        ),
    ]


BUILDERS: list[Builder] = [of_backbones, of_paper]
"""Where figures come from; an analysis adds its own builder of records here."""


def drawings(records: Sequence[Record]) -> list[Drawing]:
    """Every figure, in a fixed order."""
    return [drawing for builder in BUILDERS for drawing in builder(records)]


def main(argv: Sequence[str]) -> int:
    """Draw every figure from the records."""
    parser = argparse.ArgumentParser(prog="lora-repro figures", description=main.__doc__)
    add_records(parser)
    parser.add_argument("--out", default="results/figures", help="folder for the files (default: %(default)s)")
    arguments = parser.parse_args(argv)
    found, _ = read_records(arguments)
    built = drawings(found)
    for drawing in built:
        drawing.render().save(Path(arguments.out))
    print(f"{len(found)} records, {len(built)} figures in {arguments.out}: " + ", ".join(d.name for d in built))
    return 0

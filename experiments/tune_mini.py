"""How the learning rates of conf/recipe/mini/minilm-l6 were chosen: the same budget for every method.

Four learning rates for each method, each trained once on 1,800 examples of MRPC for 3 epochs with a seed that no
table uses, everything else as in the recipe; the best development accuracy of any epoch decides. It is a small budget
and it looks at the development data that the tables report, as the paper's own statistic does.

    python experiments/tune_mini.py --model-path MINILM --data DATA [--jobs 2]       # about an hour of one core

Prints and writes results/tuning/minilm-l6.md; the records stand beside it.
"""

import argparse
import sys
from pathlib import Path

from lora_repro import records
from lora_repro.compose import compose_run
from lora_repro.config import RunConfig
from lora_repro.report.layout import Table
from lora_repro.studies.plan import listed
from lora_repro.studies.workers import conclude, run_beside, run_here

SEED = 100
TRAIN_EXAMPLES = 1800
LEARNING_RATES = {
    "ft": ("2e-5", "5e-5", "1e-4", "2e-4"),
    "bitfit": ("5e-4", "1e-3", "3e-3", "1e-2"),
    "lora": ("5e-4", "1e-3", "3e-3", "1e-2"),
}
FOLDER = Path("results/tuning")


def plan(arguments: argparse.Namespace) -> list[tuple[list[str], RunConfig]]:
    """All runs, method by method: items and configuration."""
    common = [
        "model=minilm-l6", "task=mrpc", "recipe=mini", "recipe.epochs=3", f"seed={SEED}",
        f"task.train_examples={TRAIN_EXAMPLES}",
        f"model.path={arguments.model_path}", f"data.dir={arguments.data}", "data.sources=[local]",
        f"records={FOLDER}/records",
    ]  # fmt: skip
    every = [
        [*common, f"method={method}", f"recipe.lr={rate}"] for method, rates in LEARNING_RATES.items() for rate in rates
    ]
    return [(items, compose_run(items)) for items in every]


def table(configs: list[RunConfig]) -> Table:
    """Best accuracy by method and learning rate; the chosen rate in bold."""
    cells = {}
    for config in configs:
        record = records.find(config)
        cells[config.method.name, config.recipe.lr] = record.best.headline if record else None
    rows, bold = [], set()
    for method, rates in LEARNING_RATES.items():
        scores = [cells[method, float(rate)] for rate in rates]
        best = max((score for score in scores if score is not None), default=None)
        for rate, score in zip(rates, scores, strict=True):
            if score is not None and score == best:
                bold.add((len(rows), 2))
            rows.append([method, rate, "--" if score is None else f"{100 * score:.1f}"])
    notes = [
        f"MRPC, {TRAIN_EXAMPLES:,} training examples, 3 epochs, seed {SEED}; accuracy of the best epoch on the whole "
        "development set, in percent.",
        "One run each: differences below about 2 points are noise.",
    ]
    return Table(
        "Learning rates tried for recipe mini, minilm-l6", notes, ["Method", "lr", "Accuracy"], rows, frozenset(bold)
    )


def main() -> int:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-path", required=True, help="folder with all-MiniLM-L6-v2")
    parser.add_argument("--data", required=True, help="folder with GLUE in the layout of the official zip")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (default: %(default)s)")
    arguments = parser.parse_args()
    runs = plan(arguments)
    wanted = listed("tune-mini", "Learning rates of recipe mini", runs)
    code = run_beside(wanted, arguments.jobs) if arguments.jobs > 1 else conclude(run_here(wanted))
    shown = table([config for _, config in runs])
    shown.save(FOLDER / "minilm-l6")
    print(shown.markdown())
    return code


if __name__ == "__main__":
    sys.exit(main())

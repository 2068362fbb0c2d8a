"""How the learning rates of conf/recipe/mini/roberta-mini were chosen: the same small budget for every method.

Four learning rates for each of the 13 methods, each trained once on every task of `TASKS` (the suite's own generated
data, 1,000 examples, the recipe's epochs) with a seed that no table uses, everything else as in the recipe. The mean
over the tasks of the best development score decides. It looks at the development data that quickstart reports, as the
paper's own statistic does.

    python experiments/tune_roberta_mini.py [--jobs 2]       # 104 runs; killed at any moment, it goes on

Prints and writes results/tuning/roberta-mini.md; the records stay in runs/tuning.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lora_repro import records
from lora_repro.compose import compose_run
from lora_repro.config import RunConfig
from lora_repro.report.layout import Table
from lora_repro.studies.plan import listed
from lora_repro.studies.quickstart import CACHE, carry_out, jobs, stay_here

SEED = 100
TASKS = ("sst2", "mrpc")
TRAIN_EXAMPLES = 1000
LEARNING_RATES = {
    "ft": (1e-4, 2e-4, 5e-4, 1e-3),
    "ft_top2": (2e-4, 5e-4, 1e-3, 2e-3),
    "bitfit": (1e-3, 3e-3, 1e-2, 3e-2),
    "pre_embed": (3e-3, 1e-2, 3e-2, 1e-1),
    "pre_layer": (3e-3, 1e-2, 3e-2, 1e-1),
    "prefix_kv": (3e-3, 1e-2, 3e-2, 1e-1),
    "adapter_d": (5e-4, 1e-3, 3e-3, 1e-2),
    "adapter_p": (5e-4, 1e-3, 3e-3, 1e-2),
    "adapter_l": (5e-4, 1e-3, 3e-3, 1e-2),
    "adapter_h": (5e-4, 1e-3, 3e-3, 1e-2),
    "lora": (1e-3, 3e-3, 1e-2, 3e-2),
    "lora_pre_embed": (1e-3, 3e-3, 1e-2, 3e-2),
    "lora_pre_layer": (1e-3, 3e-3, 1e-2, 3e-2),
}
FOLDER = Path("results/tuning")
RUNS = Path("runs/tuning")


def plan(settings: Sequence[str] = ()) -> list[tuple[list[str], RunConfig]]:
    """All runs, method by method: items and configuration."""
    common = [
        "model=roberta-mini", "recipe=mini", "data.sources=[embedded]", f"seed={SEED}",
        f"records={RUNS}/records", f"runs={RUNS}/runs",
        f"data.cache={CACHE}/encodings",
    ]  # fmt: skip
    science = ["recipe.max_length=64", f"task.train_examples={TRAIN_EXAMPLES}"]
    every = [
        [*common, *science, *settings, f"method={method}", f"task={task}", f"recipe.lr={rate}"]
        for method, rates in LEARNING_RATES.items()
        for rate in rates
        for task in TASKS
    ]
    return [(items, compose_run(items)) for items in every]


def table(configs: Sequence[RunConfig]) -> Table:
    """Best score by method and learning rate on each task and in the mean; the chosen rate in bold."""
    cells = {}
    for config in configs:
        record = records.find(config)
        if record is not None:
            cells[config.method.name, config.recipe.lr, config.task.name] = record.best.headline
    rows, bold = [], set()
    for method, rates in LEARNING_RATES.items():
        means = {}
        for rate in rates:
            scores = [cells.get((method, rate, task)) for task in TASKS]
            known = [score for score in scores if score is not None]
            if len(known) == len(TASKS):
                means[len(rows)] = sum(known) / len(known)
            mean = "--" if len(rows) not in means else f"{100 * means[len(rows)]:.1f}"
            rows.append([method, f"{rate:g}", *("--" if s is None else f"{100 * s:.1f}" for s in scores), mean])
        if means:
            bold.add((max(means, key=lambda row: means[row]), 2 + len(TASKS)))
    notes = [
        f"GENERATED DATA, {TRAIN_EXAMPLES:,} training examples a task, seed {SEED}; headline metric of the best epoch "
        "on the development data, in percent.",
        "One run each: differences below about 2 points are noise.",
    ]
    columns = ["Method", "lr", *TASKS, "Mean"]
    return Table("Learning rates tried for recipe mini, roberta-mini", notes, columns, rows, frozenset(bold))


def main() -> int:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=jobs(), help="processes side by side (default: %(default)s)")
    parser.add_argument("settings", nargs="*", help="for every run, e.g. model.path=folder")
    arguments = parser.parse_args()
    stay_here(CACHE)
    runs = plan(arguments.settings)
    configs = [config for _, config in runs]
    wanted = listed("tune-roberta-mini", "Learning rates of recipe mini", runs)
    code = carry_out(wanted, configs, arguments.jobs, RUNS / "logs")
    shown = table(configs)
    shown.save(FOLDER / "roberta-mini")
    print(shown.markdown())
    return code


if __name__ == "__main__":
    sys.exit(main())

"""How the learning rates of conf/recipe/mini were chosen: the same small budget for every method of a backbone.

Four learning rates for each method, each trained once on every task of the search with a seed that no table uses,
everything else as in the recipe. The mean over the tasks decides: of the best development score of any epoch for
classification, of the lowest validation loss for data-to-text. It looks at the development data that the tables report,
as the paper's own statistic does.

    python experiments/tune.py minilm-l6 model.path=MINILM data.dir=GLUE      # 12 runs, about an hour of one core
    python experiments/tune.py roberta-mini                                   # 52 runs on generated data
    python experiments/tune.py gpt2-mini                                      # 52 runs on generated data

Killed at any moment, the same command goes on. Prints and writes results/tuning/BACKBONE.md.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_repro import records
from lora_repro.compose import compose_run
from lora_repro.config import RunConfig
from lora_repro.records import Record
from lora_repro.report.layout import Table
from lora_repro.report.made import machines
from lora_repro.studies.plan import listed
from lora_repro.studies.quickstart import CACHE, carry_out, jobs, stay_here

SEED = 100
FOLDER = Path("results/tuning")
RUNS = Path("runs/tuning")
EMBEDDED = ("data.sources=[embedded]", f"data.cache={CACHE}/encodings", f"records={RUNS}/records", f"runs={RUNS}/runs")


@dataclass(frozen=True)
class Search:
    """What is tried on one backbone."""

    tasks: tuple[str, ...]
    settings: tuple[str, ...]  # of every run, beside the recipe
    rates: Mapping[str, tuple[float, ...]]  # by method
    notes: tuple[str, ...]
    loss: bool = False  # the lowest validation loss decides, not the best score


_PREFIX = (3e-3, 1e-2, 3e-2, 1e-1)
_ADAPTER = (5e-4, 1e-3, 3e-3, 1e-2)
_LORA = (1e-3, 3e-3, 1e-2, 3e-2)
_MINI_RATES = {
    "ft": (1e-4, 2e-4, 5e-4, 1e-3),
    "ft_top2": (2e-4, 5e-4, 1e-3, 2e-3),
    "bitfit": (1e-3, 3e-3, 1e-2, 3e-2),
    "pre_embed": _PREFIX,
    "pre_layer": _PREFIX,
    "prefix_kv": _PREFIX,
    "adapter_d": _ADAPTER,
    "adapter_p": _ADAPTER,
    "adapter_l": _ADAPTER,
    "adapter_h": _ADAPTER,
    "lora": _LORA,
    "lora_pre_embed": _LORA,
    "lora_pre_layer": _LORA,
}
SEARCHES = {
    "minilm-l6": Search(
        tasks=("mrpc",),
        settings=(
            "task.train_examples=1800", "recipe.epochs=3", "data.sources=[local]", f"records={FOLDER}/records",
        ),
        rates={"ft": (2e-5, 5e-5, 1e-4, 2e-4), "bitfit": _ADAPTER, "lora": _ADAPTER},
        notes=(
            f"1,800 training examples, 3 epochs, seed {SEED}; headline metric of the best epoch on the whole "
            "development set, in percent.",
            "One run each: differences below about 2 points are noise.",
        ),
    ),
    "roberta-mini": Search(
        tasks=("sst2",),
        settings=(
            *EMBEDDED, "task.train_examples=1000", "task.eval_examples=400", "recipe.epochs=3", "recipe.batch_size=16",
            "recipe.max_length=64",
        ),
        rates=_MINI_RATES,
        notes=(
            f"GENERATED DATA, 1,000 training examples, 3 epochs, batch 16, seed {SEED}; headline metric of the best "
            "epoch on 400 development examples, in percent.",
            "One run each: differences below about 4 points are noise.",
        ),
    ),
    "gpt2-mini": Search(
        tasks=("e2e",),
        settings=(
            *EMBEDDED, "task.train_examples=500", "task.validation_examples=50", "task.eval_examples=1",
            "recipe.epochs=1", "recipe.max_length=128", "recipe.max_new_tokens=1", "recipe.beams=1",
        ),
        rates=_MINI_RATES,
        notes=(
            f"GENERATED DATA, 500 training pairs, one epoch, seed {SEED}; loss per token on 50 validation inputs, in "
            "nats: lower is better.",
        ),
        loss=True,
    ),
}  # fmt: skip


def plan(model: str, search: Search, settings: Sequence[str] = ()) -> list[tuple[list[str], RunConfig]]:
    """All runs, method by method: items and configuration."""
    common = [f"model={model}", "recipe=mini", f"seed={SEED}", *search.settings, *settings]
    every = [
        [*common, f"method={method}", f"task={task}", f"recipe.lr={rate}"]
        for method, rates in search.rates.items()
        for rate in rates
        for task in search.tasks
    ]
    return [(items, compose_run(items)) for items in every]


def table(model: str, search: Search, configs: Sequence[RunConfig]) -> Table:
    """The score by method and learning rate on each task, and the mean where there are several; the best rate bold."""
    cells: dict[tuple[str, float, str], Record] = {}
    for config in configs:
        record = records.find(config)
        if record is not None:
            cells[config.method.name, config.recipe.lr, config.task.name] = record
    rows: list[list[str]] = []
    bold: set[tuple[int, int]] = set()
    several = len(search.tasks) > 1
    for method, rates in search.rates.items():
        means: dict[int, float] = {}
        for rate in rates:
            found = [cells.get((method, rate, task)) for task in search.tasks]
            scores = [value(record, search.loss) for record in found if record is not None]
            if len(scores) == len(search.tasks):
                means[len(rows)] = sum(scores) / len(scores)
            shown = ["--" if record is None else say(value(record, search.loss), search.loss) for record in found]
            mean = [say(means[len(rows)], search.loss) if len(rows) in means else "--"] if several else []
            rows.append([method, f"{rate:.0e}".replace("e-0", "e-"), *shown, *mean])
        if means:
            best = min if search.loss else max
            bold.add((best(means, key=lambda row: means[row]), 1 + len(search.tasks) + several))
    columns = ["Method", "lr", *search.tasks, *(["Mean"] if several else [])]
    notes = [*search.notes, *([machines(list(cells.values()))] if cells else [])]
    return Table(f"Learning rates tried for recipe mini, {model}", notes, columns, rows, frozenset(bold))


def value(record: Record, loss: bool) -> float:
    """What decides: in nats, or a score between 0 and 1."""
    if loss:
        return min(epoch.eval_loss for epoch in record.epochs)
    assert record.best.headline is not None
    return record.best.headline


def say(number: float, loss: bool) -> str:
    """A cell."""
    return f"{number:.3f}" if loss else f"{100 * number:.1f}"


def main() -> int:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=SEARCHES)
    parser.add_argument("--jobs", type=int, default=jobs(), help="processes side by side (default: %(default)s)")
    parser.add_argument("settings", nargs="*", help="for every run, e.g. model.path=FOLDER")
    arguments = parser.parse_intermixed_args()
    stay_here(CACHE)
    search = SEARCHES[arguments.model]
    runs = plan(arguments.model, search, arguments.settings)
    configs = [config for _, config in runs]
    wanted = listed(f"tune-{arguments.model}", "Learning rates of recipe mini", runs)
    code = carry_out(wanted, configs, arguments.jobs, RUNS / "logs")
    shown = table(arguments.model, search, configs)
    shown.save(FOLDER / arguments.model)
    print(shown.markdown())
    return code


if __name__ == "__main__":
    sys.exit(main())

"""``lora-repro glue``: methods x tasks x seeds on one backbone, in one process or several, ending with the table."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lora_repro import records
from lora_repro.compose import compose_run, has_recipe
from lora_repro.config import RunConfig
from lora_repro.errors import ConfigError, DataError
from lora_repro.overrides import METHODS as ALL_METHODS
from lora_repro.overrides import override
from lora_repro.studies.estimate import estimate
from lora_repro.studies.execute import Outcome, execute, label

PAPER_TASKS = ("mnli", "sst2", "mrpc", "cola", "qnli", "qqp", "rte", "stsb")
DEFAULT_METHODS = ("ft", "bitfit", "lora")
SOURCES = ("paper", "official", "mini")


def parser() -> argparse.ArgumentParser:
    """The verb's arguments; lists are separated by blanks or commas."""
    built = argparse.ArgumentParser(prog="lora-repro glue", description=__doc__)
    built.add_argument("--model", default="roberta-base", help="backbone, a file of conf/model (default: %(default)s)")
    built.add_argument("--model-path", help="folder with the backbone; else the hub's cache, else the hub")
    built.add_argument("--data", help="folder with GLUE in the layout of the official zip; else the hub")
    built.add_argument("--tasks", default=" ".join(PAPER_TASKS), help="default: the paper's eight")
    built.add_argument("--methods", default=" ".join(DEFAULT_METHODS), help="or all (default: %(default)s)")
    built.add_argument("--seeds", default="0 1 2 3 4", help="default: %(default)s")
    built.add_argument("--recipe", help="default: the first of paper, official, mini that has all that is asked for")
    built.add_argument("--records", default="results/records", help="finished runs (default: %(default)s)")
    built.add_argument("--runs", default="runs", help="work folders (default: %(default)s)")
    built.add_argument("--tables", default="results/tables", help="where the table goes (default: %(default)s)")
    built.add_argument("--tracker", default="none", help="none or wandb (default: %(default)s)")
    built.add_argument("--jobs", type=int, default=1, help="processes side by side (default: %(default)s)")
    built.add_argument("--dry", action="store_true", help="show the plan and stop")
    built.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)  # one of --jobs processes
    built.add_argument("overrides", nargs="*", help="settings for every run, e.g. recipe.epochs=2")
    return built


def plan(arguments: argparse.Namespace) -> list[RunConfig]:
    """The runs, seed by seed, so that a whole table of one seed is there first.

    Raises:
        ConfigError: any run's settings are wrong; nothing has started then.
    """
    tasks, methods = _words(arguments.tasks, "--tasks"), _words(arguments.methods, "--methods")
    if methods == ["all"]:
        methods = list(ALL_METHODS)
    common = [
        f"model={arguments.model}",
        f"recipe={arguments.recipe or default_recipe(arguments.model, methods, tasks)}",
        f"tracker={arguments.tracker}",
        override("records", arguments.records),
        override("runs", arguments.runs),
        f"study=glue-{arguments.model}",
    ]
    if arguments.model_path:
        common.append(override("model.path", arguments.model_path))
    if arguments.data:
        common += [override("data.dir", arguments.data), "data.sources=[local]"]
    first = [
        compose_run([*common, f"task={task}", f"method={method}", *arguments.overrides])
        for task in tasks
        for method in methods
    ]
    return [replace(config, seed=seed) for seed in _seeds(arguments.seeds) for config in first]


def main(argv: Sequence[str]) -> int:
    """Plan, say so, run, show the table. 1 when a run failed."""
    arguments = parser().parse_args(argv)
    if not (arguments.dry or arguments.worker):
        _require_first(arguments)
    configs = plan(arguments)
    if arguments.worker:
        return _exit_code(_work(configs, arguments.overrides))
    announce(configs)
    if arguments.dry:
        return 0
    from lora_repro.at_hand import require_for_all

    require_for_all(configs)
    if arguments.jobs > 1:
        code = spawn([sys.executable, "-m", "lora_repro.cli", "glue", *argv, "--worker"], arguments.jobs)
    else:
        code = _exit_code(_work(configs, arguments.overrides))
    _show_table(arguments, configs)
    return code


def default_recipe(model: str, methods: Sequence[str], tasks: Sequence[str]) -> str:
    """The first source with a recipe for every method and task; paper, with its error, when none has them all."""
    for source in SOURCES:
        if all(has_recipe(source, model, method, task) for method in methods for task in tasks):
            return source
    return SOURCES[0]


def _require_first(arguments: argparse.Namespace) -> None:
    """What the first run needs must be within reach: known long before the whole grid is composed."""
    from lora_repro.at_hand import require

    settings = vars(arguments)
    first = {name: _words(settings[name], f"--{name}")[0] for name in ("tasks", "methods", "seeds")}
    if first["methods"] == "all":
        first["methods"] = next(iter(ALL_METHODS))
    with suppress(DataError):  # of a folder: that run says so, the others go on
        require(plan(argparse.Namespace(**(settings | first)))[0])


def announce(configs: Sequence[RunConfig]) -> None:
    """Say what will run, what is done already and what it will cost."""
    found = {label(config): records.find(config) for config in configs}
    done = [record for record in found.values() if record is not None]
    missing = [config for config in configs if found[label(config)] is None]
    first = configs[0]
    print(
        f"{len(configs)} runs of {first.model.name}, recipe {first.recipe.source}: "
        f"{len(done)} done, {len(missing)} to do"
    )
    known, _ = records.load_all(configs[0].records)
    guesses = [estimate(config, known) for config in missing]
    for config, guess in zip(missing, guesses, strict=True):
        print(f"  to do  {label(config)}" + (f"  about {guess / 60:.0f} min" if guess else ""))
    if missing and all(guesses):
        print(f"about {sum(guess or 0 for guess in guesses) / 3600:.1f} hours of one process, from earlier runs' speed")
    elif missing:
        print("no finished run of this backbone to estimate from: the first one will tell how long the rest takes")


def _work(configs: Sequence[RunConfig], overrides: Sequence[str]) -> Outcome:
    from lora_repro.run import run  # imports torch: only now, when every setting is known to be right

    return execute(configs, lambda config: run(config, overrides))


def spawn(command: Sequence[str], jobs: int) -> int:
    """Run `jobs` processes on one list, each with its share of the threads; locks keep them off each other's runs."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    workers = [subprocess.Popen(command, env=environment) for _ in range(jobs)]
    try:
        codes = [worker.wait() for worker in workers]
    except KeyboardInterrupt:  # the terminal has sent it to the workers too: they save and leave
        codes = [worker.wait() for worker in workers]
        raise
    return max(codes, key=abs)


def _exit_code(outcome: Outcome) -> int:
    for name, reason in outcome.failed.items():
        print(f"failed: {name}: {reason}")
    for name, owner in outcome.held.items():
        print(f"in other hands: {name}: {owner}")
    return 1 if outcome.failed else 0


def _show_table(arguments: argparse.Namespace, configs: Sequence[RunConfig]) -> None:
    """The table of all that the store has of this backbone and recipe: a part of a grid does not hide the rest."""
    from lora_repro.report.glue_table import Grid, show

    found, damaged = records.load_all(arguments.records)
    for message in damaged:
        print(f"warning: {message}")
    seeds = len(_words(arguments.seeds, "--seeds"))
    show(Grid(found, arguments.model, configs[0].recipe.source), seeds, Path(arguments.tables))


def _seeds(text: str) -> list[int]:
    words = _words(text, "--seeds")
    wrong = [word for word in words if not word.isdigit()]
    if wrong:
        raise ConfigError(f"--seeds must be whole numbers from 0, got {wrong[0]!r}")
    return [int(word) for word in words]


def _words(text: str, name: str) -> list[str]:
    words = text.replace(",", " ").split()
    if not words:
        raise ConfigError(f"{name} is empty; name at least one, separated by blanks or commas")
    return words

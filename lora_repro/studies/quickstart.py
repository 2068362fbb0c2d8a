"""``lora-repro quickstart``: every method on the suite's own backbones and data, in minutes, without a network.

Ends with the comparison, the audit of the backbones' parameter counts and a figure, all saved. Given again it runs
what is missing and shows the rest at once. Everything it writes lies in the working folder: below --out and in .cache/.
"""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_repro import records
from lora_repro.config import MethodConfig, ModelConfig, RunConfig
from lora_repro.errors import ConfigError, Interrupted
from lora_repro.overrides import METHODS, override
from lora_repro.studies.composed import Composed
from lora_repro.studies.estimate import MEAN_TOKENS
from lora_repro.studies.plan import Plan, listed
from lora_repro.studies.states import DONE, state

CACHE = Path(".cache")
MOST_JOBS = 4  # each takes most of a gigabyte


@dataclass(frozen=True)
class Part:
    """What one backbone does."""

    model: str
    tasks: tuple[str, ...]
    settings: tuple[str, ...]  # of its runs, beside the recipe


PARTS = (
    Part(
        "roberta-mini",
        ("sst2",),
        (
            "task.train_examples=800",
            "task.eval_examples=400",
            "recipe.epochs=3",
            "recipe.batch_size=16",
            "recipe.max_length=64",
        ),
    ),
    Part(
        "gpt2-mini",
        ("e2e",),
        (
            "task.train_examples=400",
            "task.validation_examples=50",
            "task.eval_examples=20",
            "recipe.epochs=1",
            "recipe.max_length=128",
            "recipe.max_new_tokens=60",
            "recipe.beams=1",
        ),
    ),
)


def jobs() -> int:
    """Processes that this machine should run side by side: one a core, `MOST_JOBS` at most."""
    return min(os.cpu_count() or 1, MOST_JOBS)


def parser() -> argparse.ArgumentParser:
    """The verb's arguments."""
    built = argparse.ArgumentParser(prog="lora-repro quickstart", description=__doc__)
    built.add_argument("--methods", default="all", help="default: all")
    built.add_argument("--tasks", help="default: " + ", ".join(task for part in PARTS for task in part.tasks))
    built.add_argument("--out", default="runs/quickstart", help="where everything goes (default: %(default)s)")
    built.add_argument("--jobs", type=int, default=jobs(), help="processes side by side (default here: %(default)s)")
    built.add_argument("overrides", nargs="*", help="settings for every run, e.g. recipe.epochs=1")
    return built


def main(argv: Sequence[str]) -> int:
    """Plan, run what is missing, show. 1 when a run failed."""
    arguments = parser().parse_args(argv)
    if arguments.jobs < 1:
        raise ConfigError(f"--jobs={arguments.jobs} must be at least 1")
    stay_here(CACHE)
    began, out = time.monotonic(), Path(arguments.out)
    runs = plan(arguments)
    configs = [config for _, config in runs]
    wanted = listed("quickstart", "The suite's own comparison", runs)
    missing = sum(records.find(config) is None for config in configs)
    models = list(dict.fromkeys(config.model.name for config in configs))
    tasks = list(dict.fromkeys(config.task.name for config in configs))
    print(
        f"{len(configs)} runs of {' and '.join(models)} on generated data ({', '.join(tasks)}): "
        f"{len(configs) - missing} done, {missing} to do in {arguments.jobs} process{'es' * (arguments.jobs > 1)}; "
        "no network is used",
        flush=True,
    )
    code = carry_out(wanted, configs, arguments.jobs, out / "logs") if missing else 0
    written = show(configs, out)
    print("saved " + ", ".join(str(path) for path in written))
    done = sum(state(wanted, run).kind == DONE for run in wanted.planned)
    print(f"{done} of {len(configs)} runs done, {time.monotonic() - began:.0f} s")
    return code


def carry_out(wanted: Plan, configs: Sequence[RunConfig], processes: int, logs: Path) -> int:
    """Run what is missing, with a line on the screen; 1 when a run failed.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the runs' states are saved.
    """
    from lora_repro.studies.progress import bar
    from lora_repro.studies.workers import run_beside

    costs = {run.place: cost(config) for run, config in zip(wanted.planned, configs, strict=True)}
    code = run_beside(wanted, processes, logs=logs, watch=bar(wanted, costs))
    if code == Interrupted.exit_code:
        raise Interrupted("stopped; the same command goes on")
    return code


def plan(arguments: argparse.Namespace) -> list[tuple[tuple[str, ...], RunConfig]]:
    """The runs and the items that compose them, task by task, so that whole columns of the comparison come first.

    Raises:
        ConfigError: a setting is wrong; nothing has started then.
    """
    methods = list(METHODS) if arguments.methods == "all" else arguments.methods.replace(",", " ").split()
    wanted = None if arguments.tasks is None else set(arguments.tasks.replace(",", " ").split())
    known = {task for part in PARTS for task in part.tasks}
    if wanted is not None and (not wanted or wanted - known):
        raise ConfigError(f"--tasks={arguments.tasks}: choose from {', '.join(sorted(known))}")
    common = [
        "recipe=mini",
        "data.sources=[embedded]",
        "device=cpu",
        "study=quickstart",
        override("data.cache", str(CACHE / "encodings")),
        override("records", str(Path(arguments.out, "records"))),
        override("runs", str(Path(arguments.out, "runs"))),
    ]
    composed = Composed(Path(arguments.out, "runs"))
    cells = [
        (part, task, method)
        for part in PARTS
        for task in part.tasks
        if wanted is None or task in wanted
        for method in methods
    ]
    runs = []
    for part, task, method in cells:
        chosen = [f"model={part.model}", f"task={task}", f"method={method}"]
        items = (*chosen, *common, *_latest(part, arguments))
        runs.append((items, composed.config(items)))
    return runs


def _latest(part: Part, arguments: argparse.Namespace) -> tuple[str, ...]:
    """The part's settings, where the command line does not give them, and the command line's."""
    given = {item.split("=")[0] for item in arguments.overrides}
    return (*(item for item in part.settings if item.split("=")[0] not in given), *arguments.overrides)


def cost(config: RunConfig) -> float:
    """About how many tokens a run reads, for the time left: virtual tokens come to each example, texts are written."""
    virtual = getattr(config.method, "l_p", 0) + getattr(config.method, "l_i", 0)
    tokens = MEAN_TOKENS[config.task.name] + virtual
    written = 10 * (config.task.eval_examples or 0) * tokens if config.task.name == "e2e" else 0
    return float((config.task.train_examples or 0) * config.recipe.epochs * tokens + written)


def stay_here(cache: Path) -> None:
    """Have every library keep its caches, settings and logs below `cache`, and leave the network alone.

    Set before any of them is imported; processes that start later inherit it.
    """
    home = cache.resolve()
    places = {
        "HF_HOME": "huggingface",
        "HF_DATASETS_CACHE": "huggingface/datasets",
        "MPLCONFIGDIR": "matplotlib",
        "TORCH_HOME": "torch",
        "WANDB_DIR": "wandb",
        "WANDB_CACHE_DIR": "wandb",
        "WANDB_CONFIG_DIR": "wandb",
        "XDG_CACHE_HOME": "xdg",
        "XDG_CONFIG_HOME": "xdg",
    }
    for name, folder in places.items():
        (home / folder).mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(home / folder)
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1"}


def _methods(configs: Sequence[RunConfig]) -> list[tuple[ModelConfig, list[MethodConfig]]]:
    """Each backbone with its methods, as they are run."""
    by_model: dict[str, tuple[ModelConfig, list[MethodConfig]]] = {}
    for config in configs:
        methods = by_model.setdefault(config.model.name, (config.model, []))[1]
        if config.method not in methods:
            methods.append(config.method)
    return list(by_model.values())


def show(configs: Sequence[RunConfig], out: Path) -> list[Path]:
    """Print the tables and save them with the figure.

    Returns:
        The files.
    """
    from lora_repro.report import glue_table, parameters, text_table, tradeoff
    from lora_repro.tasks.data_to_text import DATA_TO_TEXT

    found = [record for config in configs if (record := records.find(config)) is not None]
    written: list[Path] = []
    for model, task in dict.fromkeys((r.model, r.task if r.task in DATA_TO_TEXT else "glue") for r in found):
        if task == "glue":
            table = glue_table.comparison(glue_table.Grid(found, model, "mini"), seeds=1)
        else:
            table = text_table.comparison(text_table.TextGrid(found, task, model, "mini"), seeds=1)
        print(table.markdown())
        written += table.save(out / f"{task}_{model}")
    counts = parameters.render(CACHE / "parameters-quickstart.json", _methods(configs))
    print(counts)
    records.write_atomically(out / "parameters.md", counts.encode())
    written.append(out / "parameters.md")
    if found:
        written += tradeoff.draw(found, out / "tradeoff")
    return written

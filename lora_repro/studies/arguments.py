"""The arguments that ``study``, ``plan`` and ``glue`` share, and the request that they make."""

import argparse

from lora_repro.errors import ConfigError
from lora_repro.overrides import METHODS
from lora_repro.studies.files import read, split_name
from lora_repro.studies.plan import Request


def add_request(parser: argparse.ArgumentParser) -> None:
    """What makes the list of runs. Lists are separated by blanks or commas."""
    parser.add_argument("--model", help="backbone, a file of conf/model (default: the study's first)")
    parser.add_argument("--model-path", help="folder with the backbone; else the hub's cache, else the hub")
    parser.add_argument("--data", help="folder with the data (GLUE: the official zip's layout); else the hub")
    parser.add_argument("--tasks", help="default: the study's")
    parser.add_argument("--methods", help="or all (default: the study's)")
    parser.add_argument("--seeds", help="default: the study's")
    parser.add_argument("--recipe", help="default: the study's, else the first of paper, official, mini that has all")
    parser.add_argument("--records", default="results/records", help="finished runs (default: %(default)s)")
    parser.add_argument("--runs", default="runs", help="work folders (default: %(default)s)")
    parser.add_argument("--tracker", default="none", help="none or wandb (default: %(default)s)")
    parser.add_argument(
        "overrides",
        nargs="*",
        help="settings for every run, e.g. recipe.epochs=2; init_from=mnli starts MRPC, RTE and STS-B from the MNLI "
        "run of the same settings and seed, which is trained first; init_from=null starts none so",
    )


def request(arguments: argparse.Namespace, study: str) -> Request:
    """The request of a command line.

    Raises:
        ConfigError: no such study or model, an empty list, a seed that is no number.
    """
    name, model = split_name(study)
    if model is not None and arguments.model not in (None, model):
        raise ConfigError(f"study {study} is of model {model}, --model={arguments.model} is another: give one of them")
    file = read(name)
    methods = words(arguments.methods, "--methods")
    if methods == ("all",):
        methods = tuple(METHODS)
    return Request(
        study=file,
        model=model or arguments.model or file.models[0],
        tasks=words(arguments.tasks, "--tasks"),
        methods=methods,
        seeds=_seeds(words(arguments.seeds, "--seeds")),
        recipe=arguments.recipe,
        model_path=arguments.model_path,
        data=arguments.data,
        records=arguments.records,
        runs=arguments.runs,
        tracker=arguments.tracker,
        overrides=tuple(arguments.overrides),
    )


def words(text: str | None, name: str) -> tuple[str, ...] | None:
    """The words of a list; None when it was not given."""
    if text is None:
        return None
    found = tuple(text.replace(",", " ").split())
    if not found:
        raise ConfigError(f"{name} is empty; name at least one, separated by blanks or commas")
    return found


def _seeds(given: tuple[str, ...] | None) -> tuple[int, ...] | None:
    wrong = [word for word in given or () if not word.isdigit()]
    if wrong:
        raise ConfigError(f"--seeds must be whole numbers from 0, got {wrong[0]!r}")
    return None if given is None else tuple(dict.fromkeys(int(word) for word in given))

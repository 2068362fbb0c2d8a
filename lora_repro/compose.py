"""From command-line items to a checked `RunConfig`: `overrides` judges them, Hydra composes conf/, `config` checks.

Order of precedence, weakest first: the schema's defaults, conf/, the recipe, the command line. Nothing here imports
torch: a wrong setting is answered in about a second, interpreter start included.
"""

import functools
import sys
from argparse import Namespace
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

import hydra
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lora_repro.checks import GLUE_SETTINGS, TEXT_SETTINGS, check, did_you_mean
from lora_repro.config import DATA_TO_TEXT_TASKS, ModelConfig, RecipeConfig, RunConfig, TaskConfig, TrackerConfig
from lora_repro.errors import ConfigError, UserError
from lora_repro.models.architectures import ARCHITECTURES
from lora_repro.overrides import METHODS, choices, config_dir, judge

DEFAULT_RECIPE = "paper"  # as in conf/config.yaml; a test holds them together


def compose_run(items: Sequence[str]) -> RunConfig:
    """The checked configuration of one run.

    A study that varies the seed alone composes once and then uses ``dataclasses.replace(config, seed=seed)``: composing
    costs a quarter of a second.

    Args:
        items: as on the command line, e.g. ``["model=roberta-base", "method=lora", "task=rte", "seed=1"]``.

    Raises:
        ConfigError: one line with what is wrong and what would be right.
    """
    for_hydra, chosen = judge(items)
    return _checked(_compose(for_hydra), chosen, items)


def hydra_application(run: Callable[[RunConfig, Sequence[str]], object]) -> None:
    """Run the command line as a Hydra application: `run(config, overrides)` for one run, or for each of a multirun.

    A `UserError` of `run` comes back as it is, without Hydra's stack.
    """
    arguments = get_args_parser().parse_args()
    sys.argv[1:] = [word for word in sys.argv[1:] if word not in arguments.overrides] + _judged(arguments)[0]
    register_schema()
    failed: list[UserError] = []

    @hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="config")
    def application(node: DictConfig) -> None:
        settings = HydraConfig.get()
        try:
            typed = list(settings.overrides.task)
            run(_checked(node, settings.runtime.choices, typed), typed)
        except UserError as error:
            if settings.mode == RunMode.MULTIRUN:
                raise  # the launcher keeps the other runs going and reports; the run may be in another process
            failed.append(error)

    application()
    if failed:
        raise failed[0]


def refuse_wrong_settings(require: Callable[[RunConfig], None]) -> None:
    """Leave with a message when the command line of the Hydra application cannot be right; costs no import of torch.

    Args:
        require: raises a `UserError` where a run lacks what it needs. Not asked for a multirun: there each run speaks
            for itself, and the others go on.
    """
    arguments = get_args_parser().parse_args()
    try:
        _, config = _judged(arguments)
        if config is not None and not arguments.cfg:
            require(config)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _judged(arguments: Namespace) -> tuple[list[str], RunConfig | None]:
    """The command line's settings for Hydra, judged unless only help is asked for; and the run, where it is one."""
    if arguments.help or arguments.hydra_help or arguments.info or arguments.shell_completion:
        return list(arguments.overrides), None
    for_hydra, chosen = judge(arguments.overrides, sweep=arguments.multirun)
    return for_hydra, None if arguments.multirun else _checked(_compose(for_hydra), chosen, arguments.overrides)


def to_yaml(config: RunConfig) -> str:
    """The configuration as YAML, every setting with its value."""
    return OmegaConf.to_yaml(OmegaConf.create(asdict(config)))


@functools.cache
def register_schema() -> None:
    """Make the dataclasses known to Hydra, as ``/schema/<name>`` in conf/; once per process, it takes 30 ms."""
    store = ConfigStore.instance()
    store.store(name="run_schema", node=RunConfig)
    sections = {"model": ModelConfig, "task": TaskConfig, "recipe": RecipeConfig, "tracker": TrackerConfig}
    for name, node in {**sections, **METHODS}.items():
        store.store(group="schema", name=name, node=node)


def has_recipe(source: str, model: str, method: str, task: str) -> bool:
    """Whether a source gives every value that a recipe must have for (model, method, task)."""
    return source == "custom" or (
        (config_dir() / "recipe" / source / model / f"{method}.yaml").is_file()
        and not _not_given(source, model, method, task)
    )


def comes_with_the_suite(model: str) -> bool:
    """Whether a backbone is part of the package: studies of it run on generated data where no folder is given."""
    return str(_read(config_dir() / "model" / f"{model}.yaml").get("path")).startswith("package://")


def _compose(for_hydra: list[str]) -> DictConfig:
    register_schema()
    current = GlobalHydra.instance()
    outer, current.hydra = current.hydra, None  # we may be called inside a Hydra application
    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            return compose("config", overrides=for_hydra)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_one_line(error)) from error
    finally:
        current.hydra = outer


def _checked(node: DictConfig, chosen: Mapping[str, str], typed: Sequence[str]) -> RunConfig:
    _check_recipe_source(chosen.get("recipe", DEFAULT_RECIPE), chosen["model"], chosen["method"], chosen["task"])
    try:
        OmegaConf.resolve(node)  # ${oc.env:...} and the like
        missing = sorted(OmegaConf.missing_keys(node))
        if missing:
            raise ConfigError(f"{', '.join(missing)}: no value; set {' '.join(f'{key}=...' for key in missing)}")
        config = cast(RunConfig, OmegaConf.to_object(node))
    except OmegaConfBaseException as error:
        raise ConfigError(_one_line(error)) from error
    if config.model.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ConfigError(
            f"model.architecture: no {config.model.architecture!r}, choose from {known}"
            f"{did_you_mean(config.model.architecture, ARCHITECTURES)}"
        )
    _leave_other_kind_out(config, {item.partition("=")[0].lstrip("+") for item in typed})
    _check_kind_of_model(config)
    check(config)
    return config


def _leave_other_kind_out(config: RunConfig, typed: Collection[str]) -> None:
    """One recipe file serves both kinds of task on a decoder: what it says of the other kind (beams, a head's learning
    rate) does nothing here and goes back to the schema's default. What was typed stays, for `check` to refuse."""
    text = config.task.name in DATA_TO_TEXT_TASKS
    defaults = {item.name: item.default for item in fields(RecipeConfig)}
    for name in GLUE_SETTINGS if text else TEXT_SETTINGS:
        if f"recipe.{name}" not in typed:
            setattr(config.recipe, name, defaults[name])
    if not text and "task.validation_examples" not in typed:
        config.task.validation_examples = None


def _check_kind_of_model(config: RunConfig) -> None:
    """Texts are written by decoders; classes are told by all, but a decoder's head has no dropout."""
    decoder, text = ARCHITECTURES[config.model.architecture].decoder, config.task.name in DATA_TO_TEXT_TASKS
    if text and not decoder:
        fitting = ", ".join(name for name, entry in ARCHITECTURES.items() if entry.decoder)
        raise ConfigError(
            f"task={config.task.name} needs a decoder, but model={config.model.name} is an encoder "
            f"({config.model.architecture}): choose a model of type {fitting}"
        )
    if decoder and not text and config.recipe.classifier_dropout is not None:
        raise ConfigError(
            f"recipe.classifier_dropout={config.recipe.classifier_dropout}: the head of model={config.model.name}, a "
            "decoder, has no dropout; leave it out"
        )


def _check_recipe_source(source: str, model: str, method: str, task: str) -> None:
    """Refuse a source that is silent about this run: its name in a record would be untrue."""
    if has_recipe(source, model, method, task):
        return
    others = [other for other in choices("recipe") if other != "custom" and has_recipe(other, model, method, task)]
    have_one = f"recipe={' or recipe='.join(others)} has one" if others else "no source has one"
    by_hand = " ".join(f"recipe.{name}=..." for name in (*_mandatory(), "warmup_ratio"))
    raise ConfigError(
        f"recipe={source} has no entry for model={model} method={method} task={task}; {have_one}; "
        f"or set the values by hand: recipe=custom {by_hand}"
    )


@functools.cache
def _mandatory() -> tuple[str, ...]:
    """Values that every recipe must give, whatever its source."""
    return tuple(field.name for field in fields(RecipeConfig) if field.default == MISSING and field.name != "source")


@functools.cache
def _not_given(source: str, model: str, method: str, task: str) -> tuple[str, ...]:
    """Mandatory values that none of a source's three files gives."""
    folder = config_dir() / "recipe"
    given: dict[str, Any] = _read(folder / f"{source}.yaml")
    for path in (folder / source / model / f"{method}.yaml", folder / source / model / method / f"{task}.yaml"):
        given = {**given, **(_read(path).get("recipe") or {})}
    return tuple(name for name in _mandatory() if name not in given)


def _read(path: Path) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(path))) if path.is_file() else {}


def _one_line(error: BaseException) -> str:
    """Hydra's or OmegaConf's message and its cause's, without their line breaks and field dumps."""
    lines = []
    for link in (error, error.__cause__):
        lines += [line.strip() for line in str(link).splitlines()[:2] if link and "object_type" not in line]
    return "; ".join(dict.fromkeys(line for line in lines if line))

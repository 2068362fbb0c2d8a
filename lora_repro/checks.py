"""The rules that need more than a type: ranges, choices, and settings that must go together.

Each refusal is a `ConfigError` of one line with the values and the way out. Imports nothing heavy.
"""

import difflib
import math
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from lora_repro.config import (
    ADAPTER_ACTIVATIONS,
    CHECKPOINTS,
    DATA_SOURCES,
    DATA_TO_TEXT_TASKS,
    DEVICES,
    INITS,
    PRECISIONS,
    PREFIX_INITS,
    TRACKER_MODES,
    TRACKERS,
    WEIGHT_TYPES,
    AdapterConfig,
    AdapterDropConfig,
    LoRAConfig,
    LoRAPreEmbedConfig,
    LoRAPreLayerConfig,
    ModelConfig,
    PreEmbedConfig,
    PrefixKVConfig,
    PreLayerConfig,
    RecipeConfig,
    RunConfig,
    TaskConfig,
)
from lora_repro.errors import ConfigError

GLUE_SETTINGS = ("classifier_dropout", "head_lr")
TEXT_SETTINGS = ("label_smoothing", "beams", "length_penalty", "no_repeat_ngram", "max_new_tokens", "decode")
_TEXTS = f"data-to-text ({', '.join(DATA_TO_TEXT_TASKS)})"


def check(config: RunConfig) -> None:
    """Hold the rules that a type cannot express: ranges, choices, and what goes with what.

    Raises:
        ConfigError: the first rule that is broken, with the values at fault and the way out.
    """
    _one_of("precision", config.precision, PRECISIONS)
    _one_of("device", config.device, DEVICES)
    _at_least("seed", config.seed, 0)
    _at_least("threads", config.threads, 1)
    _at_least("save_every_minutes", config.save_every_minutes, 0)
    _one_of("tracker.name", config.tracker.name, TRACKERS)
    _one_of("tracker.mode", config.tracker.mode, TRACKER_MODES)
    _at_least("task.train_examples", config.task.train_examples, 1)
    _at_least("task.eval_examples", config.task.eval_examples, 1)
    _at_least("task.validation_examples", config.task.validation_examples, 1)
    if not config.data.sources:
        raise ConfigError(f"data.sources=[] leaves nowhere to read from: choose from {', '.join(DATA_SOURCES)}")
    for source in config.data.sources:
        _one_of("data.sources", source, DATA_SOURCES)
    if isinstance(config.method, LoRAConfig):
        _check_lora(config.method)
    if isinstance(config.method, AdapterConfig):
        _check_adapter(config.method)
    if isinstance(
        config.method, PreEmbedConfig | PreLayerConfig | PrefixKVConfig | LoRAPreEmbedConfig | LoRAPreLayerConfig
    ):
        _check_virtual_tokens(config.method, config.recipe, config.model)
    _check_recipe(config.recipe)
    _check_length(config.recipe, config.model)
    _check_kind(config.task, config.recipe)


def _check_lora(method: LoRAConfig) -> None:
    _at_least("method.r", method.r, 1)
    _above("method.alpha", method.alpha, 0)
    _fraction("method.dropout", method.dropout)
    _one_of("method.init", method.init, INITS)
    if not method.targets:
        raise ConfigError(f"method.targets=[] leaves LoRA nothing to adapt: choose from {', '.join(WEIGHT_TYPES)}")
    for target in method.targets:
        _one_of("method.targets", target, WEIGHT_TYPES)
        if method.targets.count(target) > 1:
            raise ConfigError(f"method.targets={_list(method.targets)} names {target} twice: once is enough")
    for target, rank in method.ranks.items():
        if target not in method.targets:
            raise ConfigError(
                f"method.ranks gives {target} the rank {rank}, but method.targets={_list(method.targets)} does not "
                f"adapt it: add {target} to method.targets or drop it from method.ranks"
            )
        _at_least(f"method.ranks.{target}", rank, 1)


def _check_adapter(method: AdapterConfig) -> None:
    _at_least("method.r", method.r, 1)
    _one_of("method.activation", method.activation, ADAPTER_ACTIVATIONS)
    _above("method.init_std", method.init_std, 0)
    if isinstance(method, AdapterDropConfig):
        _at_least("method.dropped", method.dropped, 0)


def _check_virtual_tokens(method: Any, recipe: RecipeConfig, model: ModelConfig) -> None:
    infix = getattr(method, "l_i", 0)
    _at_least("method.l_p", method.l_p, 0)
    _at_least("method.l_i", infix, 0)
    _at_least("method.reparametrisation", getattr(method, "reparametrisation", None), 1)
    _one_of("method.prefix_init", method.prefix_init, PREFIX_INITS)
    if method.l_p + infix < 1:
        also = " and method.l_i=0" if hasattr(method, "l_i") else ""
        raise ConfigError(f"method.l_p=0{also} leaves no virtual token to train: set method.l_p to 1 or more")
    limit = positions(model)
    if limit is not None and recipe.max_length + method.l_p + infix > limit:
        raise ConfigError(
            f"recipe.max_length={recipe.max_length} and {method.l_p + infix} virtual tokens are more than the {limit} "
            f"positions of model={model.name}: set recipe.max_length={limit - method.l_p - infix} or less"
        )


def _check_recipe(recipe: RecipeConfig) -> None:
    _above("recipe.lr", recipe.lr, 0)
    _above("recipe.head_lr", recipe.head_lr, 0)
    _at_least("recipe.epochs", recipe.epochs, 1)
    _at_least("recipe.batch_size", recipe.batch_size, 1)
    _at_least("recipe.grad_accumulation", recipe.grad_accumulation, 1)
    if recipe.batch_size % recipe.grad_accumulation:
        below = recipe.batch_size - recipe.batch_size % recipe.grad_accumulation
        near = f"{below} or {below + recipe.grad_accumulation}" if below else str(recipe.grad_accumulation)
        raise ConfigError(
            f"recipe.batch_size={recipe.batch_size} cannot be split into recipe.grad_accumulation="
            f"{recipe.grad_accumulation} equal parts: take a batch_size of {near}, or another grad_accumulation"
        )
    if recipe.warmup_ratio is not None and recipe.warmup_steps is not None:
        raise ConfigError(
            f"recipe.warmup_ratio={recipe.warmup_ratio} and recipe.warmup_steps={recipe.warmup_steps} are both set: "
            "turn one off with recipe.warmup_ratio=null or recipe.warmup_steps=null"
        )
    if recipe.warmup_ratio is None and recipe.warmup_steps is None:
        raise ConfigError(
            "recipe.warmup_ratio=null and recipe.warmup_steps=null: set one, e.g. recipe.warmup_ratio=0.06 "
            "(recipe.warmup_ratio=0 for no warm-up)"
        )
    if recipe.warmup_ratio is not None and not 0 <= recipe.warmup_ratio <= 1:
        raise ConfigError(f"recipe.warmup_ratio={recipe.warmup_ratio} must lie in [0, 1]: it is a part of all steps")
    _at_least("recipe.warmup_steps", recipe.warmup_steps, 0)
    _at_least("recipe.weight_decay", recipe.weight_decay, 0)
    _fraction("recipe.adam_beta1", recipe.adam_beta1)
    _fraction("recipe.adam_beta2", recipe.adam_beta2)
    _above("recipe.adam_eps", recipe.adam_eps, 0)
    _at_least("recipe.max_grad_norm", recipe.max_grad_norm, 0)
    _fraction("recipe.classifier_dropout", recipe.classifier_dropout)
    _fraction("recipe.backbone_dropout", recipe.backbone_dropout)
    _fraction("recipe.label_smoothing", recipe.label_smoothing)
    _at_least("recipe.beams", recipe.beams, 1)
    _at_least("recipe.max_new_tokens", recipe.max_new_tokens, 1)
    _one_of("recipe.decode", recipe.decode, CHECKPOINTS)
    if recipe.no_repeat_ngram < 0 or recipe.no_repeat_ngram == 1:
        raise ConfigError(f"recipe.no_repeat_ngram={recipe.no_repeat_ngram} must be 2 or more, or 0 for no such rule")


def _check_length(recipe: RecipeConfig, model: ModelConfig) -> None:
    _at_least(
        "recipe.max_length", recipe.max_length, 8
    )  # room for the special tokens of a pair, and a word on each side
    limit = positions(model)
    if limit is not None and recipe.max_length > limit:
        raise ConfigError(
            f"recipe.max_length={recipe.max_length} is more than the {limit} positions of model={model.name}: "
            f"set recipe.max_length={limit} or less"
        )


def _check_kind(task: TaskConfig, recipe: RecipeConfig) -> None:
    """Refuse settings that would do nothing with this kind of task."""
    text = task.name in DATA_TO_TEXT_TASKS
    given = {f"recipe.{name}": getattr(recipe, name) for name in (GLUE_SETTINGS if text else TEXT_SETTINGS)}
    defaults = {item.name: item.default for item in fields(RecipeConfig)}
    if not text:
        given["task.validation_examples"] = task.validation_examples
    for key, value in given.items():
        if value != defaults.get(key.partition(".")[2]):
            kind = f"classification, task={task.name} is data-to-text" if text else f"{_TEXTS}, task={task.name} is not"
            raise ConfigError(f"{key}={value} belongs to {kind}: leave it out")
    if text and recipe.max_new_tokens >= recipe.max_length:
        raise ConfigError(
            f"recipe.max_new_tokens={recipe.max_new_tokens} leaves no room for an input: it must be below "
            f"recipe.max_length={recipe.max_length}"
        )


def positions(model: ModelConfig) -> int | None:
    """Tokens that the backbone can number, special tokens included; None where `dims` does not say."""
    rows = model.dims.get("n_positions" if model.architecture == "gpt2" else "max_position_embeddings")
    if rows is None:
        return None
    # RoBERTa numbers positions from pad_token_id + 1 and leaves the rows below unused: 514 rows are 512 positions.
    return int(rows) - int(model.dims.get("pad_token_id", 1)) - 1 if model.architecture == "roberta" else int(rows)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``"; did you mean lora?"`` when one of `choices` is close to `word`, else an empty string."""
    plain = {choice.lower().replace("_", "").replace("-", ""): choice for choice in choices}
    close = difflib.get_close_matches(word.lower().replace("_", "").replace("-", ""), plain, n=1)
    return f"; did you mean {plain[close[0]]}?" if close else ""


def _one_of(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{key}: no {value!r}, choose from {', '.join(choices)}{did_you_mean(value, choices)}")


def _at_least(key: str, value: float | None, least: int) -> None:
    if value is not None and not (value >= least and math.isfinite(value)):
        raise ConfigError(f"{key}={value} must be at least {least}")


def _above(key: str, value: float | None, bound: int) -> None:
    if value is not None and not (value > bound and math.isfinite(value)):
        raise ConfigError(f"{key}={value} must be greater than {bound}")


def _fraction(key: str, value: float | None) -> None:
    if value is not None and not 0 <= value < 1:
        raise ConfigError(f"{key}={value} must lie in [0, 1): 0 turns it off")


def _list(names: list[str]) -> str:
    return f"[{','.join(names)}]"

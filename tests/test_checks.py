"""Cross-field checks: what a type cannot express."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lora_repro import config as schema
from lora_repro.checks import check, did_you_mean, positions
from lora_repro.config import RunConfig
from lora_repro.errors import ConfigError


def a_run() -> RunConfig:
    return RunConfig(
        model=schema.ModelConfig(
            name="tiny", architecture="roberta", dims={"max_position_embeddings": 130, "pad_token_id": 1}
        ),
        method=schema.LoRAConfig(
            name="lora", r=8, alpha=16, dropout=0.0, targets=["W_q", "W_v"], ranks={}, init="kaiming"
        ),
        task=schema.TaskConfig(name="rte"),
        recipe=schema.RecipeConfig(
            source="mini", lr=1e-3, epochs=3, batch_size=32, warmup_ratio=0.06, weight_decay=0.01, max_length=128
        ),
        tracker=schema.TrackerConfig(name="none"),
    )


def changed(node: Any, path: str, value: Any) -> Any:
    """A copy of `node` with the setting at `path` replaced."""
    first, _, rest = path.partition(".")
    return dataclasses.replace(node, **{first: changed(getattr(node, first), rest, value) if rest else value})


def test_a_sound_configuration_passes() -> None:
    check(a_run())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seed", -1, "seed=-1 must be at least 0"),
        (
            "recipe.label_smoothing",
            0.1,
            "recipe.label_smoothing=0.1 belongs to data-to-text (e2e, webnlg, dart, samsum, wikisql), task=rte",
        ),
        ("recipe.beams", 4, "recipe.beams=4 belongs to data-to-text"),
        ("recipe.no_repeat_ngram", 1, "recipe.no_repeat_ngram=1 must be 2 or more, or 0 for no such rule"),
        ("recipe.decode", "first", "recipe.decode: no 'first', choose from last, best"),
        ("recipe.backbone_dropout", 1.0, "recipe.backbone_dropout=1.0 must lie in [0, 1)"),
        ("task.validation_examples", 9, "task.validation_examples=9 belongs to data-to-text"),
        ("task.validation_examples", 0, "task.validation_examples=0 must be at least 1"),
        ("threads", 0, "threads=0 must be at least 1"),
        ("save_every_minutes", -1.0, "save_every_minutes=-1.0 must be at least 0"),
        ("precision", "fp16", "precision: no 'fp16', choose from auto, fp32, bf16; did you mean bf16?"),
        ("device", "gpu", "device: no 'gpu', choose from auto, cpu, cuda"),
        ("tracker.name", "wanb", "tracker.name: no 'wanb', choose from none, wandb; did you mean wandb?"),
        ("tracker.mode", "ofline", "did you mean offline?"),
        ("task.train_examples", 0, "task.train_examples=0 must be at least 1"),
        ("task.eval_examples", -5, "task.eval_examples=-5 must be at least 1"),
        ("data.sources", [], "data.sources=[] leaves nowhere to read from: choose from local, hub, embedded"),
        ("data.sources", ["locl"], "data.sources: no 'locl', choose from local, hub, embedded; did you mean local?"),
        ("data.sources", ["local", "embedded"], "generated data never stand in for real ones; ask for them alone"),
        ("method.r", 0, "method.r=0 must be at least 1"),
        ("method.alpha", 0.0, "method.alpha=0.0 must be greater than 0"),
        ("method.dropout", 1.0, "method.dropout=1.0 must lie in [0, 1)"),
        ("method.init", "kaming", "did you mean kaiming?"),
        ("method.targets", [], "method.targets=[] leaves LoRA nothing to adapt: choose from W_q, W_k"),
        ("method.targets", ["q_proj"], "method.targets: no 'q_proj', choose from W_q, W_k, W_v, W_o, W_fc1, W_fc2"),
        ("method.targets", ["wq"], "did you mean W_q?"),
        ("method.targets", ["W_q", "W_q"], "method.targets=[W_q,W_q] names W_q twice"),
        ("method.ranks", {"W_o": 2}, "method.ranks gives W_o the rank 2, but method.targets=[W_q,W_v]"),
        ("method.ranks", {"W_q": 0}, "method.ranks.W_q=0 must be at least 1"),
        ("recipe.lr", 0.0, "recipe.lr=0.0 must be greater than 0"),
        ("recipe.lr", float("nan"), "recipe.lr=nan must be greater than 0"),
        ("recipe.lr", float("inf"), "recipe.lr=inf must be greater than 0"),
        ("recipe.head_lr", -1e-3, "recipe.head_lr=-0.001 must be greater than 0"),
        ("recipe.epochs", 0, "recipe.epochs=0 must be at least 1"),
        ("recipe.batch_size", 0, "recipe.batch_size=0 must be at least 1"),
        ("recipe.grad_accumulation", 0, "recipe.grad_accumulation=0 must be at least 1"),
        ("recipe.grad_accumulation", 5, "take a batch_size of 30 or 35, or another grad_accumulation"),
        ("recipe.grad_accumulation", 64, "take a batch_size of 64, or another grad_accumulation"),
        ("recipe.warmup_steps", 10, "recipe.warmup_ratio=0.06 and recipe.warmup_steps=10 are both set"),
        ("recipe.warmup_ratio", None, "recipe.warmup_ratio=null and recipe.warmup_steps=null: set one"),
        ("recipe.warmup_ratio", 6.0, "recipe.warmup_ratio=6.0 must lie in [0, 1]"),
        ("recipe.weight_decay", -0.1, "recipe.weight_decay=-0.1 must be at least 0"),
        ("recipe.adam_beta1", 1.0, "recipe.adam_beta1=1.0 must lie in [0, 1)"),
        ("recipe.adam_beta2", -0.5, "recipe.adam_beta2=-0.5 must lie in [0, 1)"),
        ("recipe.adam_eps", 0.0, "recipe.adam_eps=0.0 must be greater than 0"),
        ("recipe.max_grad_norm", -1.0, "recipe.max_grad_norm=-1.0 must be at least 0"),
        ("recipe.classifier_dropout", 1.5, "recipe.classifier_dropout=1.5 must lie in [0, 1)"),
        ("recipe.max_length", 2, "recipe.max_length=2 must be at least 8"),
        ("recipe.max_length", 129, "recipe.max_length=129 is more than the 128 positions of model=tiny"),
    ],
)
def test_what_cannot_be_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(changed(a_run(), path, value))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("recipe.max_length", 128),
        ("recipe.grad_accumulation", 32),
        ("recipe.warmup_ratio", 0.0),
        ("recipe.max_grad_norm", 0.0),
        ("recipe.classifier_dropout", 0.0),
        ("method.ranks", {"W_q": 4}),
        ("method.targets", ["W_fc2"]),
        ("method", schema.BitFitConfig(name="bitfit")),
        ("threads", 1),
    ],
)
def test_limits_themselves_are_allowed(path: str, value: Any) -> None:
    check(changed(a_run(), path, value))


def test_settings_of_data_to_text_go_with_its_tasks() -> None:
    run = changed(a_run(), "task.name", "webnlg")
    for path, value in (("recipe.label_smoothing", 0.1), ("recipe.beams", 1), ("task.validation_examples", 9)):
        check(changed(run, path, value))
    with pytest.raises(ConfigError, match=r"recipe.head_lr=0.1 belongs to classification, task=webnlg is data-to-text"):
        check(changed(run, "recipe.head_lr", 0.1))
    with pytest.raises(ConfigError, match=r"recipe.max_new_tokens=128 leaves no room for an input"):
        check(changed(run, "recipe.max_new_tokens", 128))


def test_warmup_steps_alone() -> None:
    check(changed(changed(a_run(), "recipe.warmup_ratio", None), "recipe.warmup_steps", 0))


@pytest.mark.parametrize(
    ("architecture", "dims", "expected"),
    [
        ("roberta", {"max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ("bert", {"max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ("bert", {}, None),
    ],
)
def test_positions(architecture: str, dims: dict[str, int], expected: int | None) -> None:
    assert positions(schema.ModelConfig(name="x", architecture=architecture, dims=dims)) == expected


def test_did_you_mean() -> None:
    assert did_you_mean("roberta_base", ["roberta-base", "minilm-l6"]) == "; did you mean roberta-base?"
    assert did_you_mean("prefix", ["ft", "lora"]) == ""


def test_the_schema_names_no_machine() -> None:
    defaults = RunConfig()
    assert not any(Path(folder).is_absolute() for folder in (defaults.records, defaults.runs, defaults.data.cache))

"""Composition: who wins, recipes that exist, quoting, and what composing leaves behind."""

from pathlib import Path

import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

from lora_repro.compose import DEFAULT_RECIPE, compose_run, has_recipe, to_yaml
from lora_repro.config import LoRAConfig
from lora_repro.errors import ConfigError
from lora_repro.overrides import override
from tests.items import BY_HAND, MINI


def test_precedence_is_schema_then_recipe_then_command_line() -> None:
    assert compose_run(MINI).recipe.max_grad_norm == 1.0  # the schema's
    official = ["model=deberta-v2-xxlarge", "method=lora", "task=rte", "recipe=official"]
    config = compose_run(official)
    assert isinstance(config.method, LoRAConfig)
    assert config.method.r == 16  # of the recipe for (model, method), over method/lora.yaml's 8
    assert config.recipe.weight_decay == 0.01  # of the recipe for the task, over the source's 0.1
    assert config.recipe.pad_to_max_length  # of the source, over the schema's false
    typed = compose_run([*official, "method.r=2", "recipe.weight_decay=0.3", "recipe.pad_to_max_length=false"])
    assert isinstance(typed.method, LoRAConfig)
    assert (typed.method.r, typed.recipe.weight_decay, typed.recipe.pad_to_max_length) == (2, 0.3, False)


def test_the_suites_own_backbones_learn_from_a_part_of_a_large_task() -> None:
    items = ["model=roberta-mini", "method=ft", "task=mnli"]
    assert compose_run([*items, "recipe=mini"]).task.train_examples == 10_000
    assert compose_run([*items, "recipe=mini", "task.train_examples=null"]).task.train_examples is None
    assert compose_run([*items, *BY_HAND]).task.train_examples is None  # the limit is that recipe's
    assert compose_run([*items[:2], "task=rte", "recipe=mini"]).task.train_examples is None
    assert compose_run(["model=minilm-l6", *items[1:], "recipe=mini"]).task.train_examples is None


def test_a_decoders_recipe_serves_both_kinds_of_task() -> None:
    """What it says of texts does nothing on a classification: left out there, unless it was typed."""
    chosen = ["model=gpt2-mini", "method=lora", "recipe=mini"]
    texts, classes = (compose_run([*chosen, f"task={task}"]) for task in ("samsum", "rte"))
    assert (texts.recipe.beams, texts.recipe.label_smoothing, texts.task.validation_examples) == (4, 0.1, 500)
    assert (classes.recipe.beams, classes.recipe.label_smoothing, classes.task.validation_examples) == (10, 0.0, None)
    assert (classes.recipe.lr, classes.task.train_examples) == (texts.recipe.lr, texts.task.train_examples)
    with pytest.raises(ConfigError, match=r"recipe\.beams=4 belongs to data-to-text"):
        compose_run([*chosen, "task=mnli", "recipe.beams=4"])


def test_the_order_of_items_does_not_matter() -> None:
    assert compose_run(["recipe.lr=7e-4", *reversed(MINI)]) == compose_run([*MINI, "recipe.lr=7e-4"])


def test_the_default_recipe_is_the_one_in_conf() -> None:
    config = compose_run(["model=roberta-base", "method=lora", "task=rte"])
    assert config.recipe.source == DEFAULT_RECIPE == "paper"


@pytest.mark.parametrize(
    ("source", "model", "method", "task", "expected"),
    [
        ("paper", "roberta-base", "lora", "rte", True),
        ("paper", "roberta-large", "ft", "qqp", True),
        ("official", "roberta-large", "ft", "qqp", False),
        ("paper", "roberta-base", "lora", "wnli", False),  # the method's file exists, but gives no learning rate
        ("mini", "minilm-l6", "bitfit", "wnli", True),
        ("custom", "roberta-base", "bitfit", "wnli", True),
    ],
)
def test_has_recipe(source: str, model: str, method: str, task: str, expected: bool) -> None:
    assert has_recipe(source, model, method, task) is expected


def test_values_by_hand() -> None:
    config = compose_run(["model=roberta-base", "method=bitfit", "task=wnli", *BY_HAND])
    assert (config.recipe.source, config.recipe.epochs) == ("custom", 1)


def test_keys_inside_a_dict_need_no_plus() -> None:
    config = compose_run([*MINI, "method.ranks.W_q=4", "model.dims.hidden_size=32"])
    assert isinstance(config.method, LoRAConfig)
    assert config.method.ranks == {"W_q": 4}
    assert (config.model.dims["hidden_size"], config.model.dims["num_hidden_layers"]) == (32, 6)


@pytest.mark.parametrize(
    "folder", ["/plain", "/with blank", "/a(b)[c]{d},e=f", "/it's", "C:\\data\\'x", "ends\\", "~/$HOME"]
)
def test_override_quotes_what_hydra_would_misread(folder: str) -> None:
    assert compose_run([*MINI, override("data.dir", folder)]).data.dir == folder


def test_override_of_other_values() -> None:
    config = compose_run([*MINI, override("recipe.epochs", 7), override("recipe.head_lr", None)])
    assert (config.recipe.epochs, config.recipe.head_lr) == (7, None)


def test_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = compose_run(MINI)
    monkeypatch.chdir(tmp_path)
    assert compose_run(MINI) == here
    assert not list(tmp_path.iterdir())


def test_composing_leaves_hydra_as_it_was() -> None:
    assert not GlobalHydra.instance().is_initialized()
    compose_run(MINI)
    with pytest.raises(ConfigError):
        compose_run([*MINI, "seed=${oc.env:SURELY_NOT_SET}"])
    assert not GlobalHydra.instance().is_initialized()


def test_to_yaml_reads_back() -> None:
    config = compose_run([*MINI, "seed=3"])
    read = yaml.safe_load(to_yaml(config))
    assert (read["seed"], read["method"]["targets"], read["recipe"]["lr"]) == (3, ["W_q", "W_v"], config.recipe.lr)

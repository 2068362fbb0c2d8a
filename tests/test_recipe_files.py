"""Every file of conf/ composes, and the recipes are those that the paper and the authors' code have."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from lora_repro.checks import positions
from lora_repro.compose import compose_run, has_recipe
from lora_repro.config import DATA_TO_TEXT_TASKS, BitFitConfig, FTConfig, LoRAConfig
from lora_repro.models.architectures import ARCHITECTURES
from lora_repro.overrides import GROUPS, METHODS, choices, config_dir
from tests.items import BY_HAND, MINI

LIMITS = "limits"  # beside the sources: what part of a large task one of them learns from
RECIPE_FILES = sorted(
    path.relative_to(config_dir() / "recipe")
    for path in config_dir().glob("recipe/*/*/**/*.yaml")
    if path.relative_to(config_dir()).parts[1] != LIMITS
)


def heads(model: str) -> tuple[str, ...]:
    """Of a model of conf/: none if it is a decoder."""
    values = yaml.safe_load((config_dir() / "model" / f"{model}.yaml").read_text())
    return ARCHITECTURES[values["architecture"]].heads


def composed(path: Path) -> list[str]:
    """Items that make Hydra read this file of conf/."""
    group, *rest = path.relative_to(config_dir()).with_suffix("").parts
    if group == "config":
        return MINI
    if group != "recipe":
        chosen = {"model": "minilm-l6", "method": "ft", "task": "rte", group: rest[0]}
        decodes = rest[0] in DATA_TO_TEXT_TASKS or (group == "model" and not heads(rest[0]))
        if decodes:
            chosen = {"model": "gpt2", "method": "ft", "task": "e2e", group: rest[0]}
        return [*(f"{name}={choice}" for name, choice in chosen.items()), *BY_HAND]
    if len(rest) == 1:
        if rest[0] == "custom":
            return [*MINI[:3], *BY_HAND]
        source = next(file for file in RECIPE_FILES if file.parts[0] == rest[0])
        return composed(config_dir() / "recipe" / source)
    if rest[0] == LIMITS:
        _, source, model, task_name = rest
        return [f"recipe={source}", f"model={model}", "method=lora", f"task={task_name}"]
    source, model, method, *task = rest
    served = [task for task in choices("task") if (task in DATA_TO_TEXT_TASKS) is not bool(heads(model))]
    tasks = task or [task for task in served if has_recipe(source, model, method, task)][:1]
    return [f"recipe={source}", f"model={model}", f"method={method}", f"task={tasks[0]}"]


def test_every_file_of_conf_composes() -> None:
    apart = ("studies", "launcher")  # not of Hydra's: lora_repro.studies reads them, tests/studies checks them
    files = [path for path in sorted(config_dir().rglob("*.yaml")) if path.parent.name not in apart]
    for path in files:
        items = composed(path)
        config = compose_run(items)
        limit = positions(config.model)
        assert limit is not None and config.recipe.max_length <= limit, path
        values = yaml.safe_load(path.read_text())
        if path.parent.parent == config_dir() and path.parent.name != "recipe":
            name = getattr(config, path.parent.name).name
            assert name == values["name"] == path.stem, f"{path}: the name is not the file's"
        elif path.parent == config_dir() / "recipe":
            assert config.recipe.source == values["source"] == path.stem, f"{path}: the source is not the file's"
        else:  # a recipe's own values must arrive, unless a task's file overrules the method's
            overruled = path.with_suffix("") / f"{config.task.name}.yaml"
            later = yaml.safe_load(overruled.read_text()) if overruled.is_file() else {}
            for section in ("recipe", "method", "task"):
                for key, value in (values.get(section) or {}).items():
                    if key not in (later.get(section) or {}):
                        assert getattr(getattr(config, section), key) == value, f"{path}: {section}.{key}"
    kinds = {group: len(list((config_dir() / group).rglob("*.yaml"))) for group in GROUPS}
    recipes = EXPECTED_RECIPES + sum(EXPECTED_LIMITS.values())
    assert kinds == {"model": 11, "method": len(METHODS), "task": 14, "recipe": recipes, "tracker": 2}
    assert len(files) == sum(kinds.values()) + 1


EXPECTED_RECIPES_OF = {
    "mini": {"gpt2-mini": 21, "minilm-l6": 15, "roberta-mini": 13, "smollm2-135m": 12},
    "official": {"deberta-v2-xxlarge": 9, "gpt2-medium": 2, "roberta-base": 9, "roberta-large": 13},
    "paper": {"deberta-v2-xxlarge": 9, "gpt2-large": 16, "gpt2-medium": 22, "roberta-base": 12, "roberta-large": 37},
}
EXPECTED_LIMITS = {"gpt2-mini": 4, "roberta-mini": 4}
EXPECTED_RECIPES = 4 + sum(sum(of.values()) for of in EXPECTED_RECIPES_OF.values())  # four: the sources' own


def test_every_choice_of_a_method_has_its_own_class() -> None:
    assert set(choices("method")) == set(METHODS)
    for name, kind in (("ft", FTConfig), ("bitfit", BitFitConfig), ("lora", LoRAConfig)):
        assert type(compose_run(["model=minilm-l6", f"method={name}", "task=rte", "recipe=mini"]).method) is kind


def test_every_recipe_file_opens_with_its_source_and_the_papers_value() -> None:
    assert len(RECIPE_FILES) == EXPECTED_RECIPES - 4
    for file in RECIPE_FILES:
        text = (config_dir() / "recipe" / file).read_text()
        comments = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
        assert text.startswith("# @package _global_\n"), file
        if file.parts[0] == "mini":
            continue
        if elsewhere := re.search(r"See \.\./(\w+\.yaml): one setting for all three tasks", comments):
            comments = (config_dir() / "recipe" / file.parent.parent / elsewhere[1]).read_text()
        assert "Source:" in comments, file
        if len(file.parts) == 4:
            assert re.search(r"Expected( \(Table \d+(, all)?\))?: (BLEU )?\d\d\.\d", comments), file


def test_recipes_are_the_collected_ones() -> None:
    """Every value against the collection that the recipes were written from, where it is at hand."""
    shared = os.environ.get("LORA_REPRO_SHARED")
    if not shared:
        pytest.skip("LORA_REPRO_SHARED is not set: no collection of recipes to compare with")
    collected = json.loads((Path(shared) / "paper" / "recipes.json").read_text())["recipes"]
    models = {"RoBERTa base": "roberta-base", "RoBERTa large": "roberta-large", "DeBERTa XXL": "deberta-v2-xxlarge"}
    compared = 0
    for entry in collected:
        if entry["method"] != "LoRA" or entry["model"] not in models:
            continue
        task = entry["task"].lower().replace("-", "")
        where = [f"model={models[entry['model']]}", "method=lora", f"task={task}"]
        scripted, printed = compose_run([*where, "recipe=official"]), compose_run([*where, "recipe=paper"])
        assert isinstance(scripted.method, LoRAConfig) and isinstance(printed.method, LoRAConfig)
        recipe = scripted.recipe
        assert {
            "lr": recipe.lr,
            "effective_batch_as_scripted": recipe.batch_size,
            "epochs": recipe.epochs,
            "warmup_ratio": recipe.warmup_ratio,
            "warmup_steps": recipe.warmup_steps,
            "max_seq_len": recipe.max_length,
            "weight_decay": recipe.weight_decay,
            "lora_r": scripted.method.r,
            "lora_alpha": scripted.method.alpha,
            "lora_dropout": scripted.method.dropout,
            "cls_dropout": recipe.classifier_dropout,
        }.items() <= entry.items(), where
        paper = entry["paper_values"]
        assert (
            printed.recipe.batch_size,
            printed.recipe.epochs,
            printed.recipe.lr,
            printed.recipe.max_length,
            printed.recipe.warmup_ratio,
            printed.recipe.weight_decay,
            printed.recipe.classifier_dropout,
            printed.method.alpha,
        ) == (
            paper["batch_size"],
            paper["epochs"],
            paper["lr"],
            paper["max_seq_len"],
            paper["warmup_ratio"],
            paper.get("weight_decay", 0.1),
            paper.get("cls_dropout"),
            paper["alpha"],
        ), where
        compared += 1
    assert compared == 24

"""Recipes against the collection of the paper's and the official scripts' values that they were written from."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lora_repro.compose import compose_run
from lora_repro.config import LoRAConfig


def collected() -> list[dict[str, Any]]:
    shared = os.environ.get("LORA_REPRO_SHARED")
    if not shared:
        pytest.skip("LORA_REPRO_SHARED is not set: no collection of recipes to compare with")
    return json.loads((Path(shared) / "paper" / "recipes.json").read_text())["recipes"]


def test_recipes_are_the_collected_ones() -> None:
    """Every value against the collection that the recipes were written from, where it is at hand."""
    models = {"RoBERTa base": "roberta-base", "RoBERTa large": "roberta-large", "DeBERTa XXL": "deberta-v2-xxlarge"}
    compared = 0
    for entry in collected():
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


@pytest.mark.parametrize(
    ("row", "source", "method"),
    [
        ("LoRA†", "paper_dagger", "lora"),
        ("Adpt^P (3M)†", "paper_dagger", "adapter_p"),
        ("Adpt^P (0.8M)†", "paper_dagger_small", "adapter_p"),
        ("Adpt^H (6M)†", "paper_dagger", "adapter_h"),
        ("Adpt^H (0.8M)†", "paper_dagger_small", "adapter_h"),
    ],
)
def test_rows_with_a_dagger_are_the_collected_ones(row: str, source: str, method: str) -> None:
    entries = [entry for entry in collected() if entry["method"] == row]
    assert len(entries) == 8
    for entry in entries:
        task = entry["task"].lower().replace("-", "")
        config = compose_run(["model=roberta-large", f"method={method}", f"task={task}", f"recipe={source}"])
        assert {
            "lr": config.recipe.lr,
            "batch_size_printed": config.recipe.batch_size,
            "epochs": config.recipe.epochs,
            "max_seq_len": config.recipe.max_length,
            "warmup_ratio": config.recipe.warmup_ratio,
            "lora_alpha": getattr(config.method, "alpha", None),
            "lora_r" if method == "lora" else "bottleneck": config.method.r,
        }.items() <= entry.items(), (row, task)


@pytest.mark.parametrize(("row", "method"), [("Adapter^P (0.8M)", "adapter_p"), ("Adapter^H (0.8M)", "adapter_h")])
def test_the_two_adapter_scripts_are_the_collected_ones(row: str, method: str) -> None:
    (entry,) = [entry for entry in collected() if entry["method"] == row]
    config = compose_run(["model=roberta-large", f"method={method}", "task=mnli", "recipe=official"])
    assert {
        "lr": config.recipe.lr,
        "effective_batch_as_scripted": config.recipe.batch_size,
        "epochs": config.recipe.epochs,
        "max_seq_len": config.recipe.max_length,
        "warmup_ratio": config.recipe.warmup_ratio,
        "weight_decay": config.recipe.weight_decay,
        "adapter_size": config.method.r,
    }.items() <= entry.items()
    assert config.method.activation in entry["architecture"].lower() and config.method.init_std == 0.02

"""conf/recipe against the collected facts: every value of every GLUE entry of paper/recipes.json, printed and scripted.

The files are merged here by hand (source, method, task); test_recipe_files holds composition to it.
"""

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lora_repro.overrides import config_dir
from lora_repro.studies.files import Part, read

MODELS = {"RoBERTa base": "roberta-base", "RoBERTa large": "roberta-large", "DeBERTa XXL": "deberta-v2-xxlarge"}
TASKS = {
    "MNLI": "mnli",
    "SST-2": "sst2",
    "MRPC": "mrpc",
    "CoLA": "cola",
    "QNLI": "qnli",
    "QQP": "qqp",
    "RTE": "rte",
    "STS-B": "stsb",
}
DAGGER = {
    "LoRA†": ("lora", "LoRA dagger"),
    "Adpt^P (3M)†": ("adapter_p", "Adapter^P (3.0M) dagger"),
    "Adpt^P (0.8M)†": ("adapter_p", "Adapter^P (0.8M) dagger"),
    "Adpt^H (6M)†": ("adapter_h", "Adapter^H (6.0M) dagger"),
    "Adpt^H (0.8M)†": ("adapter_h", "Adapter^H (0.8M) dagger"),
}
SCRIPTED = {"LoRA": "lora", "Adapter^H (0.8M)": "adapter_h", "Adapter^P (0.8M)": "adapter_p"}
OURS = {
    "lr": "lr",
    "epochs": "epochs",
    "max_seq_len": "max_length",
    "warmup_ratio": "warmup_ratio",
    "warmup_steps": "warmup_steps",
    "weight_decay": "weight_decay",
    "cls_dropout": "classifier_dropout",
}
"""The facts' names of what a recipe says."""

Values = dict[str, Any]


@pytest.fixture(scope="module")
def facts(shared: Path) -> list[Values]:
    return json.loads((shared / "paper" / "recipes.json").read_text())["recipes"]


@cache
def values(source: str, model: str, method: str, task: str) -> tuple[Values, Values]:
    """Recipe and method as the files say, the later the stronger."""
    root = config_dir()
    folder = root / "recipe" / source / model
    recipe = _load(root / "recipe" / f"{source}.yaml")
    settings = _load(root / "method" / f"{method}.yaml")
    for path in (folder / f"{method}.yaml", folder / method / f"{task}.yaml"):
        recipe |= _load(path).get("recipe") or {}
        settings |= _load(path).get("method") or {}
    return recipe, settings


def _load(path: Path) -> Values:
    return yaml.safe_load(path.read_text()) if path.is_file() else {}


def compare(entry: Values, recipe: Values, method: Values, batch: int, keys: Values) -> None:
    where = f"{entry['model']} {entry['method']} {entry['task']}"
    assert recipe["batch_size"] == batch, where
    for theirs, ours in keys.items():
        if entry.get(theirs) is not None:
            assert recipe.get(ours) == pytest.approx(entry[theirs]), f"{where}: {theirs}"
    rank = entry.get("lora_r") or entry.get("bottleneck") or entry.get("adapter_size")
    if rank is not None:
        assert method["r"] == rank, where
    if entry.get("lora_alpha") is not None:
        assert method["alpha"] == entry["lora_alpha"], where
    if entry.get("lora_dropout") is not None:
        assert method["dropout"] == entry["lora_dropout"], where


def test_official_recipes_are_the_scripts(facts: list[Values]) -> None:
    seen: Counter[str] = Counter()
    for entry in facts:
        if entry["model"] in MODELS and entry["method"] in SCRIPTED and "effective_batch_as_scripted" in entry:
            recipe, method = values("official", MODELS[entry["model"]], SCRIPTED[entry["method"]], TASKS[entry["task"]])
            compare(entry, recipe, method, entry["effective_batch_as_scripted"], OURS)
            if entry.get("warmup_steps") is None:
                assert recipe.get("warmup_steps") is None
            seen[entry["method"]] += 1
    assert seen == {"LoRA": 24, "Adapter^H (0.8M)": 1, "Adapter^P (0.8M)": 1}


def test_paper_recipes_are_what_is_printed(facts: list[Values]) -> None:
    seen = 0
    for entry in facts:
        if entry["model"] in MODELS and entry["method"] == "LoRA":
            printed = {**entry, **entry["paper_values"]}
            rank = re.fullmatch(r"rq=rv=(\d+)", printed["lora"])
            assert rank is not None
            told = {**entry["paper_values"], "model": entry["model"], "method": "LoRA", "task": entry["task"]}
            told |= {"lora_r": int(rank[1]), "lora_alpha": printed["alpha"], "lora_dropout": 0.0}
            recipe, method = values("paper", MODELS[entry["model"]], "lora", TASKS[entry["task"]])
            compare(told, recipe, method, printed["batch_size"], OURS)
            assert recipe.get("warmup_steps") is None
            seen += 1
    assert seen == 24


def test_the_dagger_rows_are_table2s(facts: list[Values]) -> None:
    """Recipe and study together: the study has what differs from the row without dagger or from the larger size."""
    parts = {part.row: part for part in read("table2").parts_for("roberta-large")}
    seen = 0
    for entry in facts:
        if entry["model"] == "RoBERTa large" and entry["method"] in DAGGER:
            method_name, row = DAGGER[entry["method"]]
            task = TASKS[entry["task"]]
            recipe, method = with_part(parts[row], task, *values("paper", "roberta-large", method_name, task))
            compare(entry, recipe, method, entry["batch_size_printed"], OURS)
            assert parts[row].init_from is None
            seen += 1
    assert seen == 5 * 8


def with_part(part: Part, task: str, recipe: Values, method: Values) -> tuple[Values, Values]:
    """The values with a study's own settings over them."""
    sections = {"recipe": dict(recipe), "method": dict(method)}
    for item in (*part.set, *part.by_task.get(task, ())):
        key, _, value = item.partition("=")
        section, _, name = key.partition(".")
        sections[section][name] = float(value) if "e-" in value else yaml.safe_load(value)
    return sections["recipe"], sections["method"]


def test_fine_tuning_of_the_large_model_is_fairseqs(facts: list[Values]) -> None:
    seen = 0
    for entry in facts:
        if entry["model"] == "RoBERTa large" and entry["method"] == "FT":
            recipe, _ = values("paper", "roberta-large", "ft", TASKS[entry["task"]])
            compare({**entry, "warmup_steps": entry["warmup_updates"]}, recipe, {}, entry["batch_size"], OURS)
            assert (recipe["adam_beta2"], recipe["adam_eps"], recipe["max_grad_norm"]) == (0.98, 1e-6, 0.0)
            seen += 1
    assert seen == 8


@pytest.mark.parametrize("source", ["paper", "official"])
def test_every_file_says_source_expectation_and_what_differs(source: str) -> None:
    files = [path for model in MODELS.values() for path in (config_dir() / "recipe" / source / model).rglob("*.yaml")]
    for path in files:
        head = " ".join(line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("#"))
        assert "Source:" in head, path
        if path.parent.parent.parent.name == source:  # of one task
            assert "Expected (Table 2): " in head, path
            if path.parent.name == "lora":
                assert re.search(r"Expected \(Table 2\): \d\d\.\d \+- \d\.\d", head), path
                assert ("Official code" in head) if source == "paper" else ("The paper prints" in head), path
    assert len(files) == {"paper": 58, "official": 31}[source]

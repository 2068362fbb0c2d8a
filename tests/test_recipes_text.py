"""The recipes of data-to-text against the collection that they were written from."""

import json
import os
from pathlib import Path

import pytest

from lora_repro.compose import compose_run, config_dir, has_recipe
from lora_repro.config import LoRAConfig


def test_recipes_of_data_to_text_are_the_collected_ones() -> None:
    shared = os.environ.get("LORA_REPRO_SHARED")
    if not shared:
        pytest.skip("LORA_REPRO_SHARED is not set: no collection of recipes to compare with")
    collected = json.loads((Path(shared) / "paper" / "recipes.json").read_text())["recipes"]
    models = {"GPT-2 medium": "gpt2-medium", "GPT-2 large": "gpt2-large"}
    compared = 0
    for entry in collected:
        if entry["method"] != "LoRA" or entry["model"] not in models:
            continue
        where = [f"model={models[entry['model']]}", "method=lora", f"task={entry['task'].lower()}"]
        scripted = entry["source"].startswith("official")
        for source in ("official", "paper") if scripted else ("paper",):
            config = compose_run([*where, f"recipe={source}"])
            assert isinstance(config.method, LoRAConfig)
            recipe = config.recipe
            assert {
                "lr": recipe.lr,
                "batch_size": recipe.batch_size,
                "epochs": recipe.epochs,
                "warmup_steps": recipe.warmup_steps,
                "weight_decay": recipe.weight_decay,
                "lora_r": config.method.r,
                "lora_alpha": config.method.alpha,
                "lora_dropout": config.method.dropout,
                "label_smoothing": recipe.label_smoothing,
                "seq_len": recipe.max_length,
                "beam": recipe.beams,
                "no_repeat_ngram": recipe.no_repeat_ngram,
            }.items() <= entry.items(), where
            penalties = entry["length_penalty"].split(" / ")  # "README 0.8 / paper 0.9", or one for both
            assert float(penalties[0 if source == "official" else -1].split()[-1]) == recipe.length_penalty
            assert (recipe.adam_eps, recipe.adam_eps_uncorrected, recipe.max_grad_norm) == (1e-6, True, 0.0)
            assert (recipe.backbone_dropout, recipe.decode) == (0.0, "last" if source == "official" else "best")
            compared += 1
    assert compared == 7


@pytest.mark.parametrize("model", ["smollm2-135m", "gpt2-medium", "gpt2-large"])
def test_every_recipe_file_of_a_decoder_composes(model: str) -> None:
    found = 0
    for source in ("paper", "official", "mini"):
        for file in (config_dir() / "recipe" / source / model).glob("*.yaml"):
            for task in ("e2e", "webnlg", "dart"):
                if has_recipe(source, model, file.stem, task):
                    compose_run([f"model={model}", f"method={file.stem}", f"task={task}", f"recipe={source}"])
                    found += 1
            assert not has_recipe(source, model, file.stem, "rte") or source == "mini"
    assert found >= 12

"""Composition: every file of conf/, who wins, recipes, and the Hydra application."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

from lora_repro.checks import positions
from lora_repro.compose import DEFAULT_RECIPE, compose_run, has_recipe, to_yaml
from lora_repro.config import DATA_TO_TEXT_TASKS, BitFitConfig, FTConfig, LoRAConfig
from lora_repro.errors import ConfigError
from lora_repro.models.architectures import ARCHITECTURES
from lora_repro.overrides import GROUPS, METHODS, choices, config_dir, override

MINI = ["model=minilm-l6", "method=lora", "task=rte", "recipe=mini"]
BY_HAND = [
    "recipe=custom",
    "recipe.lr=1e-3",
    "recipe.epochs=1",
    "recipe.batch_size=8",
    "recipe.weight_decay=0",
    "recipe.max_length=128",
    "recipe.warmup_ratio=0",
]
RECIPE_FILES = sorted(path.relative_to(config_dir() / "recipe") for path in config_dir().glob("recipe/*/*/**/*.yaml"))


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
            for section in ("recipe", "method"):
                for key, value in (values.get(section) or {}).items():
                    if key not in (later.get(section) or {}):
                        assert getattr(getattr(config, section), key) == value, f"{path}: {section}.{key}"
    kinds = {group: len(list((config_dir() / group).rglob("*.yaml"))) for group in GROUPS}
    assert kinds == {"model": 11, "method": len(METHODS), "task": 14, "recipe": EXPECTED_RECIPES, "tracker": 2}
    assert len(files) == sum(kinds.values()) + 1


EXPECTED_RECIPES_OF = {
    "mini": {"gpt2-mini": 21, "minilm-l6": 13, "roberta-mini": 13, "smollm2-135m": 12},
    "official": {"deberta-v2-xxlarge": 9, "gpt2-medium": 2, "roberta-base": 9, "roberta-large": 13},
    "paper": {"deberta-v2-xxlarge": 9, "gpt2-large": 16, "gpt2-medium": 22, "roberta-base": 12, "roberta-large": 37},
}
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


APPLICATION = """
import sys
from lora_repro.compose import hydra_application
from lora_repro.errors import DataError, UserError

def run(config, overrides):
    if config.seed == 13:
        raise DataError("train.tsv line 13: unlucky")
    print("ran", config.task.name, config.seed, sorted(overrides))

try:
    hydra_application(run)
except UserError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


def application(tmp_path: Path, *items: str) -> subprocess.CompletedProcess[str]:
    """The Hydra application with a run that only prints."""
    (tmp_path / "application.py").write_text(APPLICATION)
    command = [sys.executable, "application.py", *items]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)


def test_the_hydra_application_runs_and_leaves_no_files(tmp_path: Path) -> None:
    done = application(tmp_path, *MINI, "seed=3")
    assert done.returncode == 0, done.stderr
    assert f"ran rte 3 {sorted([*MINI, 'seed=3'])}" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"application.py"}


def test_the_hydra_application_over_several_values(tmp_path: Path) -> None:
    done = application(tmp_path, "--multirun", *MINI[:2], "task=rte,mrpc", "recipe=mini", "seed=range(2)")
    assert done.returncode == 0, done.stderr
    ran = [line[:10].strip() for line in done.stdout.splitlines() if line.startswith("ran")]
    assert ran == ["ran rte 0", "ran rte 1", "ran mrpc 0", "ran mrpc 1"]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([*MINI, "method.rank=4"], "error: no setting method.rank"),
        ([*MINI, "seed=0,1"], "error: seed=0,1: one run takes one value"),
        ([*MINI, "recipe.warmup_steps=5"], "are both set"),
        (["--multirun", *MINI[:2], "task=rte,mprc"], "error: task: no 'mprc'"),
        ([*MINI, "seed=13"], "error: train.tsv line 13: unlucky"),
    ],
)
def test_the_hydra_application_says_what_is_wrong_in_one_line(tmp_path: Path, items: list[str], message: str) -> None:
    done = application(tmp_path, *items)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert "ran" not in done.stdout

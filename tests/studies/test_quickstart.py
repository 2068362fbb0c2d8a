"""The verb quickstart without training: its plan, where it writes, what it refuses."""

import os
from pathlib import Path

import pytest

from lora_repro import records
from lora_repro.compose import compose_run
from lora_repro.errors import ConfigError
from lora_repro.overrides import METHODS
from lora_repro.studies import quickstart


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder of its own; what `stay_here` sets is taken back."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.chdir(tmp_path)


def planned(*arguments: str):  # type: ignore[no-untyped-def]
    return [config for _, config in quickstart.plan(quickstart.parser().parse_args(arguments))]


def test_every_method_on_every_backbone_and_task(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(quickstart.METHODS) == list(METHODS)
    few = ("ft", "lora", "prefix_kv")  # composing takes a third of a second: test_recipe_files has every recipe
    monkeypatch.setattr(quickstart, "METHODS", few)
    configs = planned()
    wanted = {(part.model, task, method) for part in quickstart.PARTS for task in part.tasks for method in few}
    assert {(config.model.name, config.task.name, config.method.name) for config in configs} == wanted
    assert len(configs) == len(wanted)
    assert all(config.data.generated and config.recipe.source == "mini" for config in configs)
    assert all(Path(config.records).is_relative_to("runs") for config in configs)
    assert all(quickstart.cost(config) > 0 for config in configs)


def test_runs_are_what_composing_gives() -> None:
    config = next(c for c in planned("--methods=lora", "--out=x") if c.task.name == quickstart.PARTS[0].tasks[0])
    items = [
        f"model={config.model.name}", "method=lora", f"task={config.task.name}", "recipe=mini",
        "data.sources=[embedded]", "device=cpu", *quickstart.PARTS[0].settings,
    ]  # fmt: skip
    assert records.identity(config) == records.identity(compose_run(items))
    assert config.records == str(Path("x", "records"))


def test_settings_of_the_command_line_win() -> None:
    configs = planned("--methods=bitfit", "--tasks=sst2", "task.train_examples=7", "recipe.epochs=1")
    assert [(c.method.name, c.task.name, c.task.train_examples) for c in configs] == [("bitfit", "sst2", 7)]


def test_libraries_keep_to_the_cache_and_off_the_network(tmp_path: Path) -> None:
    quickstart.stay_here(Path(".cache"))
    for name in ("HF_HOME", "MPLCONFIGDIR", "WANDB_DIR", "XDG_CACHE_HOME"):
        place = Path(os.environ[name])
        assert place.is_dir()
        assert place.is_relative_to(tmp_path / ".cache")
    assert os.environ["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize("arguments", [["--tasks=wnli"], ["--methods=lorra"], ["--tasks=sst2", "seeds=1"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(ConfigError):
        planned(*arguments)

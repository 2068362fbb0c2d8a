"""quickstart on a part of its list with tiny backbones: real processes, all that it leaves, and nothing run twice."""

import os
from pathlib import Path

import pytest

from lora_repro.cli import main
from tests.tiny_backbones import tiny_folder

SMALL = ["task.train_examples=32", "task.eval_examples=16", "recipe.epochs=1", "recipe.max_length=48"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own; what `stay_here` sets is taken back."""
    for name in ("HF_HOME", "HF_DATASETS_CACHE", "MPLCONFIGDIR", "TORCH_HOME", "WANDB_DIR", "WANDB_CACHE_DIR",
                 "WANDB_CONFIG_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM",
                 "HF_HUB_DISABLE_TELEMETRY"):  # fmt: skip
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_runs_tables_figure_and_nothing_twice(
    here: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = tiny_folder("roberta", tmp_path_factory.mktemp("backbone")).path
    arguments = ["quickstart", "--methods=bitfit lora", "--tasks=sst2", "--jobs=1", f"model.path={backbone}", *SMALL]

    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "2 runs of roberta-mini on generated data (sst2): 0 done, 2 to do in 1 process" in shown
    assert "### GENERATED DATA in the form of GLUE, roberta-mini, recipe mini" in shown
    assert "| roberta-mini | lora |" in shown  # the audit's
    assert "2 of 2 runs done" in shown
    record = next((here / "runs/quickstart/records/sst2/roberta-mini/lora").glob("*.json")).read_text()
    assert " task.train_examples=32 " in record and "data.sources=[embedded]" in record
    out = here / "runs" / "quickstart"
    assert len(list((out / "records").rglob("*.json"))) == 2
    for name in ("glue_roberta-mini.md", "glue_roberta-mini.csv", "parameters.md", "tradeoff.svg", "tradeoff.png"):
        assert (out / name).stat().st_size > 100, name
    assert {path.name for path in here.iterdir()} == {"runs", ".cache"}

    before = {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")}
    assert main(arguments) == 0
    assert "2 done, 0 to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")} == before


def test_a_run_that_fails_is_named_and_the_others_go_on(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "no-backbone").mkdir()
    code = main(["quickstart", "--methods=bitfit", "--tasks=sst2", "--jobs=1", "model.path=no-backbone", *SMALL])
    shown = capsys.readouterr().out
    assert code == 1
    assert "failed: sst2/roberta-mini/bitfit/s0-" in shown
    assert "lacks config.json" in (here / "runs/quickstart/logs/worker-1.log").read_text()
    assert "0 of 1 runs done" in shown

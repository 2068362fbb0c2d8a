"""A run with tracker=wandb, offline: what W&B's file holds is what the record holds."""

import os
import signal
from pathlib import Path

import pytest

from lora_repro import records, tracking
from lora_repro.compose import compose_run
from lora_repro.errors import Interrupted
from lora_repro.run import run, run_folder
from lora_repro.studies import wandb_sync
from tests.end_to_end.conftest import overrides
from tests.read_wandb import read


def test_the_offline_file_agrees_with_the_record(
    tiny_bert: Path, toy_rte: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    config = compose_run(overrides(tiny_bert, toy_rte, tmp_path, "tracker=wandb"))
    record = run(config)
    wandb.teardown()
    (file,) = run_folder(config).rglob("run-*.wandb")
    content = read(file)
    assert content.run_id == record.identity == records.identity(config)
    evaluated = [row for row in content.history if "eval/accuracy" in row]
    assert [(row["global_step"], row["eval/accuracy"]) for row in evaluated] == [
        (epoch.step, epoch.metrics["accuracy"]) for epoch in record.epochs
    ]
    assert [row["global_step"] for row in content.history if "train/loss" in row] == [10, 20]
    assert content.summary["best/accuracy"] == record.best.headline
    assert content.summary["params/trainable"] == record.parameters.method
    assert content.config["method"]["r"] == 8


def test_a_requeued_run_keeps_one_id(
    tiny_bert: Path, toy_rte: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in its first epoch and started again: two offline files, one id and group, together the whole curve."""
    wandb = pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    items = overrides(tiny_bert, toy_rte, tmp_path, "tracker=wandb", "study=toy", "recipe.epochs=2")
    config = compose_run(items)
    steps: list[int] = []

    def stop_at_step_10(tracker: tracking.WandbTracker, step: int, values: dict[str, float]) -> None:
        log(tracker, step, values)
        steps.append(step)
        if len(steps) == 1:  # step 10; the loop sees the signal at the end of it
            os.kill(os.getpid(), signal.SIGTERM)

    log = tracking.WandbTracker.log
    monkeypatch.setattr(tracking.WandbTracker, "log", stop_at_step_10)
    with pytest.raises(Interrupted):
        run(config)
    wandb.teardown()
    record = run(config)
    wandb.teardown()
    files = sorted(run_folder(config).rglob("run-*.wandb"), key=lambda path: path.parent.name)
    contents = [read(file) for file in files]
    assert len(files) == 2
    assert {(content.run_id, content.group) for content in contents} == {(record.identity, "toy")}
    points = [row for content in contents for row in content.history]
    assert [row["global_step"] for row in points if "train/loss" in row] == [10, 20]
    assert [(row["global_step"], row["eval/accuracy"]) for row in points if "eval/accuracy" in row] == [
        (epoch.step, epoch.metrics["accuracy"]) for epoch in record.epochs
    ]
    assert contents[1].summary["best/accuracy"] == record.best.headline
    assert wandb_sync.offline_folders(Path(config.runs)) == {record.identity: [file.parent for file in files]}

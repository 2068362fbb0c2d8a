"""Sending offline runs: attempts of one run go together under its id; what was sent stays away; failures are named."""

import sys
from pathlib import Path

import pytest

from lora_repro import cli
from lora_repro.studies import wandb_sync


def attempt(runs: Path, place: str, moment: str, identity: str, *, synced: bool = False) -> Path:
    folder = runs / place / "wandb" / f"offline-run-{moment}-{identity}"
    folder.mkdir(parents=True)
    file = folder / f"run-{identity}.wandb"
    file.touch()
    if synced:
        file.with_name(f"{file.name}.synced").touch()
    return folder


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands in place of being run; runs called bad are not taken."""
    pytest.importorskip("wandb")
    commands: list[list[str]] = []

    class Done:
        def __init__(self, command: list[str]) -> None:
            commands.append(command)
            self.returncode = int("bad" in command)

    monkeypatch.setattr(wandb_sync.subprocess, "run", Done)
    return commands


def test_attempts_of_one_run_go_together_in_order(tmp_path: Path, sent: list[list[str]]) -> None:
    later = attempt(tmp_path, "rte/m/lora/s0-aaa", "20260102_000000", "aaa")
    earlier = attempt(tmp_path, "rte/m/lora/s0-aaa", "20260101_000000", "aaa")
    other = attempt(tmp_path, "rte/m/lora/s1-bbb", "20260101_120000", "bbb")
    attempt(tmp_path, "rte/m/lora/s2-ccc", "20260101_130000", "ccc", synced=True)
    assert cli.main(["wandb-sync", f"--runs={tmp_path}"]) == 0
    start = [sys.executable, "-m", "wandb", "sync", "--id"]
    assert sent == [[*start, "aaa", str(earlier), str(later)], [*start, "bbb", str(other)]]


def test_a_failure_is_named_and_the_others_go(
    tmp_path: Path, sent: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    attempt(tmp_path, "x", "20260101_000000", "bad")
    attempt(tmp_path, "y", "20260102_000000", "good")
    assert cli.main(["wandb-sync", f"--runs={tmp_path}"]) == 1
    assert len(sent) == 2 and "W&B did not take bad;" in capsys.readouterr().err


def test_a_dry_run_sends_nothing(tmp_path: Path, sent: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    attempt(tmp_path, "x", "20260101_000000", "aaa")
    assert cli.main(["wandb-sync", f"--runs={tmp_path}", "--dry"]) == 0
    assert not sent and "1 runs in 1 offline folders" in capsys.readouterr().out

"""What is submitted and what a task does, with stand-ins for Slurm's programs: the real one is in end_to_end."""

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lora_repro.errors import ConfigError
from lora_repro.studies import slurm, slurm_task
from lora_repro.studies.plan import Plan
from lora_repro.studies.states import MISSING, QUEUED, RUNNING, WAITING, state
from tests.studies.conftest import Planner

PAIRS = ("glue-minilm-l6", "--tasks=mnli rte stsb", "--methods=lora", "--seeds=0 1", "init_from=mnli")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """sbatch counts its calls from 40, squeue shows the file queue, scontrol notes what it was asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "count").write_text("40")
    (folder / "queue").write_text("")
    texts = {
        "sbatch": f'n=$(cat {folder}/count); echo $((n+1)) > {folder}/count; echo "$n;cluster"',
        "squeue": f"cat {folder}/queue",
        "scontrol": f'echo "$@" >> {folder}/asked',
    }
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setattr(slurm, "snapshot", lambda runs: tmp_path / "the code")
    return folder


def chosen(*arguments: str) -> slurm.Settings:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int)
    slurm.add_settings(parser)
    return slurm.settings(parser.parse_args(arguments))


def scripts(plan: Plan) -> list[str]:
    return [path.read_text() for path in sorted(Path(plan.runs).rglob("array-*.sh"))]


def test_an_array_and_arrays_that_depend_on_it_task_by_task(programs: Path, planned: Planner) -> None:
    plan = planned(*PAIRS)
    told = slurm.submit(plan, chosen("--partition=gpu", "--gpus=2", "--time=04:00:00", "--jobs=7", "--memory=32G"))
    assert told.startswith("submitted 6 runs as Slurm jobs 40 41 42; logs in ")
    first, rte, stsb = scripts(plan)
    for option in (
        "array=0,1%7",
        "partition=gpu",
        "gres=gpu:2",
        "time=04:00:00",
        "mem=32G",
        "requeue",
        "signal=B:USR1@120",
    ):
        assert f"#SBATCH --{option}\n" in first, option
    assert "--dependency" not in first
    for later in (rte, stsb):
        assert "#SBATCH --dependency=aftercorr:40\n" in later and "#SBATCH --kill-on-invalid-dep=yes\n" in later
        assert "#SBATCH --array=0,1%7\n" in later
    assert "the code'${PYTHONPATH:+:$PYTHONPATH}" in first and "exec " in first.splitlines()[-1]
    tasks = [json.loads(path.read_text())["tasks"] for path in sorted(Path(plan.runs).rglob("array-*.json"))]
    assert [task["1"]["task"] for task in tasks] == ["mnli", "rte", "stsb"]
    assert all(task[number]["seed"] == int(number) for task in tasks for number in task)
    assert [task["1"]["after"] for task in tasks[1:]] == [tasks[0]["1"]["place"]] * 2


def test_states_are_slurms_and_nothing_is_submitted_twice(programs: Path, planned: Planner) -> None:
    plan = planned(*PAIRS)
    slurm.submit(plan, chosen())
    lines = ["40 0 RUNNING 2 None", "40 1 PENDING 0 Resources", "41 0 PENDING 0 Dependency", "99 0 RUNNING 0 None"]
    (programs / "queue").write_text("\n".join(lines) + "\n")
    jobs = slurm.job_states(Path(plan.runs))
    found = {(run.task, run.seed): state(plan, run, jobs) for run in plan.planned}
    assert (found["mnli", 0].kind, found["mnli", 0].detail) == (RUNNING, "Slurm 40_0 running, requeued 2 times")
    assert (found["mnli", 1].kind, found["mnli", 1].detail) == (QUEUED, "Slurm 40_1 Resources")
    assert (found["rte", 0].kind, found["rte", 0].detail) == (WAITING, "Slurm 41_0 Dependency")
    assert found["stsb", 1].kind == WAITING
    told = slurm.submit(plan, chosen())
    assert told == "nothing to submit: 4 runs wait for runs that are on their way"


def test_a_silent_squeue_is_said(programs: Path, planned: Planner, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(*PAIRS)
    slurm.submit(plan, chosen())
    (programs / "squeue").write_text("#!/bin/sh\necho 'no controller' >&2; exit 1\n")
    assert slurm.job_states(Path(plan.runs)) == {}
    assert "warning: squeue gives no answer (no controller)" in capsys.readouterr().out
    assert state(plan, plan.planned[0], {}).kind == MISSING


def test_what_sbatch_refuses_is_passed_on(programs: Path, planned: Planner) -> None:
    (programs / "sbatch").write_text("#!/bin/sh\necho 'invalid partition specified: gpuu' >&2; exit 1\n")
    with pytest.raises(ConfigError, match=r"sbatch refused .*invalid partition specified: gpuu"):
        slurm.submit(planned(*PAIRS), chosen("--partition=gpuu"))


def test_no_sbatch_is_said(planned: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="no sbatch on this machine"):
        slurm.submit(planned(*PAIRS), chosen())


def test_the_command_line_wins_over_the_file() -> None:
    settings = chosen("--sbatch=--account=me --constraint='a b'", "--setup=module load x")
    assert settings.sbatch == ("--account=me", "--constraint=a b") and settings.setup == ("module load x",)
    assert (settings.jobs, settings.gpus, settings.partition) == (50, 1, None)


class Child:
    """In place of the run's process: ends with the given code, after what `during` does."""

    def __init__(self, code: int, during: object = None) -> None:
        self.code, self.during = code, during

    def __call__(self, command: list[str]) -> "Child":
        self.command = command
        return self

    def wait(self) -> int:
        if callable(self.during):
            self.during()
        return self.code

    def poll(self) -> int | None:
        return self.code


@pytest.mark.parametrize(
    ("code", "sent", "progress", "restarts", "expected", "requeued", "reason"),
    [
        (0, None, True, 0, 0, False, None),
        (130, signal.SIGUSR1, True, 9, 0, True, None),  # the time limit
        (130, signal.SIGTERM, True, 0, 143, False, None),  # cancelled or pre-empted: Slurm's business
        (-9, None, True, 0, 0, True, None),
        (-9, None, True, 3, 1, False, "killed by SIGKILL again and again"),
        (1, None, False, 0, 1, False, "the run ended with code 1"),
    ],
)
def test_what_a_task_makes_of_its_runs_end(
    code: int,
    sent: int | None,
    progress: bool,
    restarts: int,
    expected: int,
    requeued: bool,
    reason: str | None,
    programs: Path,
    planned: Planner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = planned(*PAIRS)
    run = plan.planned[0]
    task = slurm_task.Task(plan, run, gpus=1, restarts=3)

    def during() -> None:
        if progress:
            plan.folder(run).mkdir(parents=True, exist_ok=True)
            (plan.folder(run) / "resume.pt").touch()
        if sent is not None:
            task.asked.append(sent)

    child = Child(code, during)
    monkeypatch.setattr(subprocess, "Popen", child)
    monkeypatch.setattr(slurm_task.subprocess, "run", asked := Asked())
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    for key, value in {
        "SLURM_ARRAY_JOB_ID": "40",
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_RESTART_COUNT": str(restarts),
    }.items():
        monkeypatch.setenv(key, value)
    assert task.main() == expected
    assert asked.commands == ([["scontrol", "requeue", "40_3"]] if requeued else [])
    failure = plan.folder(run) / "failed.txt"
    assert (reason is None) == (not failure.exists()) and (reason is None or reason in failure.read_text())
    assert child.command == [sys.executable, "-m", "lora_repro.cli", "run", *run.items]


class Asked:
    """In place of subprocess.run."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], check: bool) -> None:
        self.commands.append(command)


def test_attempts_without_a_step_end_after_a_while(
    programs: Path, planned: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(*PAIRS)
    monkeypatch.setattr(slurm_task.subprocess, "run", Asked())
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "40")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    codes = []
    for _ in range(3):
        task = slurm_task.Task(plan, plan.planned[0], gpus=4, restarts=2)
        child = Child(130, lambda task=task: task.asked.append(signal.SIGUSR1))
        monkeypatch.setattr(subprocess, "Popen", child)
        codes.append(task.main())
    assert codes == [0, 0, 1]
    assert "not one step within the time limit, 3 times" in (plan.folder(plan.planned[0]) / "failed.txt").read_text()
    assert child.command[1:5] == ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=4"]

"""Carrying out a plan, with runs that only pretend: order, failures, waiting, memory; and several processes."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lora_repro import locks, records
from lora_repro.config import RunConfig
from lora_repro.errors import HeldError, Interrupted
from lora_repro.studies import execute as module
from lora_repro.studies import workers
from lora_repro.studies.execute import execute
from lora_repro.studies.plan import Plan
from tests.studies.conftest import Planner
from tests.test_records import record

PAIR = ("glue-minilm-l6", "--tasks=rte mnli", "--methods=lora", "--seeds=0", "init_from=mnli")
THREE = ("glue-minilm-l6", "--tasks=rte", "--methods=lora", "--seeds=0 1 2")


def finish(config: RunConfig) -> records.Record:
    """What a run leaves: an adapter and a record."""
    made = records.Record(**{**vars(record()), "identity": records.identity(config)})
    adapter = Path(config.runs, records.place(config), "best.safetensors")
    adapter.parent.mkdir(parents=True, exist_ok=True)
    adapter.touch()
    records.save(records.record_path(config), made)
    return made


class Pretender:
    """In place of `lora_repro.run.run`: notes who came, and fails where it is told to."""

    def __init__(self, fail: Callable[[RunConfig], BaseException | None] = lambda config: None) -> None:
        self.fail, self.came = fail, list[str]()

    def __call__(self, config: RunConfig, items: Sequence[str]) -> records.Record:
        self.came.append(f"{config.task.name} {config.seed}")
        error = self.fail(config)
        if error is not None:
            raise error
        return finish(config)


def test_a_run_comes_after_the_one_that_it_starts_from(planned: Planner) -> None:
    run = Pretender()
    outcome = execute(planned(*PAIR), run)
    assert run.came == ["mnli 0", "rte 0"] and len(outcome.done) == 2
    assert execute(planned(*PAIR), run).skipped == [one.place for one in planned(*PAIR).planned]
    assert len(run.came) == 2


def test_a_failure_does_not_stop_the_others_and_leaves_its_traceback(planned: Planner) -> None:
    plan = planned(*THREE)
    run = Pretender(lambda config: ValueError("one is odd") if config.seed == 1 else None)
    outcome = execute(plan, run)
    assert run.came == ["rte 0", "rte 1", "rte 2"]
    assert outcome.failed == {plan.planned[1].place: "ValueError: one is odd"}
    text = (plan.folder(plan.planned[1]) / "failed.txt").read_text()
    assert text.startswith("Traceback") and text.endswith("ValueError: one is odd\n")
    assert workers.conclude(outcome) == 1


def test_what_failed_in_this_sweep_is_not_tried_by_another_process(planned: Planner) -> None:
    plan = planned(*THREE)
    since = time.time() - 10
    execute(plan, Pretender(lambda config: ValueError("no") if config.seed == 1 else None), since=since)
    beside = Pretender()
    outcome = execute(plan, beside, since=since)
    assert beside.came == [] and list(outcome.failed.values()) == ["ValueError: no"]
    later = Pretender()
    execute(plan, later, since=time.time() + 10)
    assert later.came == ["rte 1"]  # the next command tries again


def test_nothing_starts_from_a_run_that_failed(planned: Planner, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(*PAIR)
    run = Pretender(lambda config: ValueError("no") if config.task.name == "mnli" else None)
    outcome = execute(plan, run)
    assert run.came == ["mnli 0"]
    assert outcome.waiting == {plan.planned[1].place: f"starts from {plan.planned[0].place}, which has not finished"}
    assert workers.conclude(outcome) == 1 and "not started: rte/" in capsys.readouterr().out


def test_a_start_that_is_gone_is_named_with_the_way_out(planned: Planner) -> None:
    plan = planned(*PAIR)
    execute(plan, Pretender(lambda config: ValueError("later") if config.task.name == "rte" else None))
    (plan.folder(plan.planned[0]) / "best.safetensors").unlink()
    (reason,) = execute(plan, Pretender()).failed.values()
    assert "best.safetensors, which is gone" in reason and f"delete {plan.record_path(plan.planned[0])}" in reason


def test_it_waits_for_a_process_beside_us(planned: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    """MNLI is in other hands; when its record comes, RTE starts from it here."""
    monkeypatch.setattr(module, "PATIENCE", 0.02)
    plan = planned(*PAIR)
    mnli = plan.planned[0].config()
    held, told = threading.Event(), []

    def other() -> None:
        with locks.hold(plan.folder(plan.planned[0])):
            held.set()
            while not any("waiting for mnli" in line for line in told):
                time.sleep(0.01)
            finish(mnli)

    beside = threading.Thread(target=other)
    beside.start()
    held.wait()
    run = Pretender(lambda config: HeldError("beside us") if config.task.name == "mnli" else None)
    outcome = execute(plan, run, announce=told.append)
    beside.join()
    assert run.came == ["mnli 0", "rte 0"]
    assert not outcome.held and outcome.skipped == [plan.planned[0].place]


def test_a_file_that_is_no_record_is_a_failure(planned: Planner) -> None:
    plan = planned(*THREE)
    path = plan.record_path(plan.planned[0])
    path.parent.mkdir(parents=True)
    path.write_text("{")
    run = Pretender()
    outcome = execute(plan, run)
    assert run.came == ["rte 1", "rte 2"] and "delete it and run it again" in outcome.failed[plan.planned[0].place]
    assert path.read_text() == "{"


def test_a_stop_ends_the_sweep(planned: Planner) -> None:
    run = Pretender(lambda config: Interrupted("stopped") if config.seed == 1 else None)
    with pytest.raises(Interrupted):
        execute(planned(*THREE), run)
    assert run.came == ["rte 0", "rte 1"]


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_memory_is_given_back_between_runs(error: Exception | None, planned: Planner) -> None:
    """What a run leaves in a cycle, or in the frames of its traceback, is gone when the next one starts."""

    class Model:
        def __init__(self) -> None:
            self.itself = self

    models: list[weakref.ref[Model]] = []

    def run(config: RunConfig, items: Sequence[str]) -> records.Record:
        assert not any(model() is not None for model in models)
        here = Model()
        models.append(weakref.ref(here))
        if error is not None:
            raise ValueError("no")
        return finish(config)

    gc.disable()
    try:
        execute(planned(*THREE), run)
    finally:
        gc.enable()
    assert len(models) == 3


SLEEPER = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(130)); print(1); time.sleep(60)"


def test_a_stop_reaches_every_process(planned: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []

    def start(text: str, environment: dict[str, str], log: Path | None) -> subprocess.Popen[str]:
        worker = subprocess.Popen([sys.executable, "-u", "-c", SLEEPER], stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None and worker.stdout.readline() == "1\n"
        started.append(worker)
        if len(started) == 2:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        return worker

    monkeypatch.setattr(workers, "_start", start)
    assert workers.run_beside(planned(*THREE), 2) == 130
    assert [worker.returncode for worker in started] == [130, 130]


def test_a_killed_process_is_told(
    planned: Planner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import os; os.kill(os.getpid(), 9)"
    monkeypatch.setattr(workers, "_start", lambda *_: subprocess.Popen([sys.executable, "-c", code]))
    assert workers.run_beside(planned(*THREE), 2) == 1
    assert "process 2 of 2 was killed by SIGKILL" in capsys.readouterr().out


def test_threads_are_divided_and_gpus_dealt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert workers.shares(3) == [
        {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "2"},
        {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "5"},
        {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "2"},
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert workers.shares(1) == [{"OMP_NUM_THREADS": "8"}]


def test_the_plan_reaches_the_processes(planned: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker reads its plan from its standard input: what `main` carries out is what was planned."""
    import io
    import json

    plan = planned(*THREE)
    carried: list[tuple[Plan, float]] = []

    def run_here(given: Plan, since: float) -> module.Outcome:
        carried.append((given, since))
        return module.Outcome(failed={"x": "y"})

    monkeypatch.setattr(workers, "run_here", run_here)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"plan": plan.to_json(), "since": 7.0})))
    assert workers.main() == 1
    assert carried == [(plan, 7.0)]

"""States of runs, read from files that are written by hand; the listing, and what status remembers."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from lora_repro import cli, locks, records
from lora_repro.studies.listing import recall, remember, rows, show
from lora_repro.studies.plan import Plan
from lora_repro.studies.states import DONE, FAILED, MISSING, QUEUED, RUNNING, WAITING, State, state
from tests.studies.conftest import Planner
from tests.test_records import record

PAIR = ("glue-minilm-l6", "--tasks=mnli rte", "--methods=lora", "--seeds=0", "init_from=mnli")


@pytest.fixture
def plan(planned: Planner) -> Plan:
    """MNLI, and RTE which starts from it."""
    return planned(*PAIR)


def finish(plan: Plan, number: int, headline: float = 0.75) -> None:
    """Write a record for a planned run."""
    run = plan.planned[number]
    made = record()
    best = type(made.best)(**{**vars(made.best), "headline": headline})
    identity = run.place.rpartition("-")[2]
    fields = {
        **vars(made),
        "identity": identity,
        "model": run.model,
        "method": run.method,
        "task": run.task,
        "best": best,
    }
    records.save(plan.record_path(run), records.Record(**fields))


def kinds(plan: Plan, jobs: dict[str, State] | None = None) -> list[str]:
    return [state(plan, run, jobs).kind for run in plan.planned]


def test_missing_waiting_done(plan: Plan) -> None:
    mnli, rte = plan.planned
    assert kinds(plan) == [MISSING, WAITING]
    assert state(plan, rte).detail == f"for {mnli.place}, which is missing"
    finish(plan, 0)
    assert kinds(plan) == [DONE, MISSING]
    finish(plan, 1)
    assert kinds(plan) == [DONE, DONE]


def test_a_checkpoint_is_told(plan: Plan) -> None:
    folder = plan.folder(plan.planned[0])
    folder.mkdir(parents=True)
    (folder / "resume.pt").touch()
    assert state(plan, plan.planned[0]) == State(MISSING, "goes on from its checkpoint")


def test_running_says_who_and_since_when(plan: Plan) -> None:
    with locks.hold(plan.folder(plan.planned[0])):
        now = state(plan, plan.planned[0])
        assert now.kind == RUNNING and f"process {os.getpid()} on " in now.detail and " since 20" in now.detail
    assert kinds(plan)[0] == MISSING


def test_failed_says_the_last_line(plan: Plan) -> None:
    folder = plan.folder(plan.planned[0])
    folder.mkdir(parents=True)
    (folder / "failed.txt").write_text("Traceback (most recent call last):\n  ...\nValueError: 7 is not 8\n")
    assert state(plan, plan.planned[0]) == State(FAILED, "ValueError: 7 is not 8")
    assert state(plan, plan.planned[1]).detail.endswith("which is failed")


def test_a_file_that_is_no_record_is_a_failure_not_a_result(plan: Plan) -> None:
    path = plan.record_path(plan.planned[0])
    path.parent.mkdir(parents=True)
    path.write_text('{"schema": 1')
    now = state(plan, plan.planned[0])
    assert now.kind == FAILED and "delete it and run it again" in now.detail


def test_slurms_word(plan: Plan) -> None:
    queued = {plan.planned[0].place: State(QUEUED, "Slurm 7_0 Resources")}
    assert kinds(plan, queued) == [QUEUED, WAITING]
    assert state(plan, plan.planned[0], queued).detail == "Slurm 7_0 Resources"


def test_the_listing(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    finish(plan, 0)
    show(plan)
    shown = capsys.readouterr().out
    assert shown.startswith("2 runs of minilm-l6, recipe mini: 1 done, 1 to do\n")
    assert f"  done     {plan.planned[0].place}\n" in shown and f"  missing  {plan.planned[1].place}  about " in shown
    assert "hours of one process" in shown
    show(plan, all_runs=False)
    assert "  done " not in capsys.readouterr().out


def test_results_so_far(planned: Planner) -> None:
    plan = planned("glue-minilm-l6", "--tasks=rte", "--methods=lora bitfit", "--seeds=0 1 2")
    for number, headline in ((0, 0.5), (2, 0.75), (4, 0.625)):
        finish(plan, number, headline)
    lora, bitfit = rows(plan)
    assert lora.split() == ["lora", "rte", "0.6250", record().headline_metric, "±", "0.1250", "(3/3)"]
    assert bitfit.split() == ["bitfit", "rte", "--", "(0/3)"]


def test_status_remembers_what_was_started_and_finished(planned: Planner, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(*PAIR)
    finish(plan, 0)
    remember(plan)
    other = planned("glue-minilm-l6", "--tasks=rte", "--methods=bitfit", "--seeds=0")
    remember(other)
    places = [run.place for run in recall(Path(plan.runs))["glue-minilm-l6"].planned]
    assert places == [other.planned[0].place, plan.planned[0].place]  # the unfinished run is no longer asked for
    assert cli.main(["status", f"--runs={plan.runs}"]) == 0
    shown = capsys.readouterr().out
    assert (
        "glue-minilm-l6  2 runs: 1 done, 1 missing" in " ".join(shown.split(" ")).replace("   ", "  ")
        or "2 runs: 1 done, 1 missing" in shown
    )
    assert "not started (Table 2)" in shown
    (Path(plan.runs) / "studies" / "glue-minilm-l6.json").write_text("{}")
    assert cli.main(["status", f"--runs={plan.runs}"]) == 2
    assert "not a plan" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["plan", *PAIR], ["status"]])
def test_plan_and_status_import_nothing_heavy(arguments: Sequence[str], tmp_path: Path) -> None:
    code = (
        "import sys; from lora_repro.cli import main; code = main(sys.argv[1:]); "
        "heavy = [m for m in ('torch', 'transformers', 'numpy', 'pandas') if m in sys.modules]; "
        "sys.exit(code or f'imported {heavy}' if heavy else code)"
    )
    places = [f"--runs={tmp_path / 'runs'}"] + ([f"--records={tmp_path / 'records'}"] if arguments[0] == "plan" else [])
    done = subprocess.run([sys.executable, "-c", code, *arguments, *places], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_dead_owner_is_not_running(plan: Plan) -> None:
    folder = plan.folder(plan.planned[0])
    folder.mkdir(parents=True)
    dead = subprocess.Popen(["true"])
    dead.wait()
    owner = locks.Owner("here", dead.pid, "2026-01-01T00:00:00+00:00", locks._kernel(), "token")
    (folder / "lock").write_text(json.dumps(vars(owner)))
    assert locks.owner(folder) is None and kinds(plan)[0] == MISSING
    elsewhere = locks.Owner("there", dead.pid, "2026-01-01T00:00:00+00:00", "another kernel", "token")
    (folder / "lock").write_text(json.dumps(vars(elsewhere)))
    assert kinds(plan)[0] == RUNNING
    old = time.time() - locks.STALE - 1
    os.utime(folder / "lock", (old, old))
    assert kinds(plan)[0] == MISSING

"""A small study under twenty random kills, two workers at a time: every run has one record, as if nothing had happened.

The workers are forked from one process that has imported everything, so that a kill costs no new start of Python. When
to kill is drawn from a fixed seed, in changes of the work folder and not in seconds: the same on any machine.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from lora_repro import records
from lora_repro.cli import main
from lora_repro.studies.arguments import add_request, request
from lora_repro.studies.plan import Plan, make_plan
from tests.end_to_end.conftest import environment, overrides
from tests.end_to_end.test_interruption import science_of

KILLS = 20

NURSERY = """
import json, os, sys
import torch
from lora_repro import records
from lora_repro.run import run
from lora_repro.studies.execute import execute
from lora_repro.studies.plan import from_json
torch.set_num_threads(1)
save = records.save
def noted(path, record):
    save(path, record)
    print("SAVED", path, flush=True)
records.save = noted
print("ready", flush=True)
for line in sys.stdin:
    told = json.loads(line)
    if "reap" in told:
        os.waitpid(told["reap"], 0)
        print("reaped", flush=True)
        continue
    child = os.fork()
    if child == 0:
        sys.stdin.close()
        with open(told["log"], "a") as log:
            os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
        outcome = execute(from_json(told["plan"]), run)
        os._exit(1 if outcome.failed else 0)
    print(child, flush=True)
"""


class Nursery:
    """The process that workers are forked from."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def start(self, plan: Plan) -> int:
        """Fork a worker on a plan."""
        return int(self._ask({"plan": plan.to_json(), "log": str(self.log)}))

    def end(self, worker: int) -> None:
        """Wait until a worker is gone."""
        assert self._ask({"reap": worker}) == "reaped"

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def _ask(self, told: dict) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def study(backbone: Path, data: Path, out: Path) -> Plan:
    """Six runs of a second or so, a checkpoint after every step."""
    import argparse

    parser = argparse.ArgumentParser()
    add_request(parser)
    settings = [
        item
        for item in overrides(backbone, data, out, "save_every_minutes=0")
        if item.startswith(("recipe.", "data.c", "save"))
    ]
    options = [f"--model-path={backbone}", f"--data={data}", f"--records={out / 'records'}", f"--runs={out / 'runs'}"]
    grid = ["--model=minilm-l6", "--recipe=mini", "--tasks=rte", "--methods=bitfit lora", "--seeds=0 1 2"]
    return make_plan(request(parser.parse_intermixed_args([*grid, *options, *settings]), "glue"))


def changes(folder: Path) -> int:
    """A number that changes whenever a run's state or adapter is written."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_mtime_ns if path.suffix in (".pt", ".safetensors") else 0
        except FileNotFoundError:  # replaced while we looked
            continue
    return total


def test_twenty_kills_change_nothing(tiny_bert: Path, toy_rte: Path, tmp_path: Path) -> None:
    stream = random.Random(20)
    plan = study(tiny_bert, toy_rte, tmp_path / "killed")
    runs = Path(plan.runs)
    nursery = Nursery(tmp_path / "log")
    try:
        for kill in range(KILLS):
            workers = [nursery.start(plan), nursery.start(plan)]
            seen, wanted = changes(runs), stream.randint(1, 9)
            deadline = time.monotonic() + 60
            while wanted and time.monotonic() < deadline:
                now = changes(runs)
                if now != seen:
                    seen, wanted = now, wanted - 1
            assert not wanted, f"kill {kill}: the workers stand still\n{nursery.log.read_text()[-3000:]}"
            assert not all(plan.record_path(one).exists() for one in plan.planned), f"done before kill {kill}"
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
                nursery.end(worker)
        for worker in [nursery.start(plan), nursery.start(plan)]:
            nursery.end(worker)
        calm = study(tiny_bert, toy_rte, tmp_path / "calm")
        nursery.end(nursery.start(calm))
    finally:
        nursery.close()
    found, damaged = records.load_all(plan.records)
    reference, _ = records.load_all(calm.records)
    assert not damaged
    assert [science_of(record) for record in found] == [science_of(record) for record in reference]
    assert len(found) == len(plan.planned) == 6
    saved = Counter(line for line in nursery.log.read_text().splitlines() if line.startswith("SAVED "))
    assert 6 <= len(saved) <= 12  # twelve records; a kill between writing and saying so leaves a line out
    assert set(saved.values()) == {1}  # none was trained twice


def test_a_full_disk_keeps_the_state_before(
    tiny_bert: Path, toy_rte: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The next state goes to a device that is always full; what was written before it stays, and the run goes on."""
    items = overrides(tiny_bert, toy_rte, tmp_path, "save_every_minutes=0", "recipe.epochs=1")
    from lora_repro.compose import compose_run
    from lora_repro.run import run_folder
    from lora_repro.training.checkpoint import Saver

    folder = run_folder(compose_run(items))
    folder.mkdir(parents=True)
    (folder / "resume.tmp").symlink_to("/dev/full")
    assert main(["run", *items]) == 2
    errors = capfd.readouterr().err
    assert "the run's state cannot be written" in errors and "No space left on device" in errors
    assert not (folder / "resume.tmp").exists()
    assert not (tmp_path / "records").exists()
    assert "CheckpointError" in (folder / "failed.txt").read_text()
    assert Saver(folder, {}).load() is None  # the first state: there was none before it
    assert main(["run", *items]) == 0

"""What one task of a Slurm array does: start its run, and see to it that nothing is lost.

    time limit ahead (USR1)         the run saves at its next step, the task requeues itself and goes on there; recorded
                                    as failed when more than `restarts` attempts in a row come to no checkpoint
    pre-emption, scancel (TERM)     the run saves and the task leaves; Slurm requeues what it pre-empted
    node failure                    Slurm requeues; the run goes on from its last checkpoint
    the run's process is killed     requeued at most `restarts` times, then recorded as failed
    the run fails                   recorded with its traceback; the task fails, the other tasks go on

The run is a child process, so that this one can answer whatever becomes of it. Imports no torch.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from lora_repro import records
from lora_repro.errors import HeldError
from lora_repro.studies.plan import Plan, Planned, from_json
from lora_repro.studies.states import CHECKPOINTS, FAILURE

IDLE = "idle-attempts.txt"
PATIENCE = 15.0  # seconds between two tries for a run that another process holds (a dead node's lock goes stale)


def main(argv: Sequence[str]) -> int:
    """Run the task whose number Slurm gives, from the array's file."""
    told = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    plan = from_json(told["plan"])
    run = Planned(**told["tasks"][os.environ["SLURM_ARRAY_TASK_ID"]])
    return Task(plan, run, told["gpus"], told["restarts"]).main()


class Task:
    """One attempt at one run."""

    def __init__(self, plan: Plan, run: Planned, gpus: int, restarts: int) -> None:
        self.plan, self.run, self.gpus, self.restarts = plan, run, gpus, restarts
        self.child: subprocess.Popen[bytes] | None = None
        self.asked: list[int] = []

    def main(self) -> int:
        """Returns the task's exit code."""
        for number in (signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, self._pass_on)
        before = self._saved()
        code = self._attempt()
        while code == HeldError.exit_code and not self.asked:
            time.sleep(PATIENCE)
            if not self.asked:
                code = self._attempt()
        if code == 0:
            return 0
        if signal.SIGTERM in self.asked:
            print(f"asked to leave: {self.run.place} is saved")
            return 128 + signal.SIGTERM
        if signal.SIGUSR1 in self.asked:
            idle = 0 if code == HeldError.exit_code or self._saved() != before else self._idle() + 1
            if idle <= self.restarts:
                self._idle(idle)
                return self._requeue("the time limit is near")
            return self._fail(f"TimeoutError: not one step within the time limit, {idle} times; give it more TIME")
        if code < 0:
            name = signal.Signals(-code).name
            if int(os.environ.get("SLURM_RESTART_COUNT", "0")) < self.restarts:
                return self._requeue(f"the run's process was killed by {name}")
            return self._fail(f"ChildProcessError: killed by {name} again and again (out of memory?)")
        return self._fail(f"ChildProcessError: the run ended with code {code}; its log says more")

    def _attempt(self) -> int:
        items = list(self.run.items)
        if self.gpus > 1:
            workers = f"--nproc_per_node={self.gpus}"
            command = ["-m", "torch.distributed.run", "--standalone", workers, "-m", "lora_repro.run", *items]
        else:
            command = ["-m", "lora_repro.cli", "run", *items]
        self.child = subprocess.Popen([sys.executable, *command])
        if self.asked:
            self.child.terminate()
        return self.child.wait()

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self.asked.append(number)
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)

    def _saved(self) -> list[int]:
        """When the run's states were written: another answer means that it has gone on."""
        paths = [self.plan.folder(self.run) / name for name in CHECKPOINTS]
        return [path.stat().st_mtime_ns for path in paths if path.exists()]

    def _idle(self, count: int | None = None) -> int:
        """Attempts in a row that came to no checkpoint, kept beside the run."""
        path = self.plan.folder(self.run) / IDLE
        if count is not None:
            records.write_atomically(path, str(count).encode())
        return int(path.read_text()) if path.exists() else 0

    def _requeue(self, why: str) -> int:
        # not SLURM_JOB_ID: one of the tasks has the array's own number for its job, which would requeue all of them
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
        print(f"{why}: requeued as {job}", flush=True)
        subprocess.run(["scontrol", "requeue", job], check=True)
        return 0

    def _fail(self, reason: str) -> int:
        failure = self.plan.folder(self.run) / FAILURE
        if not failure.exists():  # else the run has left its traceback
            records.write_atomically(failure, f"{reason}\n".encode())
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Several processes on one plan, side by side: each with its share of the threads, locks keep them off each other.

``python -m lora_repro.studies.workers`` is one of them; it reads the plan from its standard input.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from lora_repro.errors import Interrupted, UserError
from lora_repro.studies.execute import Outcome, execute
from lora_repro.studies.plan import Plan, from_json
from lora_repro.studies.states import FAILED, state

Watch = Callable[[Callable[[], bool]], None]
"""Looks on while processes run; it is given what says whether any of them still does."""


def run_here(plan: Plan, since: float | None = None) -> Outcome:
    """Run what is missing in this process."""
    from lora_repro.run import run  # imports torch: only now, when every setting is known to be right

    return execute(plan, run, since=since)


def run_beside(plan: Plan, jobs: int, *, logs: Path | None = None, watch: Watch | None = None) -> int:
    """Run what is missing in `jobs` processes, and say at the end what failed in any of them.

    Ctrl-C and SIGTERM reach every process: each saves its run's state at the next step and leaves.

    Args:
        logs: folder for what the processes print, ``worker-<n>.log``; None: they print here.
        watch: see `Watch`; None: nobody looks on.

    Returns:
        0, 1 when a run failed or a process was killed, 130 when they were asked to stop.
    """
    since = time.time()
    text = json.dumps({"plan": plan.to_json(), "since": since})
    workers: list[subprocess.Popen[str]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number, environment in enumerate(shares(jobs), start=1):
            workers.append(_start(text, environment, logs and logs / f"worker-{number}.log"))
        if watch is not None:
            watch(lambda: any(worker.poll() is None for worker in workers))
        codes = [worker.wait() for worker in workers]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if any(code in (Interrupted.exit_code, -signal.SIGTERM) for code in codes):
        return Interrupted.exit_code
    for which, code in enumerate(codes, start=1):
        if code < 0:
            why = signal.Signals(-code).name
            print(f"process {which} of {jobs} was killed by {why}; its run goes on from its checkpoint next time")
    for run in plan.planned:
        now = state(plan, run)
        if now.kind == FAILED:
            print(f"failed: {run.place}: {now.detail}")
    return 1 if any(codes) else 0


def threads_here() -> int:
    """Threads that all processes have together."""
    return int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))


def gpus_here() -> list[str]:
    """The GPUs that may be used, found without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))


def shares(jobs: int) -> list[dict[str, str]]:
    """The environment of each of `jobs` processes: the threads divided, and the GPUs dealt out in turn."""
    threads, gpus = max(1, threads_here() // jobs), gpus_here()
    made = []
    for job in range(jobs):
        one = {"OMP_NUM_THREADS": str(threads)}
        if len(gpus) > 1:
            one["CUDA_VISIBLE_DEVICES"] = gpus[job % len(gpus)]
        made.append(one)
    return made


def _start(text: str, environment: dict[str, str], log: Path | None) -> subprocess.Popen[str]:
    with ExitStack() as stack:
        out = None
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            out = stack.enter_context(log.open("a", encoding="utf-8"))
        worker = subprocess.Popen(
            [sys.executable, "-m", "lora_repro.studies.workers"],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            text=True,
            start_new_session=True,  # a Ctrl-C in the terminal comes through us, once
        )
    assert worker.stdin is not None
    with worker.stdin as pipe:
        pipe.write(text)
    return worker


def conclude(outcome: Outcome) -> int:
    """Name what did not finish. 1 when a run failed, or could not start because of one that did."""
    for place, reason in outcome.failed.items():
        print(f"failed: {place}: {reason}")
    for place, owner in outcome.held.items():
        print(f"in other hands: {place}: {owner}")
    for place, reason in outcome.waiting.items():
        print(f"not started: {place}: {reason}")
    return 1 if outcome.failed or outcome.waiting else 0


def main(argv: Sequence[str] = ()) -> int:
    """One of the processes."""
    told = json.load(sys.stdin)
    try:
        outcome = run_here(from_json(told["plan"]), told["since"])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return Interrupted.exit_code
    return 1 if outcome.failed or outcome.waiting else 0


if __name__ == "__main__":
    sys.exit(main())

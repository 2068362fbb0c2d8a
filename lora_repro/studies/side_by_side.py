"""A list of runs in several processes of one thread each, with one line on the screen that says how far they are."""

import gc
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from tqdm import tqdm

from lora_repro import records
from lora_repro.config import RunConfig
from lora_repro.errors import HeldError, Interrupted

MOST_JOBS = 4  # each takes most of a gigabyte
_LOOK = 0.25  # seconds between two looks at what is done


class Job(NamedTuple):
    """A run, and the settings that were asked for beside the choices, for its record's command."""

    config: RunConfig
    items: tuple[str, ...]


def jobs() -> int:
    """Processes that this machine should run side by side: one a core, `MOST_JOBS` at most."""
    return min(os.cpu_count() or 1, MOST_JOBS)


def run_side_by_side(
    todo: Sequence[Job], processes: int, logs: Path, cost: Callable[[RunConfig], float]
) -> list[RunConfig]:
    """Run what has no record yet.

    The processes walk down the same list; locks keep them off each other's runs. What they print goes to
    ``logs/worker-<n>.log``. Without a terminal nothing is shown.

    Args:
        cost: what a run takes, in any unit: for the time left.

    Returns:
        The runs that have no record afterwards: they failed, and their folders and the logs say why.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the runs' states are saved.
    """
    jobs_left = [job for job in todo if records.find(job.config) is None]
    missing = [job.config for job in jobs_left]
    if not missing:
        return []
    logs.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")  # a forked process would share this one's locks and signals
    workers = [
        context.Process(target=_work, args=(jobs_left, logs / f"worker-{number}.log"))
        for number in range(1, min(processes, len(missing)) + 1)
    ]
    with _one_thread(), _sigterm_interrupts():
        try:
            for worker in workers:
                worker.start()
            _watch(missing, workers, cost)
        except KeyboardInterrupt:
            for worker in workers:
                worker.terminate()  # SIGTERM: they save and leave
                worker.join()
            raise Interrupted("stopped; the same command goes on") from None
    return [config for config in missing if records.find(config) is None]


def _watch(missing: Sequence[RunConfig], workers: Sequence[Any], cost: Callable[[RunConfig], float]) -> None:
    """Count the records that appear until the processes are through."""
    left = list(missing)
    total = sum(map(cost, missing))
    with tqdm(
        total=total,
        file=sys.stderr,
        disable=None,  # where there is no terminal
        bar_format="{desc} {percentage:3.0f}% |{bar:24}| {elapsed}, about {remaining} left {postfix}",
        desc=f"{len(missing)} runs",
    ) as bar:
        running = True
        while running:
            running = any(worker.is_alive() for worker in workers)  # asked first: the last record is seen after it
            for config in [one for one in left if records.record_path(one).exists()]:
                left.remove(config)
                record = records.find(config)
                if record is not None:
                    told = f"{config.method.name} {config.task.name} {record.best.headline:.3f}"
                    bar.set_postfix_str(f"({len(missing) - len(left)}/{len(missing)}: {told})", refresh=False)
                bar.update(cost(config))
            bar.refresh()
            if running:
                time.sleep(_LOOK)


def _work(todo: Sequence[Job], log: Path) -> None:
    """One process: whatever is not done and in nobody's hands, down the list."""
    with log.open("a", encoding="utf-8") as stream, redirect_stdout(stream), redirect_stderr(stream):
        from lora_repro.run import run

        for config, items in todo:
            if records.record_path(config).exists():
                continue
            try:
                run(config, items)
            except HeldError:
                continue  # the process beside us is on it
            except (Interrupted, KeyboardInterrupt):
                return
            except Exception:
                print(f"{records.place(config)} failed:\n{traceback.format_exc()}", flush=True)
            finally:
                gc.collect()  # model, optimiser and graph refer to each other


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that start here compute with one thread: they read the setting when they import torch."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """SIGTERM as Ctrl-C, so that it reaches the processes."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

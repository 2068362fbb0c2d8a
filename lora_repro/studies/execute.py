"""Run planned runs in this process: what is done is skipped, what fails does not stop the rest, nothing runs twice."""

import gc
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lora_repro import locks, records
from lora_repro.config import RunConfig
from lora_repro.errors import DataError, HeldError, Interrupted
from lora_repro.studies.estimate import duration, estimate
from lora_repro.studies.plan import ADAPTER, Plan, Planned
from lora_repro.studies.states import FAILURE, failure, finished, record

Runner = Callable[[RunConfig, Sequence[str]], records.Record]
PATIENCE = 5.0  # seconds between two looks at a run that others are on and ours wait for


@dataclass
class Outcome:
    """What became of the runs, by place."""

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # had a record already, or got one from a process beside us
    failed: dict[str, str] = field(default_factory=dict)  # -> last line of its error
    held: dict[str, str] = field(default_factory=dict)  # -> who is on it
    waiting: dict[str, str] = field(default_factory=dict)  # -> what it waits for in vain


def execute(plan: Plan, run: Runner, announce: Callable[[str], None] = print, since: float | None = None) -> Outcome:
    """Run what has no record yet.

    A run that another process holds is passed over and looked at again at the end, when the others are done. A run
    that starts from another one waits for it, also when a process beside us is on that.

    Args:
        run: `lora_repro.run.run`.
        since: seconds since the epoch when the whole sweep began (default: now); what has failed after that, in
            whatever process, is not tried again.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the current run's state is saved.
    """
    outcome = Outcome()
    began, since = time.monotonic(), time.time() if since is None else since
    todo = [one for one in plan.planned if not _is_done(plan, one, outcome)]
    todo = [one for one in todo if one.place not in outcome.failed]
    missing, started = list(todo), 0
    while todo:
        ready = [one for one in todo if one.after is None or plan.first_path(one).exists()]
        for one in ready:
            todo.remove(one)
            if _is_done(plan, one, outcome):
                continue
            reason = _failed_since(plan, one, since)
            if reason is not None:
                outcome.failed[one.place] = reason
                continue
            started += 1
            announce(f"[{started}/{len(missing)}] {one.place}")
            _run_one(plan, one, run, announce, outcome, began)
        if not ready and not _wait_for_others(plan, todo, announce):
            break
    for one in todo:
        outcome.waiting[one.place] = f"starts from {one.after}, which has not finished"
    for one in missing:
        if one.place in outcome.held and _is_done(plan, one, outcome):
            del outcome.held[one.place]
    return outcome


def _is_done(plan: Plan, one: Planned, outcome: Outcome) -> bool:
    try:
        done = record(plan, one) is not None
    except DataError as error:
        outcome.failed[one.place] = str(error)
        return False
    if done:
        outcome.skipped.append(one.place)
    return done


def _run_one(
    plan: Plan, one: Planned, run: Runner, announce: Callable[[str], None], outcome: Outcome, began: float
) -> None:
    try:
        _has_its_start(plan, one)
        result = run(one.config(), one.items)
    except (Interrupted, KeyboardInterrupt):
        raise
    except HeldError as error:
        announce(f"    passed over: {error}")
        outcome.held[one.place] = str(error)
        return
    except Exception as error:  # its traceback is in the run's folder; the others go on
        outcome.failed[one.place] = f"{type(error).__name__}: {error}"
        _leave_traceback(plan.folder(one) / FAILURE)
        announce(f"    FAILED: {outcome.failed[one.place]}")
        return
    finally:
        give_back()
    outcome.done.append(one.place)
    remaining = _seconds_left(plan, result, (time.monotonic() - began) / len(outcome.done))
    announce(
        f"    {result.headline_metric} {result.best.headline:.4f} (best, epoch {result.best.epoch}), "
        f"{result.last.headline:.4f} (last); {result.cost.train_seconds + result.cost.eval_seconds:.0f} s"
        + (f"; the rest is ready in about {duration(remaining)}" if remaining else "")
    )


def _has_its_start(plan: Plan, one: Planned) -> None:
    """A record travels (it may have come with the repository); the adapter that a run starts from does not."""
    if one.after is None:
        return
    adapter = Path(plan.runs, one.after, ADAPTER)
    if not adapter.exists():
        raise DataError(
            f"{one.place} starts from {adapter}, which is gone, though that run's record is there: put the file back, "
            f"or delete {plan.first_path(one)} and the study trains it again"
        )


def give_back() -> None:
    """Give a run's memory back before the next one: model, optimiser and graph refer to each other in cycles."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _leave_traceback(path: Path) -> None:
    """What failed before the run's folder was its own (an unknown device, a full disk) leaves its traceback too."""
    if path.exists():
        return
    try:
        records.write_atomically(path, traceback.format_exc().encode())
    except OSError as error:
        print(f"warning: {path} cannot be written ({error})\n{traceback.format_exc()}")


def _failed_since(plan: Plan, one: Planned, since: float) -> str | None:
    folder = plan.folder(one)
    try:
        recent = (folder / FAILURE).stat().st_mtime >= since
    except FileNotFoundError:
        return None
    return failure(folder) if recent else None


def _wait_for_others(plan: Plan, todo: Sequence[Planned], announce: Callable[[str], None]) -> bool:
    """Sit until one of the awaited runs is done; False when nobody is on any of them."""
    awaited = {one.after: one for one in todo if one.after is not None}
    told = False
    while not any(plan.first_path(one).exists() for one in awaited.values()):
        owners = {place: locks.owner(Path(plan.runs, place)) for place in awaited}
        if not any(owners.values()):
            return any(plan.first_path(one).exists() for one in awaited.values())
        if not told:
            for place, owner in owners.items():
                if owner is not None:
                    announce(f"waiting for {place}, which {owner} is on")
            told = True
        time.sleep(PATIENCE)
    return True


def _seconds_left(plan: Plan, latest: records.Record, mean_seconds: float) -> float:
    """A guess for all that is missing: see `estimate`; the mean of this process's runs where that has nothing."""
    missing = [one for one in plan.planned if not plan.record_path(one).exists()]
    known = [*finished(plan), latest]
    return sum(estimate(one, known) or mean_seconds for one in missing)

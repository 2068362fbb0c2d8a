"""What has become of each run of a plan, read from its files: record, lock, failure, checkpoint; and from Slurm."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lora_repro import locks, records
from lora_repro.errors import DataError
from lora_repro.records import Record
from lora_repro.studies.plan import Plan, Planned

DONE, RUNNING, FAILED, WAITING, QUEUED, MISSING = "done", "running", "failed", "waiting", "queued", "missing"
STATES = (DONE, RUNNING, FAILED, WAITING, QUEUED, MISSING)
FAILURE = "failed.txt"  # traceback of the last attempt, in the run's folder
CHECKPOINTS = ("resume.pt", "resume.previous.pt")


@dataclass(frozen=True)
class State:
    """Of one run."""

    kind: str  # one of STATES
    detail: str = ""  # who is on it, why it failed, what it waits for


def state(plan: Plan, run: Planned, jobs: Mapping[str, State] | None = None) -> State:
    """The state of one run.

    Args:
        jobs: Slurm's word on runs that are submitted, by place: see `lora_repro.studies.slurm.job_states`.
    """
    try:
        if record(plan, run) is not None:
            return State(DONE)
    except DataError as error:
        return State(FAILED, str(error))
    folder = plan.folder(run)
    job = (jobs or {}).get(run.place)
    owner = locks.owner(folder)
    if owner is not None:
        return State(RUNNING, f"{owner}" + (f", {job.detail}" if job else ""))
    if job is not None:
        return job
    reason = failure(folder)
    if reason is not None:
        return State(FAILED, reason)
    if run.after is not None and not plan.first_path(run).exists():
        first = next((other for other in plan.planned if other.place == run.after), None)
        why = state(plan, first, jobs) if first is not None else State(MISSING)
        return State(WAITING, f"for {run.after}, which is {why.kind}")
    saved = any((folder / name).exists() for name in CHECKPOINTS)
    return State(MISSING, "goes on from its checkpoint" if saved else "")


def record(plan: Plan, run: Planned) -> Record | None:
    """The record of a run that is done.

    Raises:
        DataError: there is a file, but it is not a record.
    """
    path = plan.record_path(run)
    return records.load(path) if path.exists() else None


def finished(plan: Plan) -> list[Record]:
    """The records of all runs that are done; files that are no records are left out (`state` shows them)."""
    found = []
    for run in plan.planned:
        try:
            found.append(record(plan, run))
        except DataError:
            continue
    return [one for one in found if one is not None]


def failure(folder: Path) -> str | None:
    """The last line of the last attempt's traceback; None when it did not fail."""
    try:
        lines = (folder / FAILURE).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except FileNotFoundError:
        return None
    return lines[-1] if lines else "no traceback"

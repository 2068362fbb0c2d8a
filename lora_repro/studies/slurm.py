"""Studies on Slurm: one array job, a run each task, through ``sbatch``.

sbatch, not submitit: a study needs task-wise dependencies (``aftercorr``: a task starts when the task of the same
number in the first array is done), tasks that requeue themselves and the state of all of them from one ``squeue``;
submitit pickles a function, needs a living process to wait for its results and takes every signal for its time limit.
A task composes its run from the same items as the command line would (`lora_repro.studies.slurm_task`).
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from lora_repro import records
from lora_repro.errors import ConfigError
from lora_repro.overrides import config_dir
from lora_repro.studies.plan import Plan, Planned
from lora_repro.studies.snapshot import snapshot
from lora_repro.studies.states import FAILED, MISSING, QUEUED, RUNNING, WAITING, State, state

FOLDER = "slurm"  # below runs: a folder for each submission
ARRAY = 1000  # tasks of one array: Slurm's default MaxArraySize is 1001


@dataclass(frozen=True)
class Settings:
    """What a task asks Slurm for: see ``conf/launcher/slurm.yaml``."""

    partition: str | None
    gpus: int
    cpus: int
    memory: str | None
    time: str
    jobs: int
    grace: int
    restarts: int
    sbatch: tuple[str, ...]
    setup: tuple[str, ...]


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``--launcher slurm``; what is not given comes from ``conf/launcher/slurm.yaml``."""
    group = parser.add_argument_group("slurm", "with --launcher slurm; defaults in conf/launcher/slurm.yaml")
    group.add_argument("--partition")
    group.add_argument("--gpus", type=int, help="of each run")
    group.add_argument("--cpus", type=int, help="of each run")
    group.add_argument("--memory", help="of each run, e.g. 32G")
    group.add_argument("--time", help="limit of one attempt, e.g. 04:00:00")
    group.add_argument("--grace", type=int, help="seconds before the limit at which a run saves")
    group.add_argument("--sbatch", help="further options of sbatch, e.g. '--account=me --constraint=a100'")
    group.add_argument("--setup", help="a shell line before Python, e.g. 'module load cuda'")


def settings(arguments: argparse.Namespace) -> Settings:
    """The file's settings with the command line's over them.

    Raises:
        ConfigError: the file has an unknown key or lacks one.
    """
    path = config_dir() / "launcher" / "slurm.yaml"
    raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    valid = {item.name for item in fields(Settings)}
    if set(raw) != valid:
        odd = ", ".join(sorted(set(raw) ^ valid))
        raise ConfigError(f"{path}: has {', '.join(sorted(valid))}, no more and no less; look at {odd}")
    base = Settings(**{**raw, "sbatch": tuple(raw["sbatch"]), "setup": tuple(raw["setup"])})
    given = {key: getattr(arguments, key) for key in ("partition", "gpus", "cpus", "memory", "time", "grace", "jobs")}
    chosen = replace(base, **{key: value for key, value in given.items() if value is not None})
    if arguments.sbatch:
        chosen = replace(chosen, sbatch=(*chosen.sbatch, *shlex.split(arguments.sbatch)))
    if arguments.setup:
        chosen = replace(chosen, setup=(*chosen.setup, arguments.setup))
    return chosen


def submit(plan: Plan, chosen: Settings) -> str:
    """Submit what is missing and is not on its way yet; returns at once.

    Returns:
        What to tell the user.

    Raises:
        ConfigError: there is no sbatch here, or it refused; the message is Slurm's.
    """
    if shutil.which("sbatch") is None:
        raise ConfigError("no sbatch on this machine: submit from a login node of the cluster, or LAUNCHER=local")
    jobs = job_states(Path(plan.runs))
    states = {run.place: state(plan, run, jobs).kind for run in plan.planned}
    free = [run for run in plan.planned if states[run.place] in (MISSING, FAILED, WAITING)]
    first = [run for run in free if run.after is None or plan.first_path(run).exists()]
    starts = {run.place for run in first}
    later = [run for run in free if run not in first and run.after in starts]
    orphans = len(free) - len(first) - len(later)
    if not first:
        return "nothing to submit" + (f": {orphans} runs wait for runs that are on their way" if orphans else "")
    code = snapshot(Path(plan.runs))
    folder = Path(plan.runs, FOLDER, plan.name, f"{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}").resolve()
    submission = _Submission(plan, chosen, code, folder)
    for begin in range(0, len(first), ARRAY):
        submission.add(first[begin : begin + ARRAY], later)
    told = f"submitted {len(first) + len(later)} runs as Slurm jobs {' '.join(submission.ids)}; logs in {folder}/logs"
    if orphans:
        told += f"\n{orphans} runs wait for runs that are on their way already: submit again when those are done"
    return told


class _Submission:
    """The files of one submission, and its arrays as they are submitted."""

    def __init__(self, plan: Plan, chosen: Settings, code: Path | None, folder: Path) -> None:
        self.plan, self.chosen, self.code, self.folder = plan, chosen, code, folder
        self.ids: list[str] = []
        self._tasks: dict[str, dict[str, str]] = {}  # job -> number -> place
        (folder / "logs").mkdir(parents=True)

    def add(self, first: Sequence[Planned], later: Sequence[Planned]) -> None:
        """An array of `first`, and arrays of those of `later` that start from them, task by task."""
        job = self._array({str(number): run for number, run in enumerate(first)}, None)
        after: dict[str, list[Planned]] = {run.place: [] for run in first}
        for run in later:
            if run.after in after:
                after[run.after].append(run)
        for level in range(max(len(runs) for runs in after.values())):
            runs = {str(i): after[run.place][level] for i, run in enumerate(first) if len(after[run.place]) > level}
            self._array(runs, job)

    def _array(self, runs: dict[str, Planned], after: str | None) -> str:
        name = f"array-{len(self.ids)}"
        tasks = {number: asdict(run) for number, run in runs.items()}
        told = {"plan": {**self.plan.to_json(), "planned": ()}, "tasks": tasks, "gpus": self.chosen.gpus,
                "restarts": self.chosen.restarts}  # fmt: skip
        records.write_atomically(self.folder / f"{name}.json", json.dumps(told).encode())
        script = self.folder / f"{name}.sh"
        records.write_atomically(script, self._script(name, runs, after).encode())
        done = subprocess.run(["sbatch", "--parsable", str(script)], capture_output=True, text=True)
        if done.returncode:
            raise ConfigError(f"sbatch refused {script}: {done.stderr.strip()}")
        job = done.stdout.strip().split(";")[0]
        self.ids.append(job)
        self._tasks[job] = {number: run.place for number, run in runs.items()}
        records.write_atomically(self.folder / "submission.json", json.dumps(self._tasks, indent=1).encode())
        return job

    def _script(self, name: str, runs: dict[str, Planned], after: str | None) -> str:
        chosen = self.chosen
        options = [
            f"--job-name={self.plan.name}",
            f"--array={','.join(runs)}%{chosen.jobs}",
            f"--output={self.folder}/logs/{name}-%a.log",
            "--open-mode=append",
            "--requeue",
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={chosen.cpus}",
            f"--time={chosen.time}",
            f"--signal=B:USR1@{chosen.grace}",
        ]
        options += [f"--partition={chosen.partition}"] if chosen.partition else []
        options += [f"--gres=gpu:{chosen.gpus}"] if chosen.gpus else []
        options += [f"--mem={chosen.memory}"] if chosen.memory else []
        options += [f"--dependency=aftercorr:{after}", "--kill-on-invalid-dep=yes"] if after else []
        options += chosen.sbatch
        threads = max(1, chosen.cpus // max(1, chosen.gpus))
        path = [f"export PYTHONPATH={shlex.quote(str(self.code))}${{PYTHONPATH:+:$PYTHONPATH}}"] if self.code else []
        lines = [
            "#!/bin/bash",
            *(f"#SBATCH {option}" for option in options),
            f"cd {shlex.quote(str(Path.cwd()))}",
            *chosen.setup,
            *path,
            "export PYTHONSAFEPATH=1  # the snapshot's code, not that of the folder that we stand in",
            f"export OMP_NUM_THREADS={threads}",
            # exec: the signal before the time limit goes to the process of this shell
            f"exec {shlex.quote(sys.executable)} -m lora_repro.studies.slurm_task "
            f"{shlex.quote(f'{self.folder}/{name}.json')}",
        ]
        return "\n".join(lines) + "\n"


def job_states(runs: Path) -> dict[str, State]:
    """Slurm's word on the runs that were submitted from here, by place; runs that Slurm has forgotten are absent.

    Empty without a submission, without squeue, or when Slurm does not answer within ten seconds (with a warning).
    """
    submissions = sorted((runs / FOLDER).glob("*/*/submission.json"))
    if not submissions or shutil.which("squeue") is None:
        return {}
    wanted = "ArrayJobID:20,ArrayTaskID:12,State:16,RestartCnt:8,Reason:40"
    try:
        done = subprocess.run(
            ["squeue", "--me", "-h", "-r", "-O", wanted], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        why = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        print(f"warning: squeue gives no answer ({why}); Slurm's states are not shown")
        return {}
    places = {}
    for path in submissions:
        for job, tasks in json.loads(path.read_text(encoding="utf-8")).items():
            places |= {(job, number): place for number, place in tasks.items()}
    found = {}
    for line in done.stdout.splitlines():
        job, number, kind, restarts, *reason = line.split()
        place = places.get((job, number))
        if place is not None:
            found[place] = _state(f"Slurm {job}_{number}", kind, int(restarts), " ".join(reason))
    return found


def _state(job: str, kind: str, restarts: int, reason: str) -> State:
    again = f", requeued {restarts} times" if restarts else ""
    if kind == "PENDING":
        return State(WAITING if reason == "Dependency" else QUEUED, f"{job} {reason}{again}")
    return State(RUNNING, f"{job} {kind.lower()}{again}")

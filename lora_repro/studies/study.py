"""``lora-repro study NAME`` runs a table's or figure's runs; ``plan NAME`` lists them; ``status`` all studies."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lora_repro.errors import ConfigError, Interrupted
from lora_repro.studies import slurm
from lora_repro.studies.arguments import add_request, request
from lora_repro.studies.files import names, read
from lora_repro.studies.listing import recall, remember, rows, show, survey
from lora_repro.studies.plan import Plan, Request, first_run, make_plan
from lora_repro.studies.sharing import best_jobs
from lora_repro.studies.states import DONE, STATES
from lora_repro.studies.workers import conclude, gpus_here, run_beside, run_here, threads_here


def main(argv: Sequence[str]) -> int:
    """The verb ``study``: plan, say so, run or submit, say what came out. 1 when a run failed."""
    parser = argparse.ArgumentParser(prog="lora-repro study", description=__doc__)
    parser.add_argument("study", help=f"one of {', '.join(names())}; -MODEL may follow")
    add_request(parser)
    add_execution(parser)
    arguments = parser.parse_intermixed_args(argv)
    asked = request(arguments, arguments.study)
    look_ahead(asked, arguments)
    plan = make_plan(asked)
    code = carry_out(plan, arguments)
    if code is None:
        return 0
    epoch = "best epoch" if plan.statistic == "median" else "decoded epoch"  # of GLUE, of texts
    print(f"{plan.answers}, {plan.name}: {plan.statistic} over seeds of the {epoch}")
    print("\n".join(rows(plan)))
    return code


def plan_main(argv: Sequence[str]) -> int:
    """The verb ``plan``: every run of a study with its state."""
    parser = argparse.ArgumentParser(prog="lora-repro plan", description="every run of a study: done, running, ...")
    parser.add_argument("study", help=f"one of {', '.join(names())}; -MODEL may follow")
    add_request(parser)
    arguments = parser.parse_intermixed_args(argv)
    plan = make_plan(request(arguments, arguments.study))
    print(f"{plan.name} ({plan.answers})")
    show(plan, slurm.job_states(Path(plan.runs)))
    return 0


def status_main(argv: Sequence[str]) -> int:
    """The verb ``status``: all studies, one line each."""
    parser = argparse.ArgumentParser(prog="lora-repro status", description="all studies, one line each")
    parser.add_argument("--runs", default="runs", help="work folders (default: %(default)s)")
    arguments = parser.parse_args(argv)
    runs = Path(arguments.runs)
    started, jobs = recall(runs), slurm.job_states(runs)
    width = max(len(name) for name in [*started, *names()])
    for name, plan in started.items():
        counts = Counter(state.kind for state in survey(plan, jobs).values())
        told = ", ".join(f"{counts[kind]} {kind}" for kind in STATES if counts[kind])
        print(f"{name:{width}}  {len(plan.planned)} runs: {told}")
    for name in names():
        if not any(other == name or other.startswith(f"{name}-") for other in started):
            print(f"{name:{width}}  not started ({read(name).answers})")
    return 0


def add_execution(parser: argparse.ArgumentParser) -> None:
    """Where and how the runs are carried out."""
    parser.add_argument(
        "--jobs", type=jobs, help="processes side by side (default: 1), or auto: measured; with Slurm, runs at once"
    )
    parser.add_argument("--dry", action="store_true", help="show the plan and stop")
    parser.add_argument("--launcher", choices=("local", "slurm"), default="local", help="default: %(default)s")
    slurm.add_settings(parser)


def jobs(text: str) -> int | str:
    """A number of processes, or ``auto``.

    Raises:
        ConfigError: neither.
    """
    if text == "auto":
        return text
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"--jobs={text}: give a number from 1, or auto, which measures what is fastest here")
    return int(text)


def look_ahead(asked: Request, arguments: argparse.Namespace) -> None:
    """What the first run needs must be within reach: known seconds after the start, before the grid is composed.

    Raises:
        OfflineError: the hub is needed and cannot be reached.
        BackboneError: the backbone's folder lacks files.
    """
    from lora_repro.at_hand import require_for_all

    if arguments.launcher == "local" and not arguments.dry:
        require_for_all([first_run(asked).config()])


def carry_out(plan: Plan, arguments: argparse.Namespace) -> int | None:
    """Show the plan and run or submit what is missing.

    Returns:
        The exit code of the runs; None when nothing has been run here: a dry plan, or jobs that were submitted.
    """
    show(plan, slurm.job_states(Path(plan.runs)), all_runs=False)
    if arguments.dry:
        return None
    if arguments.launcher == "slurm":
        if arguments.jobs == "auto":
            raise ConfigError("--jobs auto measures this machine; with Slurm give a number: how many runs at once")
        settings = slurm.settings(arguments)
        remember(plan)
        print(slurm.submit(plan, settings))
        return None
    remember(plan)
    states = survey(plan)
    missing = {run.task: run for run in plan.planned if states[run.place].kind != DONE}
    if not missing:
        return 0
    from lora_repro.at_hand import require_for_all  # imports NumPy: too much for plan and status

    require_for_all([run.config() for run in missing.values()])  # of each task one run: known before torch is there
    left = sum(state.kind != DONE for state in states.values())
    processes = _processes(plan, left) if arguments.jobs == "auto" else arguments.jobs or 1
    if processes > 1:
        code = run_beside(plan, processes)
        if code == Interrupted.exit_code:
            raise Interrupted("stopped; the same command goes on")
        return code
    return conclude(run_here(plan))


def _processes(plan: Plan, most: int) -> int:
    """``--jobs auto``, said on the screen; no more than there are runs."""
    best, why = best_jobs(plan.planned[0].config().model.dims, threads_here(), len(gpus_here()))
    print(f"--jobs auto: {why}", flush=True)
    return min(best, most)

"""A plan on the screen: every run with its state, and what the rest will cost."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from lora_repro import records
from lora_repro.errors import DataError
from lora_repro.studies.estimate import estimate
from lora_repro.studies.plan import Plan, Planned, from_json
from lora_repro.studies.states import DONE, STATES, State, finished, state

FOLDER = "studies"  # below runs: the plan of every study that was started, for `status`


def survey(plan: Plan, jobs: Mapping[str, State] | None = None) -> dict[str, State]:
    """The state of every run, by place."""
    return {run.place: state(plan, run, jobs) for run in plan.planned}


def show(plan: Plan, jobs: Mapping[str, State] | None = None, *, all_runs: bool = True) -> None:
    """Print the plan.

    Args:
        all_runs: those that are done too.
    """
    states = survey(plan, jobs)
    counts = Counter(found.kind for found in states.values())
    first = plan.planned[0]
    rest = len(plan.planned) - counts[DONE]
    sources = ", ".join(dict.fromkeys(run.recipe for run in plan.planned))
    others = ", ".join(f"{counts[kind]} {kind}" for kind in STATES if kind != DONE and counts[kind] not in (0, rest))
    print(
        f"{len(plan.planned)} runs of {first.model}, recipe {sources}: {counts[DONE]} done, {rest} to do"
        + (f" ({others})" if others else "")
    )
    known, _ = records.load_all(plan.records)
    guesses = {run.place: estimate(run, known) for run in plan.planned if states[run.place].kind != DONE}
    for run in plan.planned:
        found = states[run.place]
        if found.kind == DONE and not all_runs:
            continue
        print(_line(run, found, guesses.get(run.place)))
    if guesses and all(guesses.values()):
        hours = sum(guess or 0 for guess in guesses.values()) / 3600
        print(f"about {hours:.1f} hours of one process, from earlier runs' speed")
    elif guesses:
        print("no finished run of this backbone to estimate from: the first one will tell how long the rest takes")


def _line(run: Planned, found: State, seconds: float | None) -> str:
    cost = f"about {seconds / 60:.0f} min" if seconds else ""
    rest = "  ".join(part for part in (run.row if run.row != run.method else "", cost, found.detail) if part)
    return f"  {found.kind:8} {run.place}" + (f"  {rest}" if rest else "")


def remember(plan: Plan) -> None:
    """Keep a plan for ``status``: with what earlier requests of the same study have finished."""
    places = {run.place for run in plan.planned}
    earlier = recall(Path(plan.runs)).get(plan.name)
    kept = [] if earlier is None else [run for run in earlier.planned if run.place not in places]
    done = [run for run in kept if plan.record_path(run).exists()]
    whole = Plan(**{**vars(plan), "planned": (*plan.planned, *done)})
    path = Path(plan.runs, FOLDER, f"{plan.name}.json")
    records.write_atomically(path, json.dumps(whole.to_json()).encode())


def recall(runs: Path) -> dict[str, Plan]:
    """The plans of all studies that were started, by name.

    Raises:
        DataError: a file cannot be read; the message names it.
    """
    found = {}
    for path in sorted((runs / FOLDER).glob("*.json")):
        try:
            found[path.stem] = from_json(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not a plan ({type(error).__name__}: {error}); delete it") from error
    return found


def rows(plan: Plan) -> list[str]:
    """The results so far, one line for each row and task: statistic over seeds, spread, number of runs."""
    from statistics import mean, median, stdev

    found = {record.identity: record for record in finished(plan)}
    cells: dict[tuple[str, str], list[float]] = {}
    wanted: Counter[tuple[str, str]] = Counter()
    names: dict[str, str] = {}
    for run in plan.planned:
        wanted[run.row, run.task] += 1
        record = found.get(run.place.rpartition("-")[2])
        if record is not None:
            cells.setdefault((run.row, run.task), []).append(record.best.headline)
            names[run.task] = record.headline_metric
    width = max(len(row) for row, _ in wanted)
    lines = []
    for (row, task), n in wanted.items():
        values = cells.get((row, task), [])
        centre = {"median": median, "mean": mean}[plan.statistic](values) if values else None
        value = "--" if centre is None else f"{centre:.4f} {names[task]}"
        spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
        lines.append(f"  {row:{width}}  {task:7} {value}{spread} ({len(values)}/{n})")
    return lines

"""From a study's file and what was asked for to a list of planned runs, with who waits for whom.

A planned run is plain data (items for the command line, place, what it waits for): it can be listed, stored for
``status``, handed to another process or to Slurm without composing anything again. Nothing here imports torch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lora_repro import records
from lora_repro.checks import TEXT_SETTINGS, did_you_mean
from lora_repro.compose import comes_with_the_suite, compose_run, has_recipe
from lora_repro.config import RunConfig
from lora_repro.errors import ConfigError
from lora_repro.overrides import METHODS, choices, override
from lora_repro.studies.composed import Composed
from lora_repro.studies.estimate import train_tokens
from lora_repro.studies.files import INIT_TASKS, Part, StudyFile

SOURCES = ("paper", "official", "mini")
ADAPTER = "best.safetensors"  # what a run that waits for another starts from


@dataclass(frozen=True)
class Request:
    """What was asked for: a study, and what shall differ from its file. None: as the file says."""

    study: StudyFile
    model: str
    tasks: tuple[str, ...] | None = None
    methods: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    recipe: str | None = None
    model_path: str | None = None
    data: str | None = None
    records: str = "results/records"
    runs: str = "runs"
    tracker: str = "none"
    overrides: tuple[str, ...] = ()  # settings for every run; init_from=mnli and init_from=null mean INIT_TASKS

    @property
    def name(self) -> str:
        """The study's name with its model: W&B group, job name, file of its plan."""
        return f"{self.study.name}-{self.model}"


@dataclass(frozen=True)
class Planned:
    """One run of a study."""

    row: str  # of the table
    model: str
    method: str
    task: str
    seed: int
    recipe: str  # source
    place: str  # below records (with .json) and below runs: <task>/<model>/<method>/s<seed>-<identity>
    tokens: float | None  # about how many it trains on; None where nobody has counted
    items: tuple[str, ...]  # what composes it, settings of this machine included
    after: str | None = None  # place of the run whose adapter it starts from

    def config(self) -> RunConfig:
        """The run's configuration, composed.

        Raises:
            ConfigError: conf/ has changed since it was planned, so that the items now make another run.
        """
        config = compose_run(self.items)
        if str(records.place(config)) != self.place:
            raise ConfigError(
                f"{self.place} was planned with other settings than conf/ has now (it would be "
                f"{records.place(config).name}): plan the study again"
            )
        return config


@dataclass(frozen=True)
class Plan:
    """The runs of a study in the order in which they shall run: a run stands behind the one it waits for."""

    name: str
    answers: str
    records: str
    runs: str
    statistic: str
    planned: tuple[Planned, ...]

    def record_path(self, run: Planned) -> Path:
        """The file that says that a run is done."""
        return Path(self.records, f"{run.place}.json")

    def first_path(self, run: Planned) -> Path:
        """The record of the run that `run` starts from."""
        return Path(self.records, f"{run.after}.json")

    def folder(self, run: Planned) -> Path:
        """The run's work folder."""
        return Path(self.runs, run.place)

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return asdict(self)


def from_json(raw: dict) -> Plan:
    """The inverse of `Plan.to_json`."""
    planned = tuple(Planned(**{**run, "items": tuple(run["items"])}) for run in raw["planned"])
    return Plan(**{**raw, "planned": planned})


@dataclass(frozen=True)
class _Cell:
    """A row of the table on one task: all seeds of it."""

    part: Part
    row: str
    method: str
    task: str
    settings: tuple[str, ...]  # of the part, of the task, of the row
    of_task: tuple[str, ...]  # those of them that other tasks do not have


def make_plan(request: Request) -> Plan:
    """The runs, seed by seed, so that a whole table of one seed is there first.

    Raises:
        ConfigError: any run's settings are wrong, or the study has no such method, task or model; nothing has started.
    """
    cells = list(_cells(request))
    source = request.recipe or _source(request, cells)
    composed = Composed(Path(request.runs))
    made: dict[str, Planned] = {}
    seeds = request.seeds or request.study.seeds
    for seed in seeds:
        for cell in cells:
            for run in _runs(request, cell, source, seed, composed):
                made.setdefault(run.place, run)
    ordered = sorted(made.values(), key=lambda run: (seeds.index(run.seed), run.after is not None))
    return Plan(
        request.name, request.study.answers, request.records, request.runs, request.study.statistic, tuple(ordered)
    )


def listed(name: str, answers: str, runs: Sequence[tuple[Sequence[str], RunConfig]]) -> Plan:
    """A plan of runs that no study's file tells of, in their order.

    Args:
        runs: the items that compose each run, and what they compose; all keep their records in one store.
    """
    first = runs[0][1]
    planned = [
        Planned(
            row=config.method.name,
            model=config.model.name,
            method=config.method.name,
            task=config.task.name,
            seed=config.seed,
            recipe=config.recipe.source,
            place=str(records.place(config)),
            tokens=train_tokens(config),
            items=tuple(items),
        )
        for items, config in runs
    ]
    return Plan(name, answers, first.records, first.runs, "median", tuple(planned))


def first_run(request: Request) -> Planned:
    """The first run alone: what it needs can be looked for long before the whole grid is composed.

    Raises:
        ConfigError: as `make_plan`.
    """
    cells = list(_cells(request))
    seed = (request.seeds or request.study.seeds)[0]
    source = request.recipe or _source(request, cells)
    return next(_runs(request, cells[0], source, seed, Composed(Path(request.runs))))


def _cells(request: Request) -> Iterator[_Cell]:
    study = request.study
    if study.plain:
        parts = [replace(study.parts[0], methods=request.methods or study.parts[0].methods)]
    else:
        parts = study.parts_for(request.model)
        own = sorted({method for part in parts for method in part.methods})
        _must_have("methods", request.methods, own, study.name)
        if not parts:
            raise ConfigError(
                f"study {study.name} has no rows for model {request.model}; it is about {', '.join(study.models)}"
            )
    any_task = study.plain or study.gives_way(request.recipe)
    if not any_task:
        known = {*study.tasks, *(task for part in parts for task in part.tasks or ())}
        _must_have("tasks", request.tasks, sorted(known), study.name)
    for kind, words, valid in (("task", request.tasks, choices("task")), ("method", request.methods, list(METHODS))):
        for word in words or ():
            if word not in valid:
                raise ConfigError(f"{kind}: no {word!r}, choose from {', '.join(valid)}{did_you_mean(word, valid)}")
    kept = _kept(request)
    for part in parts:
        tasks = part.tasks or study.tasks
        if request.tasks is not None:
            tasks = tuple(task for task in request.tasks if task in tasks or (any_task and part.tasks is None))
        methods = [method for method in part.methods if request.methods is None or method in request.methods]
        for task in tasks:
            for method in methods:
                for varied in map(kept, part.vary):
                    row = " ".join([part.row or method, *(item.removeprefix("method.") for item in varied)])
                    of_task = kept(study.of_task(part, task))
                    settings = (*kept(study.set), *kept(part.set), *of_task, *varied)
                    yield _Cell(part, row, method, task, settings, of_task)


def _kept(request: Request) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """What is left of a study's settings: all, or where another source's values take the place of the study's, what
    is not of the recipe, and how texts are written."""
    if not request.study.gives_way(request.recipe):
        return tuple
    writing = tuple(f"recipe.{name}=" for name in TEXT_SETTINGS)
    return lambda items: tuple(item for item in items if not item.startswith("recipe.") or item.startswith(writing))


def _must_have(key: str, asked: Sequence[str] | None, own: Sequence[str], study: str) -> None:
    for word in asked or ():
        if word not in own:
            raise ConfigError(f"--{key}: study {study} has no {word!r}, it has {', '.join(own)}; see glue for any grid")


def _source(request: Request, cells: Sequence[_Cell]) -> str:
    """The study's own source, else the first of `SOURCES`, that has a recipe for every cell that names none."""
    open_cells = [cell for cell in cells if cell.part.recipe is None]
    first = [request.study.recipe] if request.study.recipe else []
    for source in (*first, *SOURCES):
        if all(has_recipe(source, request.model, cell.method, cell.task) for cell in open_cells):
            return source
    return (*first, *SOURCES)[0]  # its error says what is lacking


def _runs(request: Request, cell: _Cell, source: str, seed: int, composed: Composed) -> Iterator[Planned]:
    """One run of a cell, after the run that it starts from where there is one."""
    wishes = [item for item in request.overrides if item.startswith("init_from=")]
    others = [item for item in request.overrides if not item.startswith("init_from=")]
    init = wishes[-1].partition("=")[2] if wishes else cell.part.init_from or "null"
    if init not in ("null", "mnli"):
        raise ConfigError(f"init_from={init}: a study takes init_from=mnli or null; give a file to lora-repro run")
    settings = [*cell.settings, *others]
    if init == "null" or cell.task not in INIT_TASKS:
        yield _planned(request, cell, cell.task, source, seed, settings, None, composed)
        return
    kept = [item for item in settings if item not in cell.of_task]
    on_mnli = request.study.of_task(cell.part, "mnli")
    first = _planned(request, cell, "mnli", source, seed, [*on_mnli, *kept], None, composed)
    yield first
    yield _planned(request, cell, cell.task, source, seed, settings, first, composed)


def _planned(
    request: Request,
    cell: _Cell,
    task: str,
    source: str,
    seed: int,
    settings: Sequence[str],
    first: Planned | None,
    composed: Composed,
) -> Planned:
    science = [f"model={request.model}", f"method={cell.method}", f"task={task}", *_last_wins(
        [f"recipe={cell.part.recipe or source}", *settings])]  # fmt: skip
    if not request.data and comes_with_the_suite(request.model) and not any("data." in item for item in settings):
        science.append("data.sources=[embedded]")  # part of the identity, unlike the folder of real data
    config = replace(composed.config(science), seed=seed, records=request.records, runs=request.runs)
    local = [f"seed={seed}", f"tracker={request.tracker}", f"study={request.name}"]
    local += [override("records", request.records), override("runs", request.runs)]
    if request.model_path:
        local.append(override("model.path", request.model_path))
    if request.data:
        local += [override("data.dir", request.data), "data.sources=[local]"]
    if first is not None:
        start = str(Path(request.runs, first.place, ADAPTER))
        local.append(override("init_from", start))
        config = replace(config, init_from=start)
    return Planned(
        row=cell.row,
        model=request.model,
        method=cell.method,
        task=task,
        seed=seed,
        recipe=config.recipe.source,
        place=str(records.place(config)),
        tokens=train_tokens(config),
        items=(*science, *local),
        after=None if first is None else first.place,
    )


def _last_wins(items: Sequence[str]) -> list[str]:
    """Each setting once, with its last value: Hydra refuses none, but a reader should not have to choose."""
    return list({item.partition("=")[0].lstrip("+"): item for item in items}.values())

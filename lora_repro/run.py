"""One run, told from top to bottom: configuration -> task -> backbone -> method -> training -> evaluation -> record.

lora-repro run model=roberta-base method=lora task=rte recipe=official seed=0 data.dir=DATA
python -m lora_repro.run ...                       # the same, as the Hydra application (-m for a multirun)
torchrun --nproc_per_node=4 -m lora_repro.run ...  # data parallel, same numbers for the same effective batch
"""

import sys

if __name__ == "__main__":  # a wrong setting, or a hub that is out of reach, is answered before torch is imported
    from lora_repro.at_hand import require
    from lora_repro.compose import refuse_wrong_settings

    refuse_wrong_settings(require)

import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import torch

from lora_repro import environment, records, tracking
from lora_repro.config import RunConfig
from lora_repro.errors import HeldError, Interrupted, UserError
from lora_repro.locks import hold
from lora_repro.methods.apply import Adapted, adapt
from lora_repro.methods.checkpoint import AdapterMeta, initialise_from, save_adapter
from lora_repro.models.load import Backbone, load_backbone
from lora_repro.records import Cost, Parameters, Record, Split, identity, science
from lora_repro.tasks.encode import Encoded, encode
from lora_repro.tasks.examples import Examples
from lora_repro.tasks.glue import GLUE, GlueTask
from lora_repro.tasks.load import load_split
from lora_repro.training import precision as precisions
from lora_repro.training.checkpoint import Saver
from lora_repro.training.distributed import World, joined, local_device
from lora_repro.training.dropout import use_cheap_dropout
from lora_repro.training.evaluate import Evaluation, constant_baseline, evaluate
from lora_repro.training.loop import Hooks, Progress, train
from lora_repro.training.problem import SequenceClassification


def run(config: RunConfig, overrides: Sequence[str] = ()) -> Record:
    """Train and evaluate, or return the record when that is done already.

    Args:
        config: composed and checked (`lora_repro.compose.compose_run`).
        overrides: what was asked for on the command line, for the record; machine paths are left out.

    Raises:
        HeldError: another process is on this run.
        Interrupted: asked to stop; the state is saved.
        UserError: data, backbone or checkpoint do not serve.
    """
    done = records.find(config)
    if done is not None:
        return done
    folder = run_folder(config)
    device = local_device(config.device)
    with ExitStack() as stack:
        world = stack.enter_context(joined(device))
        _hold_together(stack, folder, world)
        done = records.find(config)  # it may have been finished while we came here
        if done is not None:
            return done
        failure = folder / "failed.txt"
        failure.unlink(missing_ok=True)
        try:
            return _run(config, folder, world, overrides)
        except (Interrupted, KeyboardInterrupt):
            raise
        except BaseException:
            if world.leads:
                records.write_atomically(failure, traceback.format_exc().encode())
            raise


def run_folder(config: RunConfig) -> Path:
    """Where a run keeps its checkpoints, adapters and logs."""
    return Path(config.runs) / records.place(config)


def _run(config: RunConfig, folder: Path, world: World, overrides: Sequence[str]) -> Record:
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    device = world.device
    precision = precisions.resolve(config.precision, device)
    environment.reset_peak_memory(device)

    # task
    task = GLUE[config.task.name]
    texts = {"train": load_split(task, "train", config.data, config.task.train_examples)}
    texts |= {name: load_split(task, name, config.data, config.task.eval_examples) for name in task.eval_splits}

    # backbone
    backbone = load_backbone(
        config.model,
        max(1, len(task.labels)),
        problem="classification" if task.labels else "regression",
        classifier_dropout=config.recipe.classifier_dropout,
        seed=config.seed,
    )
    data = {name: _encoded(split, backbone, config) for name, split in texts.items()}
    problem = SequenceClassification(
        regression=not task.labels,
        max_length=config.recipe.max_length,
        pad_token_id=backbone.tokenizer.pad_token_id,
        pad_to_max_length=config.recipe.pad_to_max_length,
    )

    # method
    adapted = adapt(backbone, config.method, config.seed)
    if config.init_from is not None:
        initialise_from(adapted, Path(config.init_from))
    precisions.prepare(adapted.model, precision)
    if device.type == "cpu":
        use_cheap_dropout(adapted.model, config.model.architecture)
    adapted.model.to(device)

    # training and evaluation
    dev = {name: data[name] for name in task.eval_splits}
    progress = _train(config, task, problem, adapted, backbone, data["train"], dev, folder, precision, world)

    # record
    counts = adapted.counts
    record = Record(
        schema=records.SCHEMA,
        identity=identity(config),
        model=config.model.name,
        method=config.method.name,
        task=task.name,
        seed=config.seed,
        config=science(config),
        command=command(config, overrides),
        headline_metric=task.headline,
        baseline=constant_baseline(task, data["train"], dev),
        backbone_fingerprint=backbone.fingerprint,
        splits={name: Split(len(data[name]), split.source, split.fingerprint) for name, split in texts.items()},
        parameters=Parameters(counts.method, counts.head, counts.total),
        effective_batch=config.recipe.batch_size,
        epochs=progress.epochs,
        best=progress.best,
        last=progress.epochs[-1],
        cost=Cost(
            train_seconds=progress.train_seconds,
            eval_seconds=progress.eval_seconds,
            train_tokens=progress.tokens,
            tokens_per_second=progress.tokens / progress.train_seconds,
            peak_memory_bytes=environment.peak_memory(device),
        ),
        environment=environment.describe(device, precision, world.size),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        study=config.study,
    )
    if world.leads:
        records.save(records.record_path(config), record)
        Saver(folder, {}).clear()
    return record


def _train(
    config: RunConfig,
    task: GlueTask,
    problem: SequenceClassification,
    adapted: Adapted,
    backbone: Backbone,
    train_data: Encoded,
    dev: dict[str, Encoded],
    folder: Path,
    precision: str,
    world: World,
) -> Progress:
    meta = AdapterMeta.of(config, backbone, task.name, task.labels)
    saver = Saver(
        folder,
        {
            "settings": identity(config),
            "backbone": backbone.fingerprint,
            "data": "+".join([train_data.fingerprint, *(split.fingerprint for split in dev.values())]),
            "precision": precision,
            "processes": str(world.size),
        },
    )
    tracker = tracking.start(config, folder) if world.leads else tracking.NoTracker()

    def look() -> Evaluation:
        return evaluate(adapted.model, problem, task, dev, precision, world)

    with _stop_on_signal() as stop_requested:
        hooks = Hooks(
            evaluate=look,
            keep=lambda which: save_adapter(folder / f"{which}.safetensors", adapted, meta),
            report=tracker.log,
            stop_requested=stop_requested,
        )
        try:
            progress = train(
                adapted,
                problem,
                train_data,
                config.recipe,
                hooks,
                saver,
                seed=config.seed,
                precision=precision,
                world=world,
                save_every_seconds=60 * config.save_every_minutes,
            )
        except BaseException:
            tracker.finish({}, exit_code=1)
            raise
    best = progress.best
    parameters = {"params/trainable": float(adapted.counts.method), "params/head": float(adapted.counts.head)}
    tracker.finish({f"best/{task.headline}": best.headline, "best/epoch": float(best.epoch), **parameters}, exit_code=0)
    return progress


def command(config: RunConfig, overrides: Sequence[str]) -> str:
    """The command that gives this run, without what belongs to one machine."""
    chosen = {
        "model": config.model.name,
        "method": config.method.name,
        "task": config.task.name,
        "recipe": config.recipe.source,
        "seed": str(config.seed),
    }
    local = ("model.path", "data.", "records", "runs", "init_from", "tracker", "device", "threads", "study")
    extra = [o for o in overrides if o.split("=")[0] not in chosen and not o.lstrip("+").startswith(local)]
    return " ".join(["lora-repro run", *(f"{key}={value}" for key, value in chosen.items()), *extra])


def _encoded(split: Examples, backbone: Backbone, config: RunConfig) -> Encoded:
    return encode(split, backbone.tokenizer, config.recipe.max_length, Path(config.data.cache))


def _hold_together(stack: ExitStack, folder: Path, world: World) -> None:
    """The leader takes the lock; when it cannot, every process leaves with its reason."""
    refusal: str | None = None
    if world.leads:
        try:
            stack.enter_context(hold(folder))
        except HeldError as error:
            refusal = str(error)
    refusal = world.from_leader(refusal)
    if refusal is not None:
        raise HeldError(refusal)


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a flag that the loop reads; a second SIGINT interrupts at once."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: whoever owns it also owns the signals
        before = {}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    """The Hydra application (see `lora_repro.compose.hydra_application`)."""
    from lora_repro.compose import hydra_application

    try:
        hydra_application(run)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

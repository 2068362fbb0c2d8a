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

import gzip
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import torch

from lora_repro import environment, kinds, records, tracking
from lora_repro.config import RunConfig
from lora_repro.errors import HeldError, Interrupted, UserError
from lora_repro.kinds.kind import Kind, Result, Setting, Work
from lora_repro.locks import hold
from lora_repro.methods.apply import Adapted, Counts, adapt
from lora_repro.methods.checkpoint import AdapterMeta, initialise_from, save_adapter
from lora_repro.models.load import Backbone
from lora_repro.records import Cost, Parameters, Record, identity, science
from lora_repro.tracking import Tracker
from lora_repro.training import precision as precisions
from lora_repro.training.checkpoint import Saver
from lora_repro.training.distributed import World, joined, local_device
from lora_repro.training.dropout import use_cheap_dropout
from lora_repro.training.first_token import compute_first_token_only
from lora_repro.training.gelu import use_fused_gelu
from lora_repro.training.loop import Hooks, Progress, train


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
    task = kinds.read(config)

    # backbone
    backbone = task.load_backbone()
    work = task.encode(backbone, precision)

    # method
    adapted = adapt(backbone, config.method, config.seed)
    if config.init_from is not None:
        initialise_from(adapted, Path(config.init_from))
    precisions.prepare(adapted.model, precision)
    use_fused_gelu(adapted.model)
    compute_first_token_only(adapted.model, adapted.backbone.architecture)
    if device.type == "cpu":
        use_cheap_dropout(adapted.model, config.model.architecture)
    adapted.model.to(device)

    # training and evaluation
    counts = adapted.counts
    saver = _saver(config, folder, backbone, work.fingerprint, precision, world)
    with _stop_on_signal() as stop_requested, _tracked(config, folder, world) as tracker:
        progress = _train(
            config, task, work, adapted, saver, tracker, Setting(folder, precision, world, stop_requested)
        )
        result = work.finish(adapted, progress, Setting(folder, precision, world, stop_requested))
        tracker.finish(_summary(task.headline, result, counts), exit_code=0)

    # record
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
        baseline=work.baseline,
        backbone_fingerprint=backbone.fingerprint,
        splits=task.splits,
        parameters=Parameters(counts.method, counts.head, counts.total),
        effective_batch=config.recipe.batch_size,
        epochs=result.epochs,
        best=result.best,
        last=result.last,
        cost=Cost(
            train_seconds=progress.train_seconds,
            eval_seconds=progress.eval_seconds + sum(decoding.seconds for decoding in result.decodings),
            train_tokens=progress.tokens,
            tokens_per_second=progress.tokens / progress.train_seconds,
            peak_memory_bytes=environment.peak_memory(device),
            seconds_per_step=progress.train_seconds / progress.step,
        ),
        environment=environment.describe(device, precision, world.size),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        study=config.study,
        decodings=result.decodings,
    )
    if world.leads:
        path = records.record_path(config)
        for checkpoint, texts in result.files.items():
            records.write_atomically(records.outputs_path(path, checkpoint), gzip.compress(texts, mtime=0))
        records.save(path, record)
        saver.clear()
    return record


def _train(
    config: RunConfig, task: Kind, work: Work, adapted: Adapted, saver: Saver, tracker: Tracker, setting: Setting
) -> Progress:
    meta = AdapterMeta.of(config, adapted.backbone, task.name, task.labels)
    hooks = Hooks(
        evaluate=lambda: work.evaluate(adapted, setting.precision, setting.world),
        keep=lambda which: save_adapter(setting.folder / f"{which}.safetensors", adapted, meta),
        report=tracker.log,
        stop_requested=setting.stop_requested,
    )
    return train(
        adapted,
        work.problem,
        work.train,
        config.recipe,
        hooks,
        saver,
        seed=config.seed,
        precision=setting.precision,
        world=setting.world,
        save_every_seconds=60 * config.save_every_minutes,
    )


def _saver(config: RunConfig, folder: Path, backbone: Backbone, data: str, precision: str, world: World) -> Saver:
    belongs_to = {
        "settings": identity(config),
        "backbone": backbone.fingerprint,
        "data": data,
        "precision": precision,
        "processes": str(world.size),
    }
    return Saver(folder, belongs_to)


def _summary(headline: str, result: Result, counts: Counts) -> dict[str, float]:
    """What the tracker shows of a finished run."""
    values = {f"best/{headline}": result.best.headline, "best/epoch": float(result.best.epoch)}
    values |= {"params/trainable": float(counts.method), "params/head": float(counts.head)}
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def _tracked(config: RunConfig, folder: Path, world: World) -> Iterator[Tracker]:
    """The leader's tracker; it is told when the run fails."""
    tracker = tracking.start(config, folder) if world.leads else tracking.NoTracker()
    try:
        yield tracker
    except BaseException:
        tracker.finish({}, exit_code=1)
        raise


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
    generated = ["data.sources=[embedded]"] if config.data.generated else []
    return " ".join(["lora-repro run", *(f"{key}={value}" for key, value in chosen.items()), *extra, *generated])


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

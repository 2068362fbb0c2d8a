"""The training loop: plain PyTorch, resumable at any step, equal to itself uninterrupted.

One optimiser step = one whole batch: its examples are dealt out to processes and accumulation steps, every loss is a
sum divided by the terms of the whole batch (`Problem.terms`), so one process, many processes and accumulation give the
same update.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from tqdm import tqdm

from lora_repro.config import RecipeConfig
from lora_repro.errors import Interrupted
from lora_repro.methods.apply import Adapted
from lora_repro.records import Epoch
from lora_repro.training import optimiser as adamw
from lora_repro.training.batches import check_divisible, share, training_batches
from lora_repro.training.checkpoint import Saver, State
from lora_repro.training.distributed import World
from lora_repro.training.evaluate import Evaluation
from lora_repro.training.kept_states import keep_states
from lora_repro.training.precision import compute
from lora_repro.training.problem import Data, Problem

LOG_EVERY = 10  # optimiser steps between two points of the training curve

SAVE, STOP = 1, 2  # what a process may ask for at the end of a step


@dataclass
class Progress:
    """Where a run stands: the part of the state that is plain numbers."""

    step: int = 0  # optimiser steps done
    epoch: int = 1  # the current one
    batch: int = 0  # batches of the current epoch done
    loss_sum: float = 0.0  # over the current epoch's terms
    tokens: int = 0  # real ones, whole run
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    epoch_seconds: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def best(self) -> Epoch:
        """Highest headline metric, or lowest loss where no epoch has one yet; the earliest of equals."""
        return max(self.epochs, key=lambda e: (-e.eval_loss if e.headline is None else e.headline, -e.epoch))


@dataclass(frozen=True)
class Hooks:
    """What happens around the loop."""

    evaluate: Callable[[], Evaluation]
    keep: Callable[[str], None]  # "best" or "last": write the adapter
    report: Callable[[int, dict[str, float]], None]  # (optimiser step, values)
    stop_requested: Callable[[], bool]


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Optimiser steps of one epoch; the last batch may be smaller."""
    return math.ceil(examples / batch_size)


def train(
    adapted: Adapted,
    problem: Problem[Data],
    data: Data,
    recipe: RecipeConfig,
    hooks: Hooks,
    saver: Saver,
    *,
    seed: int,
    precision: str,
    world: World,
    save_every_seconds: float,
) -> Progress:
    """Train until the recipe's last epoch, from the saved state where there is one.

    Args:
        adapted: the model on its device, with exactly the declared parameters requiring gradients.
        seed: orders the examples and starts the random numbers of dropout.

    Raises:
        Interrupted: a stop was requested; the state is saved.
        FloatingPointError: the loss is not a number any more; names the step.
    """
    check_divisible(recipe.batch_size, world.size, recipe.grad_accumulation)
    model, device = adapted.model, world.device
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimiser = adamw.build(model, adapted.method_names, adapted.head_names, recipe)
    lengths = problem.lengths(data)
    steps = recipe.epochs * steps_per_epoch(len(data), recipe.batch_size)
    warmup_steps = adamw.warmup(recipe, steps)

    torch.manual_seed(seed * 1_000_003 + world.rank)
    progress = _resume(saver.load(), adapted, optimiser, world) or Progress()
    last_save = time.monotonic()
    if progress.epoch <= recipe.epochs:
        started = time.perf_counter()
        problem = keep_states(adapted, problem, data, epochs=recipe.epochs, precision=precision, device=device)
        progress.train_seconds += time.perf_counter() - started

    with tqdm(total=steps, initial=progress.step, unit="step", disable=None if world.leads else True) as bar:
        while progress.epoch <= recipe.epochs:
            batches = training_batches(
                lengths, recipe.batch_size, seed, progress.epoch, bucketed=not recipe.pad_to_max_length
            )
            model.train()
            while progress.batch < len(batches):
                started = time.perf_counter()
                batch = batches[progress.batch]
                terms = problem.terms(data, batch)
                loss = torch.zeros((), device=device)
                for part in share(batch, world.rank, world.size, recipe.grad_accumulation):
                    tensors = {name: t.to(device, non_blocking=True) for name, t in problem.collate(data, part).items()}
                    with compute(precision, device):
                        part_loss = problem.loss(model, tensors) / terms
                    part_loss.backward()
                    loss += part_loss.detach()
                world.sum_gradients(trainable)
                if recipe.max_grad_norm > 0:
                    torch.nn.utils.clip_grad_norm_(trainable, recipe.max_grad_norm)
                adamw.set_step(optimiser, progress.step, adamw.lr_factor(progress.step, steps, warmup_steps))
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)

                batch_loss = world.sum(loss)
                if not math.isfinite(batch_loss):
                    raise FloatingPointError(
                        f"the loss is {batch_loss} at step {progress.step + 1} of {steps} (epoch {progress.epoch}); "
                        f"a smaller recipe.lr than {recipe.lr:g} is the usual way out"
                    )
                progress.step += 1
                progress.batch += 1
                progress.loss_sum += batch_loss * terms
                progress.tokens += int(lengths[batch].sum())
                took = time.perf_counter() - started
                progress.train_seconds += took
                progress.epoch_seconds += took
                bar.update()
                if progress.step % LOG_EVERY == 0:
                    bar.set_postfix(epoch=progress.epoch, loss=f"{batch_loss:.3f}", refresh=False)
                    rate = optimiser.param_groups[0]["lr"]
                    hooks.report(progress.step, {"train/loss": batch_loss, "train/lr": rate})

                asked = STOP if hooks.stop_requested() else 0
                if time.monotonic() - last_save > save_every_seconds:
                    asked = max(asked, SAVE)
                level = world.agree(asked)
                if level and progress.batch < len(batches):  # the end of an epoch is saved after its evaluation
                    _save(saver, progress, adapted, optimiser, world)
                    last_save = time.monotonic()
                    if level == STOP:
                        raise Interrupted(f"stopped at step {progress.step} of {steps}; the same command goes on")

            _finish_epoch(progress, hooks, problem.terms(data, np.arange(len(data))), world)
            _save(saver, progress, adapted, optimiser, world)
            last_save = time.monotonic()
            if world.agree(STOP if hooks.stop_requested() else 0) == STOP and progress.epoch <= recipe.epochs:
                raise Interrupted(
                    f"stopped after epoch {progress.epoch - 1} of {recipe.epochs}; the same command goes on"
                )
    return progress


def _finish_epoch(progress: Progress, hooks: Hooks, terms: int, world: World) -> None:
    """Evaluate, keep the adapter, and move on to the next epoch."""
    started = time.perf_counter()
    result = hooks.evaluate()
    took = time.perf_counter() - started
    progress.eval_seconds += took
    epoch = Epoch(
        epoch=progress.epoch,
        step=progress.step,
        train_loss=progress.loss_sum / terms,
        eval_loss=result.loss,
        metrics=result.metrics,
        headline=result.headline,
        collapsed=result.collapsed,
        seconds=progress.epoch_seconds + took,
    )
    progress.epochs.append(epoch)
    if world.leads:
        if progress.best is epoch:
            hooks.keep("best")
        hooks.keep("last")
    values = {f"eval/{name}": value for name, value in epoch.metrics.items()}
    values |= {"eval/loss": epoch.eval_loss, "train/epoch_loss": epoch.train_loss, "epoch": float(epoch.epoch)}
    hooks.report(progress.step, values)
    progress.epoch += 1
    progress.batch, progress.loss_sum, progress.epoch_seconds = 0, 0.0, 0.0


def _save(saver: Saver, progress: Progress, adapted: Adapted, optimiser: torch.optim.Optimizer, world: World) -> None:
    random = world.gather(_random_state(world.device))
    if world.leads:
        saver.save(
            {
                "progress": asdict(progress),
                "weights": adapted.trainable_state(),
                "optimiser": optimiser.state_dict(),
                "random": random,
            }
        )


def _resume(state: State | None, adapted: Adapted, optimiser: torch.optim.Optimizer, world: World) -> Progress | None:
    if state is None:
        return None
    adapted.load_trainable_state(state["weights"])
    optimiser.load_state_dict(state["optimiser"])
    _set_random_state(state["random"][world.rank], world.device)
    saved = dict(state["progress"])
    saved["epochs"] = [Epoch(**epoch) for epoch in saved["epochs"]]
    return Progress(**saved)


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _set_random_state(states: dict[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)

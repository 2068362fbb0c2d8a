"""The pre-training loop: resumable at any saved step, its log one line of JSON per point."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from lora_repro.pretraining.measure import Heldout
from lora_repro.pretraining.objective import Objective
from lora_repro.pretraining.schedule import lr_factor, optimisers
from lora_repro.training.checkpoint import Saver
from lora_repro.training.precision import compute


@dataclass(frozen=True)
class Plan:
    """Hyperparameters of one pre-training."""

    steps: int
    batch: int  # blocks of half the model's length a step, or half as many of its whole length
    lr: float
    weight_decay: float = 0.1
    warmup: int = 100  # steps
    decay: float = 0.35  # share of the steps over which the learning rate falls to 0, at the end
    long: float = 0.15  # share of the steps, at the end, on blocks of the whole length: short ones cost less a token
    causal: float = 0.4  # share of the steps, at the start, that a masked language model is trained as a causal one
    clip: float = 1.0
    muon: bool = True
    seed: int = 0


def pretrain(
    model: Any,
    objective: Objective,
    blocks: np.ndarray,
    plan: Plan,
    saver: Saver,
    log: Path,
    *,
    precision: str,
    peak: float,
    look: Callable[[], Heldout],
    log_every: int = 20,
    look_every: int = 200,
    save_every_seconds: float = 240.0,
) -> None:
    """Train until the plan's last step, from the saved state where there is one.

    Args:
        blocks: (n, t) tokens to train on, t half of the model's length; visited in a new order every epoch.
        log: JSON lines: step, tokens, loss (mean since the line before), lr, tokens per second, share of `peak`; and
            the held-out figures every `look_every` steps.
        peak: operations per second of a matrix product here.

    Raises:
        FloatingPointError: the loss is not a number any more.
    """
    used = optimisers(model, plan.lr, plan.weight_decay, muon=plan.muon)
    stream = torch.Generator().manual_seed(plan.seed)
    first = _resume(saver, model, used, stream)
    _cut(log, first)
    device = torch.device("cpu")
    operations = 6 * sum(p.numel() for name, p in model.named_parameters() if "embed" not in name and "wpe" not in name)
    length = blocks.shape[1]
    first_long = round((1 - plan.long) * plan.steps)
    first_own = 0 if objective.causal else round(plan.causal * plan.steps)
    last_save = since = time.monotonic()
    losses: list[float] = []
    model.train()
    with tqdm(total=plan.steps, initial=first, unit="step", disable=None) as bar:
        for step in range(first, plan.steps):
            rows = _rows(len(blocks) - 1, step, plan)
            ids = blocks[rows] if step < first_long else objective.joined(blocks, rows[: plan.batch // 2])
            aim = objective if step >= first_own else replace(objective, causal=True)
            read, labels = aim.batch(torch.from_numpy(ids.astype(np.int64)), stream, training=True)
            shift = aim.shift(read.shape[1], 2 * length, stream)
            with compute(precision, device):
                loss = aim.loss(model, read, labels, shift)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
            factor = lr_factor(step, plan.steps, plan.warmup, plan.decay)
            for optimiser in used:
                for group in optimiser.param_groups:
                    group["lr"] = plan.lr * factor
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            losses.append(loss.item())
            if not np.isfinite(losses[-1]):
                raise FloatingPointError(f"the loss is {losses[-1]} at step {step + 1}; lower lr from {plan.lr:g}")
            done = step + 1
            bar.update()
            if done % log_every == 0:
                rate = len(losses) * plan.batch * length / (time.monotonic() - since)
                point = {
                    "step": done,
                    "objective": "causal" if aim.causal else "masked",
                    "tokens": done * plan.batch * length,
                    "loss": round(float(np.mean(losses)), 4),
                    "lr": plan.lr * factor,
                    "tokens_per_second": round(rate),
                    "share_of_peak": round(rate * operations / peak, 3),
                }
                bar.set_postfix(loss=point["loss"], refresh=False)
                losses = []
                if done % look_every == 0 or done == plan.steps:
                    point["heldout"] = look().__dict__
                with log.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(point) + "\n")
                since = time.monotonic()
            if time.monotonic() - last_save > save_every_seconds or done == plan.steps:
                saver.save(
                    {
                        "step": done,
                        "model": model.state_dict(),
                        "optimisers": [optimiser.state_dict() for optimiser in used],
                        "stream": stream.get_state(),
                    }
                )
                last_save = time.monotonic()


def _rows(count: int, step: int, plan: Plan) -> np.ndarray:
    """(batch,) rows of step `step`: each epoch in an order of its own, drawn from the seed alone."""
    wanted = np.arange(step * plan.batch, (step + 1) * plan.batch)
    orders = {
        epoch: np.random.default_rng((plan.seed, epoch)).permutation(count) for epoch in {*(wanted // count).tolist()}
    }
    return np.array([orders[position // count][position % count] for position in wanted.tolist()])


def _resume(saver: Saver, model: Any, used: list[torch.optim.Optimizer], stream: torch.Generator) -> int:
    state = saver.load()
    if state is None:
        return 0
    model.load_state_dict(state["model"])
    for optimiser, saved in zip(used, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    stream.set_state(state["stream"])
    return int(state["step"])


def _cut(log: Path, step: int) -> None:
    """Forget what was logged after the step that training goes on from."""
    if log.exists():
        lines = [line for line in log.read_text(encoding="utf-8").splitlines() if json.loads(line)["step"] <= step]
        log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

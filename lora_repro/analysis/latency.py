"""How long one forward pass takes under each method (section 3, Table 1; appendix B, Figure 5).

All variants of a cell (one batch size and length) are in memory at once and share the backbone's weights. Each round
times every variant once, in an order drawn anew, so that what disturbs the machine disturbs all alike; a slow-down is
the median over rounds of (variant / base in the same round). On a GPU times are those of CUDA events, after the device
has finished what came before. Where a pass takes minutes, variants take turns by block instead (`lockstep`), and on a
CPU the time within adapter layers is read beside the pass's (`inserted`).

That merging costs nothing is shown, not only measured: the profiler counts the operations of one pass, and the merged
model's are the base model's own.
"""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from lora_repro.analysis.inserted import InsertedTime, inserted_time
from lora_repro.analysis.lockstep import in_turns, samples
from lora_repro.analysis.results import BASE, BLOCK, MERGED, PASS, Latency, Timing
from lora_repro.analysis.variants import Variant

MIN_ROUNDS = {PASS: 3, BLOCK: 1}  # by what the variants take turns by
_PROFILED_LENGTH = 8  # the operations do not depend on the length
_ORDER_SEED = 0


def measure(
    built: Sequence[Variant],
    name: str,
    vocabulary: int,
    batch: int,
    length: int,
    *,
    trials: int = 100,
    warmup: int = 2,
    seconds: float | None = None,
    blocks: Sequence[Sequence[nn.Module]] | None = None,
) -> Latency:
    """Time one cell.

    Args:
        built: from `variants`; the first is the base model. All on one device.
        name: of the model, for the record.
        vocabulary: tokens are drawn below it.
        trials: rounds; the paper has 100.
        warmup: untimed passes of each variant; on a CPU with one example of the batch.
        seconds: stop after so long, but not before `MIN_ROUNDS`; None: all trials.
        blocks: of each variant, who then take turns by block, with `SAMPLES` samples a round; None: by pass. On a CPU.
    """
    device = next(built[0].model.parameters()).device
    stream = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (batch, length), generator=stream).to(device)  # (b, t)
    warm = ids if device.type == "cuda" else ids[:1]  # a CPU has no kernels to tune to a shape
    for variant in built:
        for _ in range(warmup):
            one_pass(variant.model, warm)
    turns = PASS if blocks is None else BLOCK
    order = np.random.default_rng(_ORDER_SEED)
    models = [variant.model for variant in built]
    rounds: list[np.ndarray] = []  # (2, variants, samples) each
    with ExitStack() as stack:
        clocks = [stack.enter_context(inserted_time(model)) for model in models]
        wall, cpu = time.perf_counter(), time.process_time()
        for done in range(trials):
            if seconds is not None and done >= MIN_ROUNDS[turns] and time.perf_counter() - wall > seconds:
                break
            rounds.append(
                by_pass(models, clocks, ids, order) if blocks is None else by_block(models, blocks, clocks, ids, order)
            )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    times, inserted = np.concatenate(rounds, axis=-1).round(6).tolist()
    counts = {label(v): operations(v.model, ids[:1, :_PROFILED_LENGTH]) for v in built}
    return Latency(
        name,
        batch,
        length,
        warmup,
        [
            Timing(v.name, v.r, v.parameters, own, inside if clock.watches else [])
            for v, own, inside, clock in zip(built, times, inserted, clocks, strict=True)
        ],
        counts[BASE] == next(counts[label(v)] for v in built if v.name == MERGED),
        {key: sum(found.values()) for key, found in counts.items()},
        round(cpu / wall / torch.get_num_threads(), 3),
        turns,
    )


def by_pass(
    models: Sequence[nn.Module], clocks: Sequence[InsertedTime], ids: Tensor, order: np.random.Generator
) -> np.ndarray:
    """One round of whole passes: seconds, and those in adapter layers, (2, models, 1)."""
    found = np.zeros((2, len(models), 1))
    for index in order.permutation(len(models)):
        found[0, index] = timed_pass(models[index], ids)
        found[1, index] = clocks[index].take()
    return found


def by_block(
    models: Sequence[nn.Module],
    blocks: Sequence[Sequence[nn.Module]],
    clocks: Sequence[InsertedTime],
    ids: Tensor,
    order: np.random.Generator,
) -> np.ndarray:
    """One round in lockstep: the same by samples of a pass, (2, models, samples)."""
    parts = in_turns([partial(one_pass, own, ids) for own in models], blocks, clocks, order)
    return np.stack([samples(own) for own in parts])


def label(variant: Variant) -> str:
    """``base``, ``adapter_l 224`` and so on."""
    return f"{variant.name} {variant.r}" if variant.r else variant.name


@torch.inference_mode()
def one_pass(model: nn.Module, ids: Tensor) -> None:
    """All logits of a batch (b, t), no key-value cache; on a GPU it returns when the work is queued."""
    extra = {"use_cache": False} if getattr(model.config, "model_type", "") in ("gpt2", "llama") else {}
    model(input_ids=ids, **extra)


def timed_pass(model: nn.Module, ids: Tensor) -> float:
    """Seconds of one pass."""
    if ids.device.type != "cuda":
        begin = time.perf_counter()
        one_pass(model, ids)
        return time.perf_counter() - begin
    begin_event, end_event = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(ids.device)
    begin_event.record()
    one_pass(model, ids)
    end_event.record()
    torch.cuda.synchronize(ids.device)
    return begin_event.elapsed_time(end_event) / 1000


def operations(model: nn.Module, ids: Tensor) -> Counter[str]:
    """How often each operation (``aten::addmm``, ...) is called in one pass, as PyTorch's profiler counts."""
    with profile(activities=[ProfilerActivity.CPU]) as run:
        one_pass(model, ids)
    return Counter({event.key: event.count for event in run.key_averages() if event.key.startswith("aten::")})


def estimate(model: nn.Module, batch: int, length: int) -> float:
    """About how many seconds one pass of the cell will take: a pass at batch 1, times the batch."""
    ids = torch.zeros((1, length), dtype=torch.long, device=next(model.parameters()).device)
    one_pass(model, ids)
    return timed_pass(model, ids) * batch

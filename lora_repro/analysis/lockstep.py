"""Several models' forward passes at once, a block each in turn.

A pass of 32 x 512 tokens takes minutes on a CPU core, and a machine drifts by more than an adapter costs within them:
whole passes one after another compare different minutes. Here every model stops before each of its blocks until the
others have done theirs, so that what is compared lies seconds apart.
"""

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from torch import nn

from lora_repro.analysis.inserted import InsertedTime
from lora_repro.analysis.results import SAMPLES


def in_turns(
    passes: Sequence[Callable[[], None]],
    blocks: Sequence[Sequence[nn.Module]],
    clocks: Sequence[InsertedTime],
    order: np.random.Generator,
) -> np.ndarray:
    """Run the passes, one part of one pass at a time: what comes before the blocks, each block, what comes after them.

    Args:
        passes: of n models, each of them runs all of its blocks once, from below.
        blocks: of each model, as many of one as of the other.
        clocks: of each model's adapter layers.
        order: draws anew, for each part, which model is first.

    Returns:
        (2, n, blocks + 2): seconds of each part, and those of them that `clocks` read.

    Raises:
        Exception: what a pass raises.
    """
    seconds: list[list[tuple[float, float]]] = [[] for _ in passes]
    begun = [0.0 for _ in passes]
    turn = [threading.Semaphore(0) for _ in passes]
    done = threading.Semaphore(0)
    errors: list[BaseException] = []

    def begin(model: int) -> None:
        turn[model].acquire()
        if errors:
            raise RuntimeError("another model's pass failed")  # ends this one, which waited inside a block
        begun[model] = time.perf_counter()

    def end(model: int) -> None:
        seconds[model].append((time.perf_counter() - begun[model], clocks[model].take()))
        done.release()

    def run(model: int) -> None:
        try:
            begin(model)
            passes[model]()
        except BaseException as error:  # handed to the caller, who waits
            errors.append(error)
        end(model)

    def hand_on(model: int) -> Callable[..., None]:
        def hook(*_: object) -> None:
            end(model)
            begin(model)

        return hook

    hooks = []
    for model, own in enumerate(blocks):
        hooks += [block.register_forward_pre_hook(hand_on(model)) for block in own]
        hooks.append(own[-1].register_forward_hook(hand_on(model)))
    threads = [threading.Thread(target=run, args=(model,), daemon=True) for model in range(len(passes))]
    try:
        for thread in threads:
            thread.start()
        for _ in range(len(blocks[0]) + 2):
            for model in order.permutation(len(passes)):
                turn[model].release()
                done.acquire()
                if errors:
                    raise errors[0]
    except BaseException as error:
        errors.append(error)
        for waiting in turn:
            waiting.release()
        raise
    finally:
        for thread in threads:
            thread.join()
        for hook in hooks:
            hook.remove()
    return np.moveaxis(np.array(seconds), -1, 0)  # (n, blocks + 2, 2) -> (2, n, blocks + 2)


def samples(seconds: np.ndarray, count: int = SAMPLES) -> np.ndarray:
    """Estimates of whole passes from their parts, (n, blocks + 2) -> (n, samples).

    Sample s has blocks s, s + count, ... for all blocks, which are of one shape. What lies before and after the blocks
    is the same work in every model: its mean over the models stands for each, or the noise of that one part would be in
    all samples of a pass.
    """
    blocks = seconds[:, 1:-1]  # (n, blocks)
    rest = seconds[:, 0].mean() + seconds[:, -1].mean()
    number = blocks.shape[1]
    return np.stack([rest + number * blocks[:, s::count].mean(1) for s in range(min(count, number))], 1)

"""``--jobs auto``: how many processes this machine should work with, by a measurement of some seconds.

Many processes of few threads win where steps are small or memory is fast; one process of many threads wins where the
cores share a narrow memory. Which of the two it is depends on the machine and on what else runs there, so it is tried:
as many processes as there can be train a block of the backbone's width, first one of them with all threads, then two
with half of them each, and so on.

``python -m lora_repro.studies.sharing`` is one of these processes.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from lora_repro.memory import available_memory

WINDOW = 1.5  # seconds of each measurement
BATCH, LENGTH = 32, 40  # what a process trains on meanwhile, as fine-tuning on GLUE does
MOST = 8  # processes
BASE = 2**30  # bytes that a process needs for its libraries and activations
A_PARAMETER = (
    16  # bytes of each parameter of the backbone: full fine-tuning's weights, gradients and AdamW's two moments
)
GAIN = 1.05  # more processes must be faster by this factor: they cost memory and loading time


def best_jobs(dims: Mapping[str, Any], threads: int, gpus: int) -> tuple[int, str]:
    """How many processes, and a line that says why.

    Args:
        dims: of the backbone, as in conf/model.
        threads: that all processes have together.
        gpus: that may be used; where there are any, nothing is measured.
    """
    if gpus:
        return gpus, f"{gpus} process{'es' * (gpus > 1)}: one a GPU"
    memory, width = available_memory(), int(dims.get("hidden_size") or dims["n_embd"])
    tried = candidates(threads, memory, needed(dims))
    if tried == [1]:
        return 1, f"1 process: {threads} threads, {memory / 2**30:.1f} GiB of memory left"
    steps = measure(tried, threads, width)
    jobs = choose(steps)
    told = ", ".join(f"{many} x {threads // many} threads {rate:.1f}" for many, rate in steps.items())
    return jobs, f"{jobs} process{'es' * (jobs > 1)}, by steps per second of a block of width {width}: {told}"


def needed(dims: Mapping[str, Any]) -> int:
    """About how many bytes a process takes at most: full fine-tuning of L blocks of 12 d^2 and of the embeddings."""
    width = int(dims.get("hidden_size") or dims["n_embd"])
    layers = int(dims.get("num_hidden_layers") or dims["n_layer"])
    return BASE + A_PARAMETER * (12 * layers * width**2 + int(dims["vocab_size"]) * width)


def candidates(threads: int, memory: int, each: int) -> list[int]:
    """Numbers of processes worth a trial: powers of two that threads and memory, `each` bytes a process, allow."""
    most = max(1, min(threads, MOST, memory // each))
    return [count for count in (1, 2, 4, 8) if count <= most]


def choose(steps: Mapping[int, float]) -> int:
    """The fewest processes that no other number beats by more than `GAIN`, from steps per second by their number."""
    best = min(steps)
    for count in sorted(steps):
        if steps[count] > GAIN * steps[best]:
            best = count
    return best


def measure(counts: Sequence[int], threads: int, width: int) -> dict[int, float]:
    """Steps per second of all processes together, by their number.

    Raises:
        RuntimeError: one of them failed; it has said why.
    """
    workers = []
    for number in range(max(counts)):
        plan = {
            "width": width,
            "windows": [max(1, threads // count) if number < count else 0 for count in counts],
        }
        workers.append(
            subprocess.Popen(
                [sys.executable, "-m", "lora_repro.studies.sharing", json.dumps(plan)],
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()  # it is ready
    start = time.time() + 0.1
    done = [worker.communicate(f"{start}\n")[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise RuntimeError("a process of the measurement failed; give --jobs a number")
    rates = [json.loads(text) for text in done]
    return {count: sum(rate[which] for rate in rates) for which, count in enumerate(counts)}


def main(argv: Sequence[str]) -> None:
    """One process: prints its steps per second in each window, 0 where it sleeps."""
    import torch

    plan = json.loads(argv[0])
    width = plan["width"]
    block = torch.nn.TransformerEncoderLayer(width, max(1, width // 64), 4 * width, batch_first=True)
    batch = torch.randn(BATCH, LENGTH, width)
    block(batch).sum().backward()
    print("ready", flush=True)
    start = float(sys.stdin.readline())
    rates = []
    for which, threads in enumerate(plan["windows"]):
        time.sleep(max(0.0, start + which * WINDOW - time.time()))
        steps, end = 0, start + (which + 1) * WINDOW
        began = time.time()
        if threads:
            torch.set_num_threads(threads)
            while time.time() < end:
                block(batch).sum().backward()
                steps += 1
        rates.append(steps / (time.time() - began) if steps else 0.0)
    print(json.dumps(rates))


if __name__ == "__main__":
    main(sys.argv[1:])

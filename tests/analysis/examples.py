"""Small results of every kind, made by hand, and records that hold them."""

from typing import Any

from lora_repro.analysis.record import SCHEMA, AnalysisRecord, identity
from lora_repro.analysis.results import (
    AdapterNote,
    Amplification,
    Amplifications,
    Bytes,
    Drift,
    Latency,
    Memory,
    MethodMemory,
    Result,
    Similarity,
    Subspaces,
    Switching,
    Timing,
)  # fmt: skip
from lora_repro.records import Environment

PLACE = Environment("cpu", "a processor, 2 cores", "fp32", 1, 1, {"torch": "2.13.0"}, "c" * 40, False)


def note(r: int = 2, seed: int = 0, task: str = "mrpc") -> AdapterNote:
    ranks = {"W_q": r, "W_v": r}
    scaling = {"W_q": 16 / r, "W_v": 16 / r}
    return AdapterNote(f"s{seed}-0123456789ab/best.safetensors", "ours", "f" * 12, "tiny", task, ranks, scaling)


def subspaces(first: int = 2, second: int = 4, top: float = 0.7) -> Subspaces:
    """Four blocks; phi(1, 1) is `top` everywhere, the rest 0.2; the control 0.1."""
    weights = ("W_q", "W_v")

    def phi(value: float, rest: float) -> list[list[float]]:
        return [[value if (i, j) == (0, 0) else rest for j in range(second)] for i in range(first)]

    pairs = [Similarity(layer, weight, "A", phi(top, 0.2)) for layer in range(4) for weight in weights]
    control = [Similarity(-1, weight, "A", phi(0.1, 0.1)) for weight in weights]
    widths = {"W_q": [32, 32], "W_v": [32, 32]}
    return Subspaces(note(first, 0), note(second, 1), 4, widths, pairs, control)


def amplification(r: int = 2, layer: int = 0, weight: str = "W_q", factor: float = 8.0) -> Amplification:
    spectrum = [2.0 / (number + 1) for number in range(r)]
    phi = [[0.1 + 0.01 * i] * r for i in range(3)]
    return Amplification(
        layer, weight, r, 10.0, factor * 0.5, 0.5, 6.0, 0.1, 0.11, factor, spectrum, [5.0, 3.0, 1.0, 0.5], phi, phi
    )


def amplifications(r: int = 2, factor: float = 8.0) -> Amplifications:
    lines = [amplification(r, layer, weight, factor) for layer in range(3) for weight in ("W_q", "W_v")]
    return Amplifications(note(r), "tiny", 5, lines)


def latency(batch: int = 1, length: int = 128, slow: float = 1.3) -> Latency:
    """Base 10, 11, 12 ms; LoRA merged the same; Adapter^L `slow` times that, Adapter^H twice the surplus."""
    base = [0.010, 0.011, 0.012]
    timings = [
        Timing("base", 0, 0, base),
        Timing("lora_merged", 4, 0, list(base)),
        Timing("lora_unmerged", 4, 100, [1.2 * second for second in base]),
        Timing("adapter_l", 224, 1000, [slow * second for second in base]),
        Timing("adapter_h", 112, 1000, [(2 * slow - 1) * second for second in base]),
    ]
    operations = {"base": 100, "lora_merged 4": 100, "lora_unmerged 4": 130, "adapter_l 224": 120, "adapter_h 112": 140}
    return Latency("gpt2-medium", batch, length, 1, timings, True, operations, 0.99)


def memory() -> Memory:
    ft = MethodMemory("ft", "", 1000, 1000, Bytes(4000, 4000, 8000, 900), Bytes(4000, 4000, 8000, 950), 18000, 4100)
    lora = MethodMemory(
        "lora", "r = 4", 10, 1010, Bytes(4040, 40, 80, 700), Bytes(4040, 40, 80, 720), 6000, 60
    )  # fmt: skip
    return Memory("tiny", 2, 8, "fp32", [ft, lora])


def switching() -> Switching:
    keys = ("read_adapter", "unmerge", "load", "merge", "read_full_checkpoint")
    seconds = {key: [0.001 * (place + 1)] * 3 for place, key in enumerate(keys)}
    return Switching(
        note(2, 0), note(2, 1, "cola"), "tiny", 60, 4100, seconds, True, [Drift("float32", 1e-7, 1e-8, 10)]
    )


EXAMPLES: dict[str, Result] = {
    "subspaces": subspaces(),
    "amplification": amplifications(),
    "latency": latency(),
    "memory": memory(),
    "switching": switching(),
}


def record(kind: str, result: Result | None = None, **settings: Any) -> AnalysisRecord:
    own = EXAMPLES[kind] if result is None else result
    if isinstance(own, Latency):
        settings = {
            "model": own.model, "precision": "fp32", "device": "cpu", "threads": 1, "machine": PLACE.machine,
            "batch": own.batch, "length": own.length, **settings,
        }  # fmt: skip
    name = f"an-example-{kind}"
    return AnalysisRecord(
        SCHEMA, kind, name, identity(kind, settings), settings, own, "lora-repro analyse", PLACE, "2026-11-22T00:00:00"
    )

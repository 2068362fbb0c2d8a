"""Models in lockstep: each part of each pass is timed alone, in an order of its own, and adds up to the pass."""

import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from lora_repro.analysis import latency
from lora_repro.analysis.inserted import InsertedTime
from lora_repro.analysis.lockstep import in_turns, samples
from lora_repro.analysis.variants import random_backbone, variants
from lora_repro.config import AdapterConfig
from lora_repro.models.architectures import architecture
from lora_repro.models.sites import block_modules
from tests.tiny_backbones import lora, tiny_config


class Sleeper(nn.Module):
    """Blocks that take a known time and note when they run."""

    def __init__(self, name: str, seconds: float, notes: list[tuple[str, str]], blocks: int = 3):
        super().__init__()
        self.name, self.seconds, self.notes = name, seconds, notes
        self.blocks = nn.ModuleList(nn.Identity() for _ in range(blocks))
        for number, block in enumerate(self.blocks):
            block.register_forward_hook(lambda *_, number=number: self.work(f"block {number}"))

    def work(self, part: str) -> None:
        self.notes.append((self.name, part))
        time.sleep(self.seconds)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.work("before")
        for block in self.blocks:
            x = block(x)
        self.work("after")
        return x


def test_parts_alternate_and_each_is_charged_to_its_own_model() -> None:
    notes: list[tuple[str, str]] = []
    models = [Sleeper("slow", 0.05, notes), Sleeper("fast", 0.005, notes)]
    seconds, inside = in_turns(
        [lambda m=m: m(torch.zeros(1)) for m in models], [m.blocks for m in models], [InsertedTime() for _ in models],
        np.random.default_rng(0),
    )  # fmt: skip
    parts = ["before", "block 0", "block 1", "block 2", "after"]
    assert [part for _, part in notes] == [part for part in parts for _ in models]
    pairs = [tuple(name for name, _ in notes[i : i + 2]) for i in range(0, len(notes), 2)]
    assert all(set(pair) == {"slow", "fast"} for pair in pairs) and len(set(pairs)) == 2  # order drawn anew
    assert seconds.shape == inside.shape == (2, 5) and not inside.any()
    assert (seconds[0] >= 0.05).all() and (seconds[1] >= 0.005).all()
    assert np.median(seconds[1]) < 0.05  # the slow one's time is not in the fast one's
    assert not any(block._forward_pre_hooks for model in models for block in model.blocks)


def test_an_error_in_a_pass_reaches_the_caller_and_leaves_no_hook() -> None:
    notes: list[tuple[str, str]] = []
    models = [Sleeper("a", 0.0, notes), Sleeper("b", 0.0, notes)]
    models[1].blocks[1].register_forward_hook(lambda *_: (_ for _ in ()).throw(ValueError("the block broke")))
    before = [len(block._forward_hooks) for block in models[1].blocks]
    threads = set(threading.enumerate())
    with pytest.raises(ValueError, match="the block broke"):
        in_turns(
            [lambda m=m: m(torch.zeros(1)) for m in models], [m.blocks for m in models],
            [InsertedTime() for _ in models], np.random.default_rng(0),
        )  # fmt: skip
    assert [len(block._forward_hooks) for block in models[1].blocks] == before
    assert set(threading.enumerate()) == threads  # none waits for a turn for ever


def test_samples_are_whole_passes_from_parts_of_the_blocks() -> None:
    seconds = np.array([[1.0, *(1.0 + n for n in range(8)), 3.0], [2.0, *(2.0,) * 8, 5.0]])
    found = samples(seconds, 4)
    rest = 1.5 + 4.0  # the means over the models
    assert found.shape == (2, 4)
    assert found[0] == pytest.approx([rest + 8 * (1 + (n + n + 4) / 2) for n in range(4)])
    assert found[1] == pytest.approx([rest + 16] * 4)
    assert samples(seconds[:, :4], 6).shape == (2, 2)  # no more samples than blocks
    assert found.mean(1) + seconds[:, [0, -1]].sum(1) - rest == pytest.approx(seconds.sum(1))


def test_a_cell_in_lockstep_has_samples_of_every_variant() -> None:
    config = tiny_config("gpt2")
    built = variants(random_backbone(config), lora(), [AdapterConfig("adapter_l", 3, "relu", 0.02)])
    sites = architecture(config.architecture)
    blocks = [block_modules(v.model, sites) for v in built]
    cell = latency.measure(built, "tiny", 60, 2, 7, trials=3, warmup=0, blocks=blocks)
    assert cell.turns == "block" and cell.same_operations
    assert {len(timing.seconds) for timing in cell.timings} == {3 * len(blocks[0])}
    assert all(second > 0 for timing in cell.timings for second in timing.seconds)
    assert [len(timing.inserted) for timing in cell.timings] == [0, 0, 0, 3 * len(blocks[0])]
    least = latency.measure(built, "tiny", 60, 2, 7, trials=9, warmup=0, seconds=0.0, blocks=blocks)
    assert {len(timing.seconds) for timing in least.timings} == {len(blocks[0])}

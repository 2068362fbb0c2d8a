"""torchrun with two processes gives the single process's result for the same effective batch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lora_repro import records
from lora_repro.compose import compose_run
from lora_repro.overrides import METHODS
from lora_repro.run import run, run_folder
from tests.end_to_end.conftest import environment, overrides

# 45 examples: the last batch of 10 is smaller, and the two shares of it differ in size. With so large an epsilon Adam
# does not blow rounding up where a gradient is zero by construction (the biases of W_k, PreLayer's last block).
SHORT = (
    "recipe.epochs=2",
    "recipe.batch_size=10",
    "recipe.lr=1e-2",
    "recipe.head_lr=1e-2",
    "recipe.adam_eps=1e-3",
    "task.train_examples=45",
)
OWN = {"adapter_d": ["method.dropped=1"]}

PROGRAM = """
import json, runpy, sys
import torch
from lora_repro.compose import compose_run
from lora_repro.run import run
from lora_repro.training.distributed import joined
good, bad = json.loads(sys.argv[1])
with joined(torch.device("cpu")):
    for items in good:
        run(compose_run(items))
    sys.argv[1:] = bad
    runpy.run_module("lora_repro.run", run_name="__main__", alter_sys=True)
"""


class Launch:
    """One launch of two processes: every method, and at last the Hydra application with a batch that is refused."""

    def __init__(self, backbone: Path, data: Path, out: Path):
        self.backbone, self.data, self.out = backbone, data, out
        program = out / "program.py"
        program.write_text(PROGRAM)
        self.bad = overrides(backbone, data, out / "bad", "recipe.batch_size=15")
        work = json.dumps([[self.settings(name, "two") for name in METHODS], self.bad])
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
        self.done = subprocess.run(
            [*command, str(program), work], env=environment(), capture_output=True, text=True, timeout=300, check=False
        )

    def settings(self, name: str, folder: str) -> list[str]:
        own = OWN.get(name, [])
        return overrides(self.backbone, self.data, self.out / folder, f"method={name}", *SHORT, *own)


@pytest.fixture(scope="module")
def launch(tiny_bert_without_dropout: Path, toy_rte: Path, tmp_path_factory: pytest.TempPathFactory) -> Launch:
    return Launch(tiny_bert_without_dropout, toy_rte, tmp_path_factory.mktemp("launch"))


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_equal_one(name: str, launch: Launch) -> None:
    alone, together = (compose_run(launch.settings(name, folder)) for folder in ("one", "two"))
    assert records.record_path(together).exists(), launch.done.stderr[-3000:]
    reference, record = run(alone), records.load(records.record_path(together))
    assert record.environment.processes == 2
    assert record.identity == reference.identity
    assert record.cost.train_tokens == reference.cost.train_tokens
    for ours, theirs in zip(record.epochs, reference.epochs, strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)
        assert ours.eval_loss == pytest.approx(theirs.eval_loss, rel=1e-4)
        assert ours.metrics == pytest.approx(theirs.metrics)
    one = load_file(run_folder(alone) / "last.safetensors")
    two = load_file(run_folder(together) / "last.safetensors")
    assert one.keys() == two.keys()
    for key, tensor in one.items():
        assert torch.allclose(tensor, two[key], atol=5e-5), key


def test_a_batch_that_two_processes_cannot_share_is_refused(launch: Launch) -> None:
    assert launch.done.returncode != 0
    assert "recipe.batch_size=15 cannot be dealt out to 2 processes" in launch.done.stderr
    assert not records.record_path(compose_run(launch.bad)).exists()

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
import json, sys
from lora_repro.compose import compose_run
from lora_repro.run import run
for items in json.loads(sys.argv[1]):
    run(compose_run(items))
"""


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Two processes of the program that `arguments` name."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300, check=False)


def test_two_processes_equal_one_for_every_method(
    tiny_bert_without_dropout: Path, toy_rte: Path, tmp_path: Path
) -> None:
    """All methods in one launch: it is the imports of two processes that take time."""

    def settings(name: str, out: Path) -> list[str]:
        return overrides(tiny_bert_without_dropout, toy_rte, out, f"method={name}", *SHORT, *OWN.get(name, []))

    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = torchrun(str(program), json.dumps([settings(name, tmp_path / "two") for name in METHODS]))
    assert done.returncode == 0, done.stderr[-3000:]
    for name in METHODS:
        alone, together = (compose_run(settings(name, tmp_path / out)) for out in ("one", "two"))
        reference, record = run(alone), records.load(records.record_path(together))
        assert record.environment.processes == 2
        assert record.identity == reference.identity
        assert record.cost.train_tokens == reference.cost.train_tokens
        for ours, theirs in zip(record.epochs, reference.epochs, strict=True):
            assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4), name
            assert ours.eval_loss == pytest.approx(theirs.eval_loss, rel=1e-4), name
            assert ours.metrics == pytest.approx(theirs.metrics), name
        one = load_file(run_folder(alone) / "last.safetensors")
        two = load_file(run_folder(together) / "last.safetensors")
        assert one.keys() == two.keys()
        for key, tensor in one.items():
            assert torch.allclose(tensor, two[key], atol=5e-5), f"{name}: {key}"


def test_a_batch_that_two_processes_cannot_share_is_refused(
    tiny_bert_without_dropout: Path, toy_rte: Path, tmp_path: Path
) -> None:
    arguments = overrides(tiny_bert_without_dropout, toy_rte, tmp_path, "recipe.batch_size=15")
    done = torchrun("-m", "lora_repro.run", *arguments)
    assert done.returncode != 0
    assert "recipe.batch_size=15 cannot be dealt out to 2 processes" in done.stderr
    assert not records.record_path(compose_run(arguments)).exists()

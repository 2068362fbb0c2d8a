import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lora_repro.pretraining.loop import Plan, pretrain
from lora_repro.pretraining.measure import Heldout, heldout
from lora_repro.pretraining.objective import Objective, Shape, build, made_ready
from lora_repro.pretraining.schedule import lr_factor, orthogonal
from lora_repro.pretraining.vocabulary import Kind
from lora_repro.training.checkpoint import Saver

SHAPE = Shape(layers=2, width=32, heads=2, inner=64, vocabulary=16, length=16)
PLAN = Plan(steps=60, batch=8, lr=1e-2, warmup=4)


def blocks() -> np.ndarray:
    """(64, 8) a language in which a block says one token again and again."""
    return np.repeat(np.random.default_rng(0).integers(5, 16, (64, 1)), 8, axis=1).astype(np.uint16)


def go(kind: Kind, folder: Path, plan: Plan = PLAN, stop_at: int | None = None) -> tuple[Any, list[dict[str, Any]]]:
    model = made_ready(build(kind, SHAPE, 0))
    objective = Objective(kind, 4, SHAPE.vocabulary, 0.3, causal=kind == "gpt2")
    looks = 0

    def look() -> Heldout:
        nonlocal looks
        looks += 1
        if stop_at is not None and looks * 4 > stop_at:
            raise KeyboardInterrupt
        return heldout(model, objective, blocks()[:16], np.ones(SHAPE.vocabulary, dtype=np.int64), batch=8)

    log = folder / "log.jsonl"
    folder.mkdir(exist_ok=True)
    pretrain(
        model, objective, blocks(), plan, Saver(folder, {}), log,
        precision="fp32", peak=1e9, look=look, log_every=2, look_every=4, save_every_seconds=0.0,
    )  # fmt: skip
    return model, [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize("kind", ["roberta", "gpt2"])
def test_the_heldout_loss_falls_and_a_resumed_training_equals_an_undisturbed_one(kind: Kind, tmp_path: Path) -> None:
    whole, log = go(kind, tmp_path / "whole")
    looks = [point["heldout"]["loss"] for point in log if "heldout" in point]
    assert looks[-1] < looks[0] - 0.3
    with pytest.raises(KeyboardInterrupt):
        go(kind, tmp_path / "cut", stop_at=20)
    resumed, again = go(kind, tmp_path / "cut")
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
    assert [point["step"] for point in again] == [point["step"] for point in log]
    assert again[-1]["heldout"] == log[-1]["heldout"]


def test_the_log_counts_tokens_of_short_and_long_blocks_alike(tmp_path: Path) -> None:
    _, log = go("gpt2", tmp_path)
    assert log[-1]["tokens"] == PLAN.steps * PLAN.batch * 8
    assert all(point["tokens_per_second"] > 0 and point["share_of_peak"] > 0 for point in log)


def test_lr_rises_stays_and_falls() -> None:
    factors = [lr_factor(step, 100, 10, 0.2) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9:80] == [1.0] * 71
    assert factors[90] == pytest.approx(0.5)
    assert factors[100] == 0.0


@pytest.mark.parametrize("shape", [(24, 24), (16, 48), (48, 16)])
def test_an_orthogonalised_matrix_keeps_its_directions_and_evens_out_its_singular_values(
    shape: tuple[int, int],
) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    values = torch.diagonal(u.T @ orthogonal(matrix) @ vh.T)
    assert 0.3 < values.min() <= values.max() < 1.3
    off = u.T @ orthogonal(matrix) @ vh.T - torch.diag(values)
    assert off.abs().max() < 1e-4


def test_a_masked_model_begins_causally(tmp_path: Path) -> None:
    _, log = go("roberta", tmp_path)
    assert [point["objective"] for point in log] == ["causal"] * 12 + ["masked"] * 18


def test_robertas_causal_logits_do_not_depend_on_later_tokens() -> None:
    model = made_ready(build("roberta", SHAPE, 0)).eval()
    read = torch.tensor([[0, 7, 8, 9, 10, 2]])
    other = torch.tensor([[0, 7, 8, 11, 12, 2]])
    labels = torch.full_like(read, 5)
    causal, masked = (Objective("roberta", 4, SHAPE.vocabulary, 0.3, causal=causal) for causal in (True, False))
    with torch.no_grad():
        before, after = (causal.logits(model, ids, labels)[0] for ids in (read, other))
        assert torch.allclose(before[:3], after[:3], atol=1e-6)
        assert not torch.allclose(before[3:5], after[3:5], atol=1e-3)
        before, after = (masked.logits(model, ids, labels)[0] for ids in (read, other))
        assert not torch.allclose(before[0], after[0], atol=1e-4)


def test_made_ready_changes_no_output_of_gpt2() -> None:
    model = build("gpt2", SHAPE, 0).eval()
    read = torch.tensor([[0, 7, 8, 9]])
    with torch.no_grad():
        before = model(read).logits
        assert torch.allclose(before, made_ready(model)(read).logits, atol=1e-5)


def test_shifts_reach_every_position_and_change_nothing_but_the_positions() -> None:
    objective = Objective("roberta", 4, SHAPE.vocabulary, 0.3, causal=False)
    stream = torch.Generator().manual_seed(0)
    assert {objective.shift(8, 16, stream) for _ in range(200)} == set(range(9))
    assert objective.shift(16, 16, stream) == 0
    assert Objective("gpt2", -1, SHAPE.vocabulary, 0.3, causal=True).shift(8, 16, stream) == 0

    model = made_ready(build("roberta", SHAPE, 0)).eval()
    read, labels = torch.tensor([[0, 7, 8, 9, 10, 2]]), torch.full((1, 6), 5)
    with torch.no_grad():
        own = objective.logits(model, read, labels)[0]
        assert torch.allclose(own, model(read).logits[0], atol=1e-6)  # Transformers' own positions
        table = model.roberta.embeddings.position_embeddings.weight
        moved = table.roll(-3, 0)
        shifted = objective.logits(model, read, labels, shift=3)[0]
        table.copy_(moved)
        assert torch.allclose(shifted, model(read).logits[0], atol=1e-6)

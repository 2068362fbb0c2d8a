"""Optimiser: the official exclusions, the head's own rate, the schedule of Transformers' Trainer."""

import torch
from torch import nn
from transformers import get_linear_schedule_with_warmup

from lora_repro.config import RecipeConfig
from lora_repro.training import optimiser as adamw


def recipe(**changes: object) -> RecipeConfig:
    values: dict = {"source": "mini", "lr": 1e-3, "epochs": 1, "batch_size": 8, "weight_decay": 0.1, "max_length": 8}
    return RecipeConfig(**{**values, **changes})


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(3, 3)
        self.LayerNorm = nn.LayerNorm(3)
        self.classifier = nn.Linear(3, 2)


def groups(built: torch.optim.AdamW, model: nn.Module) -> dict[str, tuple[float, float]]:
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)]: (g["lr"], g["weight_decay"]) for g in built.param_groups for p in g["params"]}


def test_biases_and_layer_norms_are_not_decayed_and_the_head_has_its_own_rate() -> None:
    model = Model()
    method = ("dense.weight", "dense.bias", "LayerNorm.weight", "LayerNorm.bias")
    built = adamw.build(model, method, ("classifier.weight", "classifier.bias"), recipe(head_lr=5e-3))
    assert groups(built, model) == {
        "dense.weight": (1e-3, 0.1),
        "dense.bias": (1e-3, 0.0),
        "LayerNorm.weight": (1e-3, 0.0),
        "LayerNorm.bias": (1e-3, 0.0),
        "classifier.weight": (5e-3, 0.1),
        "classifier.bias": (5e-3, 0.0),
    }


def test_only_declared_parameters_are_optimised() -> None:
    model = Model()
    built = adamw.build(model, ("dense.bias",), (), recipe())
    assert groups(built, model) == {"dense.bias": (1e-3, 0.0)}


def test_schedule_equals_transformers() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    for steps, ratio in ((50, 0.06), (7, 0.0), (10, 1.0)):
        warmup_steps = adamw.warmup(recipe(warmup_ratio=ratio), steps)
        theirs = torch.optim.SGD([parameter], lr=1.0)
        schedule = get_linear_schedule_with_warmup(theirs, warmup_steps, steps)
        for step in range(steps):
            assert adamw.lr_factor(step, steps, warmup_steps) == theirs.param_groups[0]["lr"]
            theirs.step()
            schedule.step()


def test_warm_up_is_given_in_steps_or_as_a_ratio_rounded_up() -> None:
    assert adamw.warmup(recipe(warmup_ratio=0.06), 101) == 7
    assert adamw.warmup(recipe(warmup_steps=500), 101) == 500


def test_set_step_scales_every_group_from_its_own_peak() -> None:
    model = Model()
    built = adamw.build(model, ("dense.weight",), ("classifier.weight",), recipe(head_lr=4e-3))
    adamw.set_step(built, 0, 0.5)
    adamw.set_step(built, 1, 0.25)
    assert [g["lr"] for g in built.param_groups] == [0.25e-3, 1e-3]

"""AdamW with the official exclusions, and the learning-rate schedule of both official codes."""

import math

import torch
from torch import nn

from lora_repro.config import RecipeConfig


def warmup(recipe: RecipeConfig, steps: int) -> int:
    """Warm-up steps: given, or a ratio of all steps rounded up, as Transformers' Trainer does."""
    if recipe.warmup_steps is not None:
        return recipe.warmup_steps
    return math.ceil((recipe.warmup_ratio or 0.0) * steps)


def lr_factor(step: int, steps: int, warmup_steps: int) -> float:
    """What the learning rate is multiplied with at optimiser step `step` (from 0): linear up, then linear to 0."""
    if step < warmup_steps:
        return step / max(1, warmup_steps)
    return max(0.0, (steps - step) / max(1, steps - warmup_steps))


def build(
    model: nn.Module, method_names: tuple[str, ...], head_names: tuple[str, ...], recipe: RecipeConfig
) -> torch.optim.AdamW:
    """AdamW over exactly the declared parameters.

    No weight decay on biases and LayerNorm weights; LoRA's A and B and the head's weights are decayed, as in the
    official NLU code. PyTorch's AdamW differs from the one used there (Transformers 4.4) in where eps enters, which
    is below rounding at eps = 1e-8, and decays before the step instead of after it, an O(lr^2) difference.

    Every group keeps its peak learning rate in ``group["peak_lr"]``, and its eps in ``group["uncorrected_eps"]`` where
    ``recipe.adam_eps_uncorrected`` asks for it; `set_step` goes by them.
    """
    parameters = dict(model.named_parameters())
    undecayed = _norm_parameters(model)
    groups = []
    for names, lr in ((method_names, recipe.lr), (head_names, recipe.head_lr or recipe.lr)):
        for decayed in (True, False):
            members = [n for n in names if (n.endswith("bias") or n in undecayed) is not decayed]
            if members:
                decay = recipe.weight_decay if decayed else 0.0
                groups.append(
                    {"params": [parameters[n] for n in members], "lr": lr, "peak_lr": lr, "weight_decay": decay}
                )
    if recipe.adam_eps_uncorrected:
        groups = [{**group, "uncorrected_eps": recipe.adam_eps} for group in groups]
    return torch.optim.AdamW(
        groups, lr=recipe.lr, betas=(recipe.adam_beta1, recipe.adam_beta2), eps=recipe.adam_eps, fused=True
    )


def set_step(optimiser: torch.optim.Optimizer, step: int, factor: float) -> None:
    """Put every group's learning rate at `factor` of its peak for optimiser step `step` (from 0).

    The official GPT-2 code divides by sqrt(v) + eps and corrects v's bias in the step size; PyTorch divides by
    sqrt(v / (1 - beta2^t)) + eps. They are the same update when PyTorch's eps is eps / sqrt(1 - beta2^t): early on,
    where eps = 1e-6 counts most, some 30 times as much.
    """
    for group in optimiser.param_groups:
        group["lr"] = group["peak_lr"] * factor
        if "uncorrected_eps" in group:
            group["eps"] = group["uncorrected_eps"] / math.sqrt(1 - group["betas"][1] ** (step + 1))


def _norm_parameters(model: nn.Module) -> set[str]:
    return {
        f"{module_name}.{name}"
        for module_name, module in model.named_modules()
        if "norm" in type(module).__name__.lower()
        for name, _ in module.named_parameters(recurse=False)
    }

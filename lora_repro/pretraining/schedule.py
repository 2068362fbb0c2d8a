"""Learning rate and optimiser of pre-training."""

import torch
from torch import Tensor, nn


def lr_factor(step: int, steps: int, warmup: int, decay: float) -> float:
    """Linear warm-up, constant, then linear to 0 over the last `decay` share of the steps.

    As long as the decay has not begun, `steps` can be raised or lowered without having run in vain.
    """
    if step < warmup:
        return (step + 1) / warmup
    left = (steps - step) / (decay * steps)
    return max(0.0, min(1.0, left))


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/).

    For the matrices inside the blocks. torch.optim.Muon iterates in bf16, which a CPU without bf16 units only
    emulates; this one iterates in the parameters' own precision.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of every parameter with a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                average = state["momentum"]
                average.lerp_(parameter.grad, 1 - group["momentum"])
                update = orthogonal(parameter.grad.lerp(average, group["momentum"]))  # Nesterov's look ahead
                scale = 0.2 * max(parameter.shape) ** 0.5  # an AdamW update's size, so that its lr and decay serve
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor, iterations: int = 5) -> Tensor:
    """(m, n) -> (m, n) with singular values near 1: Newton-Schulz with Jordan's quintic coefficients."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


def optimisers(model: nn.Module, lr: float, weight_decay: float, *, muon: bool) -> list[torch.optim.Optimizer]:
    """AdamW for embeddings and vectors (no decay on these), Muon or AdamW for the blocks' matrices."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name and ".wte" not in name
                and ".wpe" not in name]  # fmt: skip
    inside = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in inside]
    betas = (0.9, 0.98)
    if muon:
        return [
            Muon(matrices, lr, weight_decay=weight_decay),
            torch.optim.AdamW(rest, lr, betas=betas, weight_decay=0.0),
        ]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [torch.optim.AdamW(groups, lr, betas=betas)]

"""How dW relates to W (section 7.3, Table 7; appendices H.3 and H.4, Figure 8).

With U and V the first r left- and right-singular directions of dW, of W itself, or of a random matrix,

    || U^T W V ||_F

is how much of W lies in that subspace (the paper writes U^T W V^T, with V's directions as rows). The amplification
factor is || dW ||_F / || U^T W V ||_F with dW's own U and V: how much more weight the update gives to its directions
than W does. For random subspaces of dimension r the mean square of the norm is r^2 || W ||_F^2 / (d k), so the paper's
0.02 (r = 4) and 0.33 (r = 64) are 4 x 61.95 / 12,288 = 0.0202 and 0.3227.

dW is (alpha / r) B A: the paper does not say whether its norms contain alpha / r; ours do, it is what is added to W.
"""

import math

import torch
from torch import Tensor, nn

from lora_repro.analysis.adapters import Updates, frozen_weight, svd_of_update
from lora_repro.analysis.compare import rounded
from lora_repro.analysis.results import Amplification, Amplifications
from lora_repro.analysis.subspaces import phi, random_directions
from lora_repro.errors import CheckpointError
from lora_repro.methods.exchange.pairs import Pair
from lora_repro.models.architectures import Architecture
from lora_repro.models.generators import generator

DRAWS = 20
"""Random subspaces behind one number of Table 7's column "random"."""

TOP_SHARE = 0.1
"""Figure 8 looks at the first tenth of W's directions."""


def amplifications(
    updates: Updates, model: nn.Module, arch: Architecture, name: str, *, draws: int = DRAWS, seed: int = 0
) -> Amplifications:
    """Every projection of every block of an adapter, against the backbone's own weights.

    Args:
        model: the backbone before anything is added to it.
        name: the backbone's, for the record.
        draws: random subspaces per projection.
        seed: of these.

    Raises:
        CheckpointError: a pair that does not fit the backbone's matrix.
    """
    stream = generator("random subspaces", seed)
    lines = []
    for layer, weight in sorted(updates.pairs, key=lambda key: (key[0], updates.weights.index(key[1]))):
        pair, W = updates.pairs[layer, weight], frozen_weight(model, arch, layer, weight)
        if W.shape != (pair.B.shape[0], pair.A.shape[1]):
            raise CheckpointError(
                f"{updates.note.source}: {weight} of block {layer} is for a matrix {pair.B.shape[0]} x "
                f"{pair.A.shape[1]}, in {name} it is {W.shape[0]} x {W.shape[1]}; choose the --model that it was "
                "trained on"
            )
        lines.append(amplification(W, pair, layer, weight, draws, stream))
    return Amplifications(updates.note, name, draws, lines)


def amplification(W: Tensor, pair: Pair, layer: int, weight: str, draws: int, stream: torch.Generator) -> Amplification:
    """One line of Table 7 and one panel of Figure 8.

    Args:
        W: (d, k), frozen.
        pair: the update beside it.
        draws: at least 1.
    """
    W = W.double()
    d, k = W.shape
    r = pair.rank
    U, values, V = svd_of_update(pair)  # (d, r), (r,), (k, r)
    own = torch.linalg.svd(W, full_matrices=False)  # own.S: (min(d, k),)
    squares = [
        float(inside(W, random_directions(d, r, stream), random_directions(k, r, stream))) ** 2 for _ in range(draws)
    ]
    norm_W, norm_dW, inside_dW = float(own.S.norm()), float(values.norm()), float(inside(W, U, V))
    top = own.Vh.T[:, : max(1, math.ceil(TOP_SHARE * len(own.S)))]  # (k, a tenth)
    return Amplification(
        layer,
        weight,
        r,
        norm_W,
        norm_dW,
        inside_dW,
        float(own.S[:r].norm()),
        math.sqrt(sum(squares) / draws),
        expected_inside(r, norm_W, d, k),
        norm_dW / inside_dW if inside_dW > 0 else math.inf,
        [_digits(value) for value in values],
        [_digits(value) for value in own.S],
        rounded(phi(top, V)),
        rounded(phi(top, random_directions(k, r, stream))),
    )


def inside(W: Tensor, U: Tensor, V: Tensor) -> Tensor:
    """|| U^T W V ||_F of W (d, k), U (d, p), V (k, q): the norm of W seen from these directions only, a scalar."""
    return torch.linalg.norm(U.T @ W @ V)


def expected_inside(r: int, norm: float, d: int, k: int) -> float:
    """`inside` of random r-dimensional subspaces, root mean square: r ||W||_F / sqrt(d k)."""
    return r * norm / math.sqrt(d * k)


def _digits(value: Tensor) -> float:
    return float(f"{float(value):.6g}")

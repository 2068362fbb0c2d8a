"""Two adapters on one backbone: phi in every block and projection, for A, B and dW, beside a random control."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lora_repro.analysis.adapters import Updates, svd_of_update
from lora_repro.analysis.results import Matrix, Similarity, Subspaces
from lora_repro.analysis.subspaces import left_directions, phi, random_directions, right_directions
from lora_repro.errors import CheckpointError, ConfigError
from lora_repro.methods.exchange.pairs import Pair
from lora_repro.models.generators import generator

MATRICES = ("A", "B", "dW")
_DECIMALS = 4  # of phi in a record


def compare(
    first: Updates,
    second: Updates,
    *,
    matrices: Sequence[str] = MATRICES,
    layers: Sequence[int] | None = None,
    directions: int | None = None,
    seed: int = 0,
) -> Subspaces:
    """Compare the projections that both adapters have, block by block.

    A is compared in the input space (right-singular directions), B in the output space (left-singular ones), dW in the
    input space, by its own singular value decomposition.

    Two runs of the same seed start from overlapping A's (the first rows of block 0's W_q are drawn alike whatever r
    is), which shows in phi: compare different seeds.

    Args:
        matrices: some of `MATRICES`.
        layers: blocks from 0; None: all.
        directions: at most so many of each side; None: all r.
        seed: of the control.

    Raises:
        CheckpointError: no projection in common, or other numbers of blocks or widths: other backbones.
        ConfigError: a matrix or a block that there is not.
    """
    unknown = [name for name in matrices if name not in MATRICES]
    if unknown:
        raise ConfigError(f"no matrix '{unknown[0]}', choose from {', '.join(MATRICES)}")
    weights = [weight for weight in first.weights if weight in second.weights]
    if not weights:
        raise CheckpointError(
            f"{first.note.source} adapts {', '.join(first.weights)} and {second.note.source} "
            f"{', '.join(second.weights)}: no projection in common"
        )
    if first.layers != second.layers:
        raise CheckpointError(
            f"{first.note.source} has {len(first.layers)} blocks and {second.note.source} {len(second.layers)}; "
            "compare adapters of the same backbone"
        )
    chosen = list(first.layers if layers is None else layers)
    absent = [layer for layer in chosen if layer not in first.layers]
    if absent:
        raise ConfigError(f"no block {absent[0]}: there are {first.layers[0]} to {first.layers[-1]}")
    widths = {}
    for weight in weights:
        shapes = [_widths(updates.pairs[chosen[0], weight]) for updates in (first, second)]
        if shapes[0] != shapes[1]:
            raise CheckpointError(
                f"{weight} is {shapes[0][1]} x {shapes[0][0]} in {first.note.source} and {shapes[1][1]} x "
                f"{shapes[1][0]} in {second.note.source}; compare adapters of the same backbone"
            )
        widths[weight] = shapes[0]
    pairs = [
        Similarity(
            layer,
            weight,
            matrix,
            rounded(
                phi(*(_directions(u.pairs[layer, weight], matrix, directions) for u in (first, second)))
            ),
        )
        for layer in chosen
        for weight in weights
        for matrix in matrices
    ]  # fmt: skip
    stream = generator("subspace control", seed)
    control = []
    for weight in weights:
        for matrix in matrices:
            n = widths[weight][1 if matrix == "B" else 0]
            ranks = [min(u.note.ranks[weight], directions or n) for u in (first, second)]
            drawn = [random_directions(n, rank, stream) for rank in ranks]
            control.append(Similarity(-1, weight, matrix, rounded(phi(*drawn))))
    return Subspaces(first.note, second.note, len(first.layers), widths, pairs, control)


def rounded(values: Tensor) -> Matrix:
    """phi as a record keeps it."""
    return [[round(float(value), _DECIMALS) for value in row] for row in values]


def _directions(pair: Pair, matrix: str, most: int | None) -> Tensor:
    """Singular directions as columns, (n, p)."""
    if matrix == "A":
        found = right_directions(pair.A)
    elif matrix == "B":
        found = left_directions(pair.B)
    else:
        found = svd_of_update(pair)[2]
    return found[:, :most]


def _widths(pair: Pair) -> list[int]:
    return [pair.A.shape[1], pair.B.shape[0]]


def same_start(first: Updates, second: Updates) -> bool:
    """Whether the file names say that both are of our runs and of one seed, and so started from overlapping A's."""
    seeds = {updates.note.source.split("-")[0] for updates in (first, second)}
    ours = all(updates.note.format == "ours" and "/" in updates.note.source for updates in (first, second))
    return ours and len(seeds) == 1 and not torch.equal(*(_any_A(updates) for updates in (first, second)))


def _any_A(updates: Updates) -> Tensor:
    return next(iter(updates.pairs.values())).A

"""The similarity of the subspaces that two matrices span (section 7.2, appendix G).

    phi(A, B, i, j) = || U_A^i^T U_B^j ||_F^2 / min(i, j)        in [0, 1]

U_A^i are the first i singular directions of A: right-singular ones (rows of A live in the input space R^k) for LoRA's
A, left-singular ones for B. 1 means that the smaller space lies in the larger one, 0 that they are orthogonal.

Appendix G ties it to the projection metric d of two p-dimensional subspaces and prints phi = (1/p)(1 - d^2). That is
a misprint: with d^2 = p - sum_i sigma_i^2, sigma the cosines of the principal angles, || U^T U' ||_F^2 is
sum_i sigma_i^2 = p - d^2, so phi = 1 - d^2 / p (`from_projection_distance`; a test computes both sides). Appendix G
also speaks of left singular matrices where section 7.2 takes right ones of A.

Two random subspaces of R^n have phi = max(i, j) / n in the mean: n = 12,288 makes that negligible in the paper, a small
backbone does not, so every figure shows a random control.
"""

import torch
from torch import Generator, Tensor


def right_directions(matrix: Tensor) -> Tensor:
    """Right-singular vectors of a matrix (rows, k), largest singular value first, as columns: (k, min(rows, k))."""
    return torch.linalg.svd(matrix.double(), full_matrices=False).Vh.T


def left_directions(matrix: Tensor) -> Tensor:
    """Left-singular vectors of a matrix (d, columns), as columns: (d, min(d, columns))."""
    return torch.linalg.svd(matrix.double(), full_matrices=False).U


def phi(first: Tensor, second: Tensor) -> Tensor:
    """phi(i, j) for all i and j at once.

    Args:
        first: (n, p), orthonormal columns.
        second: (n, q), orthonormal columns.

    Returns:
        (p, q); element [i - 1, j - 1] compares the first i columns with the first j.

    Raises:
        ValueError: the columns do not live in the same space.
    """
    if first.shape[0] != second.shape[0]:
        raise ValueError(f"directions of R^{first.shape[0]} cannot be compared with directions of R^{second.shape[0]}")
    overlaps = (first.double().T @ second.double()).square()  # (p, q), cosines squared
    within = overlaps.cumsum(0).cumsum(1)  # [i - 1, j - 1] = || U^i^T V^j ||_F^2
    p, q = overlaps.shape
    smaller = torch.minimum(torch.arange(1, p + 1)[:, None], torch.arange(1, q + 1)[None, :])
    return (within / smaller).clamp(0.0, 1.0)  # rounding may leave [0, 1] by 1e-16


def random_directions(n: int, p: int, stream: Generator) -> Tensor:
    """p random orthonormal directions of R^n, uniformly distributed: (n, p). The control of Figures 4, 7 and 8.

    Raises:
        ValueError: there are not so many.
    """
    if p > n:
        raise ValueError(f"R^{n} has no {p} orthonormal directions")
    Q, R = torch.linalg.qr(torch.randn(n, p, generator=stream, dtype=torch.float64))
    return Q * R.diagonal().sign()  # the sign makes it uniform


def random_phi(i: int, j: int, n: int) -> float:
    """The mean of phi(i, j) over random subspaces of R^n: || U^T V ||_F^2 is i j / n in the mean, so max(i, j) / n."""
    return max(i, j) / n


def projection_distance(first: Tensor, second: Tensor) -> float:
    """The projection metric of two p-dimensional subspaces: d = sqrt(p - sum_i sigma_i^2) (appendix G)."""
    cosines = torch.linalg.svdvals(first.double().T @ second.double())
    return float((first.shape[1] - cosines.square().sum()).clamp_min(0.0).sqrt())


def from_projection_distance(distance: float, p: int) -> float:
    """phi of two p-dimensional subspaces: 1 - d^2 / p, where appendix G prints (1/p)(1 - d^2)."""
    return 1.0 - distance**2 / p

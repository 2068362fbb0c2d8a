"""phi and its relatives: the properties that define them, closed forms, the random control."""

import pytest
import torch

from lora_repro.analysis.subspaces import (
    from_projection_distance,
    left_directions,
    phi,
    projection_distance,
    random_directions,
    random_phi,
    right_directions,
)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=stream(seed), dtype=torch.float64)


def test_a_space_with_itself_is_1_and_holds_its_own_parts() -> None:
    V = right_directions(drawn(6, 20))
    assert torch.allclose(phi(V, V), torch.ones(6, 6, dtype=torch.float64))


def test_orthogonal_spaces_are_0() -> None:
    basis = random_directions(20, 9, stream())
    assert phi(basis[:, :4], basis[:, 4:]).abs().max() < 1e-12


def test_known_angle_and_the_normalisation_by_the_smaller_space() -> None:
    e = torch.eye(5, dtype=torch.float64)
    turned = torch.stack([0.6 * e[0] + 0.8 * e[2], e[1]], dim=1)  # 1st: cosine 0.6 to e0; 2nd: e1 itself
    values = phi(e[:, :3], turned)  # directions e0, e1, e2
    expected = [[0.36, 0.36], [0.36, (0.36 + 1) / 2], [1.0, (0.36 + 0.64 + 1) / 2]]
    assert torch.allclose(values, torch.tensor(expected, dtype=torch.float64))


def test_symmetric_in_the_sizes() -> None:
    first, second = right_directions(drawn(4, 30, 1)), right_directions(drawn(7, 30, 2))
    assert torch.allclose(phi(first, second), phi(second, first).T)


def test_a_turn_of_the_rows_of_A_changes_nothing() -> None:
    A, other = drawn(5, 30, 1), right_directions(drawn(8, 30, 2))
    turn = random_directions(5, 5, stream(3))
    assert torch.allclose(phi(right_directions(A), other), phi(right_directions(turn @ A), other))


def test_any_change_of_basis_keeps_the_whole_space_and_mixes_its_parts() -> None:
    A, other = drawn(5, 30, 1), right_directions(drawn(8, 30, 2))
    before, after = (phi(right_directions(M), other) for M in (A, drawn(5, 5, 3) @ A))
    assert torch.allclose(before[-1], after[-1])  # i = r: the row space
    assert not torch.allclose(before[0], after[0])  # i = 1: another direction comes first


def test_left_directions_are_those_of_the_columns() -> None:
    B = drawn(30, 5)
    assert torch.allclose(phi(left_directions(B), right_directions(B.T)), torch.ones(5, 5, dtype=torch.float64))


def test_appendix_G_with_its_misprint_put_right() -> None:
    first, second = random_directions(30, 6, stream(1)), random_directions(30, 6, stream(2))
    distance, value = projection_distance(first, second), float(phi(first, second)[-1, -1])
    assert from_projection_distance(distance, 6) == pytest.approx(value, abs=1e-12)
    assert (1 - distance**2) / 6 != pytest.approx(value, abs=1e-2)  # as printed


def test_random_control_is_the_larger_size_over_the_width() -> None:
    source = stream(5)
    mean = sum(phi(random_directions(40, 4, source), random_directions(40, 10, source)) for _ in range(400)) / 400
    assert float(mean[3, 9]) == pytest.approx(random_phi(4, 10, 40), rel=0.03)  # 0.25
    assert float(mean[0, 9]) == pytest.approx(random_phi(1, 10, 40), rel=0.05)  # 0.25
    assert float(mean[3, 1]) == pytest.approx(random_phi(4, 2, 40), rel=0.10)  # 0.1


def test_random_directions_are_orthonormal_and_follow_the_stream() -> None:
    Q = random_directions(12, 5, stream(3))
    assert torch.allclose(Q.T @ Q, torch.eye(5, dtype=torch.float64))
    assert torch.equal(Q, random_directions(12, 5, stream(3)))
    with pytest.raises(ValueError, match="R\\^4 has no 5"):
        random_directions(4, 5, stream())


def test_other_spaces_are_refused() -> None:
    with pytest.raises(ValueError, match=r"R\^8 cannot be compared with directions of R\^9"):
        phi(random_directions(8, 2, stream()), random_directions(9, 2, stream()))

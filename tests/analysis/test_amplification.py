"""Table 7's numbers: a dW made by hand, whose amplification is known, and the paper's own random column."""

import math

import pytest
import torch

from lora_repro.analysis.adapters import frozen_weight, svd_of_update
from lora_repro.analysis.amplification import amplification, amplifications, expected_inside
from lora_repro.analysis.compare import compare
from lora_repro.errors import CheckpointError
from lora_repro.methods.exchange.pairs import Pair
from lora_repro.methods.lora_layers import LoRALayer
from tests.analysis.updates import updates_of
from tests.methods.exchange.adapters import trained
from tests.tiny_backbones import lora, tiny


def line(W: torch.Tensor, pair: Pair, draws: int = 200):  # type: ignore[no-untyped-def]
    return amplification(W, pair, 0, "W_q", draws, torch.Generator().manual_seed(0))


def test_a_hand_made_update_is_amplified_as_the_closed_form_says() -> None:
    # W = diag(8, 4, 2, 1, ...); dW = 2 * (3 e3 e3^T + 1.5 e2 e2^T): amplifies the third and fourth directions of W.
    W = torch.diag(torch.tensor([8.0, 4.0, 2.0, 1.0, 0.5, 0.25]))
    A = torch.zeros(2, 6)
    B = torch.zeros(6, 2)
    A[0, 3], A[1, 2], B[3, 0], B[2, 1] = 1.0, 1.0, 3.0, 1.5
    found = line(W, Pair(A, B, 2.0))
    assert found.norm_dW == pytest.approx(math.hypot(6, 3))
    assert found.inside_dW == pytest.approx(math.hypot(1, 2))
    assert found.factor == pytest.approx(math.hypot(6, 3) / math.hypot(1, 2))
    assert found.inside_W == pytest.approx(math.hypot(8, 4))
    assert found.norm_W == pytest.approx(float(W.norm()))
    assert found.spectrum_dW == pytest.approx([6.0, 3.0])
    assert found.spectrum_W == pytest.approx([8.0, 4.0, 2.0, 1.0, 0.5, 0.25])
    assert found.phi_W == [[0.0, 0.0]]  # W's first direction is none of dW's
    assert found.inside_random == pytest.approx(found.expected_random, rel=0.1)


def test_figure_8_sees_a_direction_that_both_have() -> None:
    W = torch.diag(torch.tensor([float(20 - i) for i in range(20)]))  # a tenth: 2 directions
    A, B = torch.zeros(1, 20), torch.zeros(20, 1)
    A[0, 1], B[7, 0] = 1.0, 1.0  # dW's input direction is W's second
    assert line(W, Pair(A, B, 1.0), draws=1).phi_W == [[0.0], [1.0]]


@pytest.mark.parametrize(("r", "printed"), [(4, 0.02), (64, 0.33)])
def test_the_papers_random_column_is_the_closed_form(r: int, printed: float) -> None:
    assert expected_inside(r, 61.95, 12288, 12288) == pytest.approx(printed, rel=0.03)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_the_thin_decomposition_is_that_of_the_dense_update(name: str) -> None:
    config = lora(targets=["W_q", "W_v", "W_fc1"])
    adapted = trained(name, config)
    updates = updates_of(adapted)
    arch = adapted.backbone.architecture
    dense = {n: m.update() for n, m in adapted.model.named_modules() if isinstance(m, LoRALayer)}
    for (layer, weight), pair in updates.pairs.items():
        site = arch.weights[weight]
        whole = dense[f"{arch.base}.{arch.blocks}.{layer}.{site.module}"].detach().double()
        own = whole.chunk(site.parts)[site.part]
        U, values, V = svd_of_update(pair)
        assert torch.allclose(U @ values.diag() @ V.T, own, atol=1e-6)
        assert torch.allclose(values, torch.linalg.svdvals(own)[:4], atol=1e-6)


def test_frozen_weight_is_the_matrix_of_the_projection() -> None:
    backbone = tiny("gpt2")
    fused = backbone.model.get_parameter("transformer.h.1.attn.c_attn.weight")  # Conv1D: (in, out) = (32, 96)
    W_v = frozen_weight(backbone.model, backbone.architecture, 1, "W_v")
    assert torch.equal(W_v, fused[:, 64:].T)
    assert frozen_weight(backbone.model, backbone.architecture, 0, "W_fc1").shape == (48, 32)


def test_all_lines_of_an_adapter_and_a_backbone_that_does_not_fit() -> None:
    adapted = trained("bert")
    updates = updates_of(adapted)
    backbone = tiny("bert")
    found = amplifications(updates, backbone.model, backbone.architecture, "tiny-bert", draws=2)
    assert [(entry.layer, entry.weight) for entry in found.lines] == [
        (0, "W_q"), (0, "W_v"), (1, "W_q"), (1, "W_v"),
    ]  # fmt: skip
    query = backbone.model.get_parameter("bert.encoder.layer.1.attention.self.query.weight")
    assert found.lines[2].norm_W == pytest.approx(float(query.detach().norm()), rel=1e-6)
    wide = {key: Pair(pair.A[:, :16], pair.B, pair.scaling) for key, pair in updates.pairs.items()}
    with pytest.raises(CheckpointError, match="is for a matrix 32 x 16, in tiny-bert it is 32 x 32"):
        amplifications(type(updates)(wide, updates.note, None), backbone.model, backbone.architecture, "tiny-bert")


def test_comparing_an_adapter_with_itself_and_with_others() -> None:
    small = updates_of(trained("bert"))
    large = updates_of(trained("bert", lora(r=8, targets=["W_k", "W_q"])))
    same = compare(small, small)
    assert len(same.pairs) == 2 * 2 * 3 and all(entry.phi[-1][-1] == 1.0 for entry in same.pairs)
    mixed = compare(small, large, matrices=["A", "B"], layers=[1])
    assert [(entry.layer, entry.weight, entry.matrix) for entry in mixed.pairs] == [(1, "W_q", "A"), (1, "W_q", "B")]
    assert (len(mixed.pairs[0].phi), len(mixed.pairs[0].phi[0])) == (4, 8)
    assert [entry.layer for entry in mixed.control] == [-1, -1] and mixed.widths == {"W_q": [32, 32]}
    cut = compare(small, large, directions=3)
    assert (len(cut.pairs[0].phi), len(cut.control[0].phi[0])) == (3, 3)
    with pytest.raises(CheckpointError, match="no projection in common"):
        compare(small, updates_of(trained("bert", lora(targets=["W_o"]))))

"""LoRA against the authors' loralib on the same weights: forward, gradients, merged weights, initialisation.

fp32 rounding: the order of products differs, nothing else.
"""

import pytest
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from lora_repro.config import LoRAConfig
from lora_repro.methods.lora_layers import LoRALinear, LoRASlices, draw_A
from lora_repro.methods.merging import merged_weight
from lora_repro.models.architectures import architecture

loralib = pytest.importorskip("loralib")

IN, OUT, R, ALPHA = 48, 40, 6, 12.0
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def lora(dropout: float = 0.0) -> LoRAConfig:
    return LoRAConfig(name="lora", r=R, alpha=ALPHA, dropout=dropout, targets=[], init="kaiming")


def linear_pair(dropout: float = 0.0) -> tuple[LoRALinear, nn.Module]:
    base = nn.Linear(IN, OUT)
    ours = LoRALinear(base, R, lora(dropout=dropout), torch.Generator().manual_seed(0))
    theirs = loralib.Linear(IN, OUT, r=R, lora_alpha=ALPHA, lora_dropout=dropout, merge_weights=True)
    with torch.no_grad():
        ours.lora_B.copy_(randn(OUT, R, seed=1))
        for name in ("weight", "bias", "lora_A", "lora_B"):
            theirs.get_parameter(name).copy_(ours.get_parameter(name))
    ours.weight.requires_grad_(False)
    return ours, theirs


def gpt2_pair(enabled: list[str]) -> tuple[LoRASlices, nn.Module]:
    """Ours on a Conv1D c_attn, and the authors' MergedLinear with fan_in_fan_out, as their GPT-2 builds it."""
    d = IN
    base = Conv1D(3 * d, d)
    with torch.no_grad():
        base.weight.copy_(randn(d, 3 * d, seed=0))
        base.bias.copy_(randn(3 * d, seed=1))
    slices = {weight: architecture("gpt2").weights[weight] for weight in enabled}
    ours = LoRASlices(base, slices, dict.fromkeys(enabled, R), lora(), torch.Generator().manual_seed(0))
    flags = [weight in enabled for weight in ("W_q", "W_k", "W_v")]
    theirs = loralib.MergedLinear(
        d, 3 * d, r=R, lora_alpha=ALPHA, enable_lora=flags, fan_in_fan_out=True, merge_weights=True
    )
    with torch.no_grad():
        for seed, weight in enumerate(enabled):
            ours.lora_B[weight].copy_(randn(d, R, seed=10 + seed))
        theirs.weight.copy_(base.weight)
        theirs.bias.copy_(base.bias)
        theirs.lora_A.copy_(torch.cat([ours.lora_A[weight] for weight in enabled]))
        theirs.lora_B.copy_(torch.cat([ours.lora_B[weight] for weight in enabled]))
    ours.weight.requires_grad_(False)
    return ours, theirs


def gradients(layer: nn.Module, x: Tensor, names: list[str]) -> list[Tensor]:
    x = x.clone().requires_grad_()
    layer.zero_grad()
    (layer(x) * randn(1, seed=9)).square().mean().backward()
    return [x.grad, *(layer.get_parameter(name).grad for name in names)]


def test_linear_forward_and_gradients() -> None:
    ours, theirs = linear_pair()
    x = randn(5, 7, IN, seed=2)
    torch.testing.assert_close(ours(x), theirs(x), **CLOSE)
    for own, reference in zip(
        gradients(ours, x, ["lora_A", "lora_B", "bias"]),
        gradients(theirs, x, ["lora_A", "lora_B", "bias"]),
        strict=True,
    ):
        torch.testing.assert_close(own, reference, **CLOSE)
    assert ours.weight.grad is None
    assert theirs.weight.grad is None


def test_linear_dropout_takes_the_same_mask() -> None:
    ours, theirs = linear_pair(dropout=0.3)
    x = randn(5, 7, IN, seed=2)
    outputs = []
    for layer in (ours, theirs):
        layer.train()
        torch.manual_seed(4)
        outputs.append(layer(x))
    torch.testing.assert_close(*outputs, **CLOSE)


def test_linear_merged_weight() -> None:
    ours, theirs = linear_pair()
    theirs.eval()  # loralib merges here
    assert theirs.merged
    torch.testing.assert_close(merged_weight(ours), theirs.weight.data, **CLOSE)


def test_start_of_A_has_loralibs_law() -> None:
    """Same generator state, same numbers: both call kaiming_uniform_ with a = sqrt 5 on an (r, in) matrix."""
    theirs = loralib.Linear(IN, OUT, r=R)
    torch.manual_seed(3)
    nn.Linear.reset_parameters(theirs)  # loralib draws the weight and bias first
    nn.init.kaiming_uniform_(theirs.lora_A, a=5**0.5)
    after = theirs.lora_A.clone()
    torch.manual_seed(3)
    theirs.reset_parameters()
    assert torch.equal(after, theirs.lora_A)
    stream = torch.Generator().manual_seed(8)
    torch.manual_seed(8)
    reference = nn.init.kaiming_uniform_(torch.empty(R, IN), a=5**0.5)
    assert torch.equal(draw_A(R, IN, "kaiming", stream, torch.device("cpu")), reference)


@pytest.mark.parametrize("enabled", [["W_q", "W_v"], ["W_q"], ["W_k", "W_v"], ["W_q", "W_k", "W_v"]], ids="+".join)
def test_merged_linear_forward_gradients_and_merged_weights(enabled: list[str]) -> None:
    ours, theirs = gpt2_pair(enabled)
    x = randn(5, 7, IN, seed=2)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-3)  # outputs of size 100: 1e-5 of them
    own = gradients(ours, x, [f"lora_{matrix}.{weight}" for matrix in "AB" for weight in enabled])
    reference = gradients(theirs, x, ["lora_A", "lora_B"])
    count = len(enabled)
    torch.testing.assert_close(own[0], reference[0], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(torch.cat(own[1 : 1 + count]), reference[1], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(torch.cat(own[1 + count :]), reference[2], rtol=1e-4, atol=1e-3)
    theirs.eval()
    torch.testing.assert_close(merged_weight(ours), theirs.weight.data, **CLOSE)  # both (in, out)


def test_a_whole_gpt2_with_the_authors_layer_in_it() -> None:
    from lora_repro.methods.apply import adapt
    from tests.tiny_backbones import batch, tiny
    from tests.tiny_backbones import lora as tiny_lora

    adapted = adapt(tiny("gpt2"), tiny_lora(r=4, alpha=32), seed=0)
    reference = tiny("gpt2").model
    with torch.no_grad():
        for seed, name in enumerate(adapted.method_names):
            parameter = adapted.model.get_parameter(name)
            parameter.copy_(0.2 * randn(*parameter.shape, seed=seed))
    for own, block in zip(adapted.model.transformer.h, reference.transformer.h, strict=True):
        layer = loralib.MergedLinear(
            32, 96, r=4, lora_alpha=32, enable_lora=[True, False, True], fan_in_fan_out=True, merge_weights=False
        )
        with torch.no_grad():
            layer.weight.copy_(block.attn.c_attn.weight)
            layer.bias.copy_(block.attn.c_attn.bias)
            pairs = own.attn.c_attn
            layer.lora_A.copy_(torch.cat([pairs.lora_A["W_q"], pairs.lora_A["W_v"]]))
            layer.lora_B.copy_(torch.cat([pairs.lora_B["W_q"], pairs.lora_B["W_v"]]))
        block.attn.c_attn = layer
    torch.testing.assert_close(adapted.model(**batch()).logits, reference(**batch()).logits, rtol=1e-4, atol=1e-4)

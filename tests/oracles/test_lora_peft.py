"""LoRA against Hugging Face PEFT on the same weights; and where PEFT is not the paper: GPT-2's fused projection."""

import pytest
import torch
from torch import Tensor, nn

from lora_repro.methods.apply import Adapted, adapt
from lora_repro.methods.merging import merged
from lora_repro.models.sites import projection
from tests.tiny_backbones import batch, lora, moved, tiny

peft = pytest.importorskip("peft")

R, ALPHA = 4, 8
ENCODERS = ["bert", "roberta", "deberta-v2"]
TARGETS = ["W_q", "W_k", "W_v", "W_o", "W_fc1", "W_fc2"]


def randomised(name: str, targets: list[str], ranks: dict[str, int] | None = None) -> Adapted:
    adapted = adapt(tiny(name), lora(r=R, alpha=ALPHA, targets=targets, ranks=ranks or {}), seed=0)
    return moved(adapted, adapted.method_names)  # PEFT's model keeps the head's start


def in_peft(name: str, adapted: Adapted, targets: list[str], ranks: dict[str, int] | None = None) -> nn.Module:
    """PEFT's model on the same backbone, its adapter filled with ours."""
    backbone = tiny(name)
    sites = {
        weight: [projection(backbone.model, backbone.architecture, layer, weight).name for layer in (0, 1)]
        for weight in targets
    }
    own_rank = {site: rank for weight, rank in (ranks or {}).items() for site in sites[weight]}
    config = peft.LoraConfig(
        r=R,
        lora_alpha=ALPHA,
        target_modules=[site for weight in targets for site in sites[weight]],
        fan_in_fan_out=backbone.architecture.fan_in_fan_out,
        rank_pattern={f"^{site}$": rank for site, rank in own_rank.items()},
    )
    model = peft.get_peft_model(backbone.model, config).eval()
    with torch.no_grad():
        for weight in targets:
            for site in sites[weight]:
                theirs, ours = model.base_model.model.get_submodule(site), adapted.model.get_submodule(site)
                theirs.lora_A["default"].weight.copy_(ours.lora_A)
                theirs.lora_B["default"].weight.copy_(ours.lora_B)
    return model


def labels_of(adapted: Adapted) -> Tensor:
    return torch.tensor([0, 1, 1, 0]) if adapted.head_names else batch()["input_ids"]


@pytest.mark.parametrize("name", [*ENCODERS, "llama"])
@pytest.mark.parametrize("ranks", [{}, {"W_v": 2, "W_fc2": 7}], ids=["one rank", "own ranks"])
def test_logits_and_gradients(name: str, ranks: dict[str, int]) -> None:
    adapted = randomised(name, TARGETS, ranks)
    reference = in_peft(name, adapted, TARGETS, ranks)
    outputs = [m(**batch(), labels=labels_of(adapted)) for m in (adapted.model, reference)]
    torch.testing.assert_close(outputs[0].logits, outputs[1].logits, rtol=1e-5, atol=1e-5)
    for output in outputs:
        output.loss.backward()
    compared = 0
    for parameter in adapted.method_names:
        site, _, matrix = parameter.rpartition(".")
        theirs = reference.base_model.model.get_submodule(site).get_submodule(matrix)["default"].weight.grad
        torch.testing.assert_close(adapted.model.get_parameter(parameter).grad, theirs, rtol=1e-4, atol=1e-6)
        compared += 1
    assert compared == 2 * 2 * len(TARGETS)


@pytest.mark.parametrize("name", [*ENCODERS, "llama"])
def test_merged_weights(name: str) -> None:
    adapted = randomised(name, TARGETS)
    theirs = in_peft(name, adapted, TARGETS).merge_and_unload().state_dict()
    with merged(adapted.model):
        ours = adapted.model.state_dict()
        assert list(ours) == list(theirs)
        for key, tensor in ours.items():
            torch.testing.assert_close(tensor, theirs[key], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [*ENCODERS, "llama"])
def test_same_trainable_names_but_for_the_spelling(name: str) -> None:
    adapted = randomised(name, ["W_q", "W_v"])
    model = in_peft(name, adapted, ["W_q", "W_v"])
    theirs = {n for n, p in model.named_parameters() if p.requires_grad}
    ours = {f"base_model.model.{n}.default.weight" for n in adapted.method_names}
    assert ours == theirs


def update_of_keys(delta: Tensor) -> Tensor:
    """Rows of W_k in an update of c_attn, (3 d, d) -> (d, d)."""
    d = delta.shape[1]
    return delta[d : 2 * d]


def peft_gpt2() -> nn.Module:
    """PEFT's usual way with GPT-2: one pair on the fused c_attn; B is drawn as training would move it."""
    config = peft.LoraConfig(r=R, lora_alpha=ALPHA, target_modules=["c_attn"], fan_in_fan_out=True)
    model = peft.get_peft_model(tiny("gpt2").model, config).eval()
    stream = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter, tensor in model.named_parameters():
            if "lora_B" in parameter:
                tensor.copy_(torch.randn(tensor.shape, generator=stream))
    return model


def keys_are_untouched(delta: Tensor) -> bool:
    return torch.count_nonzero(update_of_keys(delta)).item() == 0 and torch.count_nonzero(delta).item() > 0


def test_ours_leaves_the_keys_of_gpt2_alone() -> None:
    adapted = randomised("gpt2", ["W_q", "W_v"])
    assert all(keys_are_untouched(block.attn.c_attn.update()) for block in adapted.model.transformer.h)
    before = tiny("gpt2").model.transformer.h[0].attn.c_attn.weight
    with merged(adapted.model):
        after = adapted.model.transformer.h[0].attn.c_attn.weight
    assert torch.equal(after[:, 32:64], before[:, 32:64])
    assert not torch.equal(after[:, :32], before[:, :32])


def test_pefts_single_pair_on_c_attn_does_not() -> None:
    """Same number of parameters (4 d r), another method: W_k is adapted too, and A is shared."""
    model = peft_gpt2()
    theirs = [block.attn.c_attn for block in model.base_model.model.transformer.h]
    assert not any(keys_are_untouched(layer.get_delta_weight("default").T) for layer in theirs)
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert count == randomised("gpt2", ["W_q", "W_v"]).counts.method


def test_gpt2_projections_that_are_not_fused_agree() -> None:
    adapted = randomised("gpt2", ["W_o", "W_fc1", "W_fc2"])
    reference = in_peft("gpt2", adapted, ["W_o", "W_fc1", "W_fc2"])
    torch.testing.assert_close(adapted.model(**batch()).logits, reference(**batch()).logits, rtol=1e-5, atol=1e-5)

"""Adapters: the formula at its place in every architecture, and the printed counts."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lora_repro.config import ModelConfig
from lora_repro.methods.adapter_layers import Bottleneck
from lora_repro.methods.apply import adapt
from lora_repro.methods.registry import method
from lora_repro.models.architectures import architecture
from lora_repro.models.dims import Dims
from lora_repro.models.load import Backbone, build_meta
from tests.methods.adapters import METHODS, SITES, configured, randomise
from tests.tiny_backbones import ENCODERS, batch, tiny


class Seen:
    """Input and output of a module in one forward pass of the model."""

    def __init__(self, module: nn.Module):
        self.handles = [module.register_forward_hook(self._keep)]
        self.inputs: tuple[Any, ...] = ()
        self.output: Any = None

    def _keep(self, _module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self.inputs, self.output = inputs, output[0] if isinstance(output, tuple) else output


def bottleneck(a: Bottleneck, x: Tensor) -> Tensor:
    """W_up relu(W_down x + b_down) + b_up."""
    return (x @ a.down.weight.T + a.down.bias).relu() @ a.up.weight.T + a.up.bias


def norm(x: Tensor, module: Any) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + module.eps).sqrt() * module.weight + module.bias


@torch.no_grad()
def test_houlsby_is_the_formula_on_gpt2() -> None:
    """h = s + m + A(m) with the MLP's output m and s = x + a + A'(a)."""
    adapted = randomise(adapt(tiny("gpt2"), configured("adapter_h"), seed=0))
    block = adapted.model.transformer.h[0]
    seen = {m: Seen(block.get_submodule(m)) for m in ("attn.c_proj", "mlp.c_proj")}
    whole = Seen(block)
    adapted.model(**batch())
    a, m = seen["attn.c_proj"].output, seen["mlp.c_proj"].output
    expected = whole.inputs[0] + a + bottleneck(block.attn.resid_dropout.adapter, a)
    expected = expected + m + bottleneck(block.mlp.dropout.adapter, m)
    torch.testing.assert_close(whole.output, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("which", ["adapter_l", "adapter_p"])
def test_lin_and_pfeiffer_are_the_formula_on_gpt2(which: str) -> None:
    """Lin: s + A(LN(s)); Pfeiffer: s + A(s)."""
    adapted = randomise(adapt(tiny("gpt2"), configured(which), seed=0))
    block = adapted.model.transformer.h[1]
    mlp, before, whole = Seen(block.mlp), Seen(block.ln_2), Seen(block)
    adapted.model(**batch())
    s = before.inputs[0] + mlp.output
    inside = norm(s, block.adapter.norm) if which == "adapter_l" else s
    torch.testing.assert_close(whole.output, s + bottleneck(block.adapter, inside), rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ENCODERS)
def test_lin_is_the_formula_on_encoders(name: str) -> None:
    """h + A(LN_own(h)) with h the output of the block's last LayerNorm."""
    adapted = randomise(adapt(tiny(name), configured("adapter_l"), seed=0))
    block = adapted.model.get_submodule(SITES[name][0].format(1))
    last, whole = Seen(block.output.LayerNorm), Seen(block)
    adapted.model(**batch())
    expected = last.output + bottleneck(block.adapter, norm(last.output, block.adapter.norm))
    torch.testing.assert_close(whole.output, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ENCODERS)
def test_pfeiffer_is_the_formula_on_encoders(name: str) -> None:
    """LN(s + A(LN(s))) with s the sum of the MLP's output and its residual."""
    adapted = randomise(adapt(tiny(name), configured("adapter_p"), seed=0))
    block = adapted.model.get_submodule(SITES[name][0].format(1))
    mlp, before, whole = Seen(block.output.dropout), Seen(block.intermediate), Seen(block)
    adapted.model(**batch())
    s, layer_norm = mlp.output + before.inputs[0], block.output.LayerNorm
    expected = norm(s + bottleneck(layer_norm.adapter, norm(s, layer_norm)), layer_norm)
    torch.testing.assert_close(whole.output, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("which", METHODS)
def test_collected_hidden_states_are_what_the_next_block_sees(which: str) -> None:
    backbone = tiny("gpt2")
    backbone.model(**batch(), output_hidden_states=True)  # Transformers installs its collecting hooks here
    adapted = randomise(adapt(backbone, configured(which), seed=0))
    second = Seen(adapted.model.transformer.h[1])
    states = adapted.model(**batch(), output_hidden_states=True).hidden_states
    assert torch.equal(states[1], second.inputs[0])
    assert torch.equal(states[2], adapted.model.transformer.ln_f(second.output))


def meta(architecture_name: str, dims: dict[str, Any]) -> Backbone:
    config = ModelConfig(name="meta", architecture=architecture_name, dims=dims)
    return Backbone(build_meta(config, 2), None, architecture(architecture_name), config, "")


GPT2_M = ("gpt2", {"n_embd": 1024, "n_layer": 24, "n_head": 16})
GPT2_L = ("gpt2", {"n_embd": 1280, "n_layer": 36, "n_head": 20})
ROBERTA = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}
ROBERTA_B = ("roberta", ROBERTA)
ROBERTA_L = (
    "roberta",
    ROBERTA | {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
)


@pytest.mark.parametrize(
    ("backbone", "which", "settings", "wanted"),
    [
        (GPT2_M, "adapter_l", {"r": 6}, 368_784),  # Table 3: 0.37M
        (GPT2_M, "adapter_l", {"r": 224}, 11_089_152),  # 11.09M
        (GPT2_M, "adapter_h", {"r": 112}, 11_064_576),  # printed 11.09M
        (GPT2_L, "adapter_l", {"r": 8}, 875_808),  # 0.88M
        (GPT2_L, "adapter_l", {"r": 248}, 23_002_848),  # 23.00M
        (ROBERTA_L, "adapter_p", {"r": 64}, 3_171_840),  # Table 2: 3.0M
        (ROBERTA_L, "adapter_p", {"r": 16}, 811_392),  # 0.8M
        (ROBERTA_L, "adapter_h", {"r": 64}, 6_343_680),  # 6.0M
        (ROBERTA_L, "adapter_h", {"r": 8}, 835_968),  # 0.8M
        (ROBERTA_B, "adapter_d", {"r": 48, "dropped": 0}, 894_528),  # 0.9M
        (ROBERTA_B, "adapter_d", {"r": 48, "dropped": 8}, 298_176),  # 0.3M
    ],
)
def test_printed_counts(backbone: tuple[str, dict], which: str, settings: dict, wanted: int) -> None:
    on_meta, config = meta(*backbone), configured(which, **settings)
    adapted = adapt(on_meta, config, seed=0)
    assert all(p.is_meta for p in adapted.model.parameters())
    assert adapted.counts.method == wanted
    assert method(which).theta(config, Dims.of(on_meta.model.config)) == wanted


@pytest.mark.parametrize(
    ("r", "wanted"), [(1, 7_078_080), (4, 21_234_432), (8, 40_109_568), (16, 77_859_840), (64, 304_361_472)]
)
def test_printed_counts_of_gpt3(r: int, wanted: int) -> None:
    assert method("adapter_h").theta(configured("adapter_h", r=r), Dims(12288, 96, 4 * 12288, 50257)) == wanted

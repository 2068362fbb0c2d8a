"""What trains and what does not, name by name; outputs at step 0; a lower loss after some steps."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from lora_repro.config import BitFitConfig, FTConfig, MethodConfig
from lora_repro.errors import BackboneError, CheckpointError, ConfigError
from lora_repro.methods import registry
from lora_repro.methods.apply import Adapted, adapt
from lora_repro.methods.merging import merge
from lora_repro.models.architectures import ARCHITECTURES
from lora_repro.models.dims import Dims
from lora_repro.training.precision import compute, prepare
from tests.tiny_backbones import DECODERS, ENCODERS, batch, every_method, lora, moved, tiny

PAIRS = [
    (name, config) for name in ARCHITECTURES for config in every_method() if (name, config.name) != ("llama", "bitfit")
]


def name_of(value: object) -> str:
    return value if isinstance(value, str) else value.name  # type: ignore[attr-defined]


def wanted_names(name: str, method: str) -> set[str]:
    """The method's trained names, written down independently of the library for a model of two blocks."""
    model, arch = tiny(name).model, ARCHITECTURES[name]
    backbone = {n for n, _ in model.named_parameters() if not n.startswith(tuple(f"{head}." for head in arch.heads))}
    if method == "ft":
        return backbone
    if method == "bitfit":
        return {n for n in backbone if n.endswith(".bias")}
    queries = {
        "bert": ("bert.encoder.layer", ("attention.self.query", "attention.self.value")),
        "roberta": ("roberta.encoder.layer", ("attention.self.query", "attention.self.value")),
        "deberta-v2": ("deberta.encoder.layer", ("attention.self.query_proj", "attention.self.value_proj")),
        "llama": ("model.layers", ("self_attn.q_proj", "self_attn.v_proj")),
    }
    if name == "gpt2":
        return {f"transformer.h.{i}.attn.c_attn.lora_{m}.W_{w}" for i in (0, 1) for m in "AB" for w in "qv"}
    blocks, modules = queries[name]
    return {f"{blocks}.{i}.{module}.lora_{m}" for i in (0, 1) for module in modules for m in "AB"}


def loss_of(adapted: Adapted, seed: int = 0) -> torch.Tensor:
    inputs = batch(seed=seed)
    if not adapted.head_names:
        return adapted.model(**inputs, labels=inputs["input_ids"]).loss
    return adapted.model(**inputs, labels=torch.tensor([0, 1, 1, 0])).loss


@pytest.mark.parametrize(("name", "config"), PAIRS, ids=name_of)
def test_exactly_the_declared_names_train(name: str, config: MethodConfig) -> None:
    adapted = adapt(tiny(name), config, seed=0)
    assert set(adapted.method_names) == wanted_names(name, config.name)
    training = {n for n, parameter in adapted.model.named_parameters() if parameter.requires_grad}
    assert training == set(adapted.method_names) | set(adapted.head_names)
    assert bool(adapted.head_names) == (name in ENCODERS)


@pytest.mark.parametrize(("name", "config"), PAIRS, ids=name_of)
def test_the_output_is_unchanged_at_step_0(name: str, config: MethodConfig) -> None:
    backbone = tiny(name)
    before = backbone.model(**batch()).logits
    adapted = adapt(backbone, config, seed=0)
    assert torch.equal(adapted.model(**batch()).logits, before)


@pytest.mark.parametrize(("name", "config"), PAIRS, ids=name_of)
def test_training_lowers_the_loss_and_leaves_the_frozen_weights_alone(name: str, config: MethodConfig) -> None:
    adapted = adapt(tiny(name), config, seed=0)
    frozen = {n: p.clone() for n, p in adapted.model.named_parameters() if not p.requires_grad}
    optimiser = torch.optim.AdamW([p for p in adapted.model.parameters() if p.requires_grad], lr=1e-2)
    adapted.model.train()
    torch.manual_seed(0)
    losses = []
    for _ in range(12):
        loss = loss_of(adapted)
        loss.backward()
        assert all(adapted.model.get_parameter(n).grad is None for n in frozen)  # not zero: never computed
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    adapted.model.eval()
    assert loss_of(adapted).item() < losses[0]
    assert all(torch.equal(adapted.model.get_parameter(n), tensor) for n, tensor in frozen.items())


@pytest.mark.parametrize(("name", "config"), PAIRS, ids=name_of)
def test_every_trained_tensor_gets_a_gradient_and_counts_agree_with_the_formula(
    name: str, config: MethodConfig
) -> None:
    adapted = adapt(tiny(name), config, seed=0)
    with torch.no_grad():  # B = 0 would leave A without a gradient
        for parameter in adapted.method_names:
            adapted.model.get_parameter(parameter).add_(0.01)
    loss_of(adapted).backward()
    # Attention does not see a bias that is added to every key: its gradient is rounding error, in GPT-2 a third of one.
    # Positions after the longest input, and with one token type the other row, are never read, yet get zeros.
    without = [n for n in adapted.names if adapted.model.get_parameter(n).grad is None]
    assert without == []
    dims = Dims.of(adapted.model.config)
    assert adapted.counts.method == registry.method(config.name).theta(config, dims)
    assert adapted.counts.head == sum(adapted.model.get_parameter(n).numel() for n in adapted.head_names)
    assert adapted.counts.total == sum(p.numel() for p in adapted.model.parameters())


def test_bitfit_has_nothing_to_train_in_llama() -> None:
    with pytest.raises(BackboneError, match="method bitfit finds nothing to train in tiny-llama"):
        adapt(tiny("llama"), BitFitConfig(name="bitfit"), seed=0)


def test_the_pooler_of_bert_belongs_to_the_head() -> None:
    adapted = adapt(tiny("bert"), BitFitConfig(name="bitfit"), seed=0)
    assert "bert.pooler.dense.bias" in adapted.head_names
    assert not any("pooler" in name for name in adapted.method_names)


def test_a_declared_name_that_matches_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(
        registry.METHODS["ft"], trainable=lambda *_: {"bert.encoder.layer.9.bias", "bert.embeddings.LayerNorm.bias"}
    )
    monkeypatch.setitem(registry.METHODS, "ft", wrong)
    with pytest.raises(
        BackboneError, match=r"method ft trains \['bert\.encoder\.layer\.9\.bias'\], but tiny-bert has no such"
    ):
        adapt(tiny("bert"), FTConfig(name="ft"), seed=0)


def test_unknown_method_names_the_known() -> None:
    with pytest.raises(ConfigError, match="method 'prompt' is not known; known are ft, ft_top2, bitfit, "):
        adapt(tiny("bert"), MethodConfig(name="prompt"), seed=0)


@pytest.mark.parametrize("name", ["roberta", "gpt2"])
def test_trainable_state_round_trip(name: str) -> None:
    first, second = (adapt(tiny(name), lora(), seed=seed) for seed in (0, 1))
    with torch.no_grad():
        for parameter in first.names:
            first.model.get_parameter(parameter).normal_()
    assert not torch.equal(first.model(**batch()).logits, second.model(**batch()).logits)
    second.load_trainable_state(first.trainable_state())
    assert torch.equal(first.model(**batch()).logits, second.model(**batch()).logits)
    assert not any(tensor.requires_grad for tensor in first.trainable_state().values())


def test_trainable_state_refusals() -> None:
    adapted = adapt(tiny("bert"), lora(), seed=0)
    state = adapted.trainable_state()
    name = adapted.method_names[0]
    with pytest.raises(CheckpointError, match=r"1 missing \['bert.*0 unexpected"):
        adapted.load_trainable_state({n: t for n, t in state.items() if n != name})
    with pytest.raises(CheckpointError, match=r"0 missing \[\], 1 unexpected \['stray'\]"):
        adapted.load_trainable_state(state | {"stray": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"shape \(3, 32\), the model needs \(4, 32\)"):
        adapted.load_trainable_state(state | {name: torch.zeros(3, 32)})
    merge(adapted.model)
    with pytest.raises(CheckpointError, match="merged: its trained parameters are set aside; unmerge it first"):
        adapted.trainable_state()


@pytest.mark.parametrize(("name", "config"), [pair for pair in PAIRS if pair[0] in DECODERS], ids=name_of)
def test_beam_search_with_a_cache_agrees_with_beam_search_without(name: str, config: MethodConfig) -> None:
    adapted = moved(adapt(tiny(name), config, seed=0))
    prompt = batch(examples=2, tokens=4, seed=3)["input_ids"]
    options = {"max_new_tokens": 6, "num_beams": 3, "do_sample": False, "pad_token_id": 1}
    outputs = [adapted.model.generate(prompt, use_cache=cache, **options) for cache in (True, False)]
    assert torch.equal(*outputs)
    assert not torch.allclose(adapted.model(prompt).logits, tiny(name).model(prompt).logits, atol=1e-2)


@pytest.mark.parametrize(("name", "config"), [pair for pair in PAIRS if pair[0] in ("roberta", "gpt2")], ids=name_of)
def test_gradient_checkpointing_gives_the_same_gradients(name: str, config: MethodConfig) -> None:
    gradients = []
    for checkpointing in (False, True):
        adapted = moved(adapt(tiny(name), config, seed=0))
        if checkpointing:
            adapted.model.gradient_checkpointing_enable({"use_reentrant": False})
        adapted.model.train()
        for module in adapted.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        loss_of(adapted).backward()
        gradients.append({n: adapted.model.get_parameter(n).grad for n in adapted.names})
    assert all(torch.allclose(gradients[0][n], gradients[1][n], atol=1e-6) for n in gradients[0])


@pytest.mark.parametrize(("name", "config"), [pair for pair in PAIRS if pair[0] in ("roberta", "gpt2")], ids=name_of)
def test_bf16_computes_in_bf16_and_trains_in_fp32(name: str, config: MethodConfig) -> None:
    adapted = moved(adapt(tiny(name), config, seed=0))
    full = adapted.model(**batch()).logits
    prepare(adapted.model, "bf16")
    with compute("bf16", torch.device("cpu")):
        logits, loss = adapted.model(**batch()).logits, loss_of(adapted)
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - full).abs().max() < 0.15 * full.abs().max()
    loss.backward()
    for own in map(adapted.model.get_parameter, adapted.names):
        assert own.dtype == own.grad.dtype == torch.float32
        assert own.grad.isfinite().all()

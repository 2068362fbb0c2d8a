"""FT^Top2: the last two blocks train, and nothing else."""

from typing import Any

import pytest
import torch

from lora_repro.config import FTTop2Config, ModelConfig
from lora_repro.methods.apply import adapt
from lora_repro.methods.ft_top2 import theta
from lora_repro.models.architectures import ARCHITECTURES, architecture
from lora_repro.models.dims import Dims
from lora_repro.models.load import Backbone, build_meta, transformers_config
from lora_repro.training.precision import compute, prepare
from tests.tiny_backbones import DECODERS, DIMS, batch

CONFIG = FTTop2Config(name="ft_top2")
BLOCKS = {
    "bert": "bert.encoder.layer",
    "roberta": "roberta.encoder.layer",
    "deberta-v2": "deberta.encoder.layer",
    "gpt2": "transformer.h",
    "llama": "model.layers",
}


def of_twelve(name: str, layers: int = 12) -> Backbone:
    """Twelve blocks: two of them (10 and 11) begin with the digit of another one (1)."""
    import transformers

    dims: dict[str, Any] = dict(DIMS[name])
    dims["n_layer" if name == "gpt2" else "num_hidden_layers"] = layers
    config, arch = ModelConfig(name=f"tiny-{name}", architecture=name, dims=dims), architecture(name)
    torch.manual_seed(0)
    model = getattr(transformers, arch.model_class)(transformers_config(config)).eval()
    return Backbone(model, None, arch, config, "random")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_exactly_the_last_two_blocks_train_and_the_output_is_unchanged(name: str) -> None:
    backbone = of_twelve(name)
    wanted = {n for n, _ in backbone.model.named_parameters() if n.split(f"{BLOCKS[name]}.")[-1][:3] in ("10.", "11.")}
    before = backbone.model(**batch()).logits
    adapted = adapt(backbone, CONFIG, seed=0)
    assert set(adapted.method_names) == wanted
    training = {n for n, p in adapted.model.named_parameters() if p.requires_grad}
    assert training == wanted | set(adapted.head_names)
    assert adapted.counts.method == theta(CONFIG, Dims.of(backbone.model.config))
    assert torch.equal(adapted.model(**batch()).logits, before)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_frozen_blocks_below_are_computed_without_a_graph(name: str) -> None:
    """Their activations are not kept for a backward pass that never comes."""
    adapted = adapt(of_twelve(name, layers=4), CONFIG, seed=0)
    graphs = []
    for block in adapted.model.get_submodule(BLOCKS[name]).children():
        block.register_forward_hook(
            lambda _, __, output: graphs.append((output if torch.is_tensor(output) else output[0]).requires_grad)
        )
    adapted.model.train()(**batch())
    assert graphs == [False, False, True, True]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_lowers_the_loss_and_leaves_the_frozen_weights_alone(name: str, precision: str) -> None:
    adapted = adapt(of_twelve(name, layers=3), CONFIG, seed=0)
    prepare(adapted.model, precision)
    frozen = {n: p.clone() for n, p in adapted.model.named_parameters() if not p.requires_grad}
    inputs = batch()
    labels = torch.tensor([0, 1, 1, 0]) if adapted.head_names else inputs["input_ids"]
    optimiser = torch.optim.AdamW([p for p in adapted.model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(8):
        with compute(precision, torch.device("cpu")):
            loss = adapted.model(**inputs, labels=labels).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(torch.equal(adapted.model.get_parameter(n), tensor) for n, tensor in frozen.items())
    assert {adapted.model.get_parameter(n).dtype for n in adapted.names} == {torch.float32}


@pytest.mark.parametrize("name", DECODERS)
def test_generation_and_gradient_checkpointing(name: str) -> None:
    adapted = adapt(of_twelve(name, layers=3), CONFIG, seed=0)
    prompt = batch(examples=2, tokens=4)["input_ids"]
    options = {"max_new_tokens": 5, "num_beams": 3, "do_sample": False, "pad_token_id": 1}
    assert torch.equal(*[adapted.model.generate(prompt, use_cache=cache, **options) for cache in (True, False)])

    adapted.model.gradient_checkpointing_enable({"use_reentrant": False})
    adapted.model.train()
    inputs = batch()
    adapted.model(**inputs, labels=inputs["input_ids"]).loss.backward()
    assert all(adapted.model.get_parameter(n).grad is not None for n in adapted.names)


def test_printed_count() -> None:
    """Table 3: 25.19M on GPT-2 medium."""
    config = ModelConfig(name="gpt2-m", architecture="gpt2", dims={"n_embd": 1024, "n_layer": 24, "n_head": 16})
    backbone = Backbone(build_meta(config, 2), None, architecture("gpt2"), config, "")
    adapted = adapt(backbone, CONFIG, seed=0)
    assert adapted.counts.method == theta(CONFIG, Dims.of(backbone.model.config)) == 25_192_448
    assert not any(n.startswith(("transformer.wte", "transformer.wpe", "transformer.ln_f")) for n in adapted.names)


def test_a_backbone_of_one_block() -> None:
    adapted = adapt(of_twelve("bert", layers=1), CONFIG, seed=0)
    assert adapted.counts.method == theta(CONFIG, Dims.of(adapted.model.config))

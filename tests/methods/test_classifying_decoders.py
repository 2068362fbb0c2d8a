"""Every method on a decoder that classifies: what trains, what the head reads, where virtual tokens stand."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lora_repro.config import FTTop2Config, MethodConfig, RunConfig
from lora_repro.errors import CheckpointError
from lora_repro.methods.apply import Adapted, adapt
from lora_repro.methods.checkpoint import AdapterMeta, load_adapter, load_into, read_adapter, save_adapter
from lora_repro.methods.merging import merged
from lora_repro.methods.registry import METHODS
from lora_repro.methods.virtual_tokens import virtual_tokens, wants_prompt_lengths
from lora_repro.models.architectures import ARCHITECTURES, classifying
from lora_repro.models.load import load_backbone
from tests.methods.adapters import METHODS as ADAPTERS
from tests.methods.adapters import configured
from tests.methods.virtual import INFIX, PREFIX, TEXTS, name_of, padded, with_words
from tests.tiny_backbones import DECODERS, batch, every_method, lora, moved, prefix_methods, tiny, tiny_folder

ALL = [*every_method(), FTTop2Config(name="ft_top2"), *map(configured, ADAPTERS), *prefix_methods()]
PAIRS = [(name, config) for name in DECODERS for config in ALL if (name, config.name) != ("llama", "bitfit")]
LABELS = torch.tensor([0, 1, 1, 0])


def classifier(name: str, config: MethodConfig) -> Adapted:
    return adapt(tiny(name, classify=True), config, seed=0)


def without_dropout(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def inputs_of(texts: list[list[int]], side: str) -> dict[str, Tensor]:
    """A padded batch; position numbers for a plain GPT-2, which counts columns."""
    inputs = padded(texts, side)
    return inputs | {"position_ids": (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)}


def test_all_methods_are_tried() -> None:
    assert {config.name for config in ALL} == set(METHODS)


@pytest.mark.parametrize(("name", "config"), PAIRS, ids=name_of)
def test_the_method_alone_lowers_the_loss_and_the_head_is_counted_apart(name: str, config: MethodConfig) -> None:
    adapted = classifier(name, config)
    without_dropout(adapted.model)
    assert adapted.head_names == ("score.weight",)
    assert adapted.counts.head == 2 * 32
    assert {n for n, p in adapted.model.named_parameters() if p.requires_grad} == set(adapted.names)
    adapted.model.get_parameter("score.weight").requires_grad_(False)
    frozen = {n: p.clone() for n, p in adapted.model.named_parameters() if not p.requires_grad}
    optimiser = torch.optim.AdamW([p for p in adapted.model.parameters() if p.requires_grad], lr=2e-2)
    losses = []
    for _ in range(12):
        loss = adapted.model(**batch(), labels=LABELS).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1e-3
    assert all(torch.equal(adapted.model.get_parameter(n), tensor) for n, tensor in frozen.items())


@pytest.mark.parametrize("config", ALL, ids=name_of)
@pytest.mark.parametrize("name", DECODERS)
def test_neither_padding_side_nor_company_matters(name: str, config: MethodConfig) -> None:
    if (name, config.name) == ("llama", "bitfit"):
        pytest.skip("Llama has no biases")
    model = moved(classifier(name, config)).model
    right, left = (model(**inputs_of(TEXTS, side)).logits for side in ("right", "left"))
    alone = torch.cat([model(torch.tensor([text])).logits for text in TEXTS])
    assert torch.allclose(right, alone, atol=1e-5)
    assert torch.allclose(left, alone, atol=1e-5)
    assert not torch.allclose(alone[0], alone[1], atol=1e-3)  # the text is read at all


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("l_p", "l_i"), [(3, 2), (3, 0), (0, 2)])
@pytest.mark.parametrize("name", DECODERS)
def test_it_equals_the_plain_model_on_the_longer_text(name: str, l_p: int, l_i: int, side: str) -> None:
    plain, model = with_words(name, l_p, l_i, classify=True)
    longer = [[*PREFIX[:l_p], *text[:-1], *INFIX[:l_i], text[-1]] for text in TEXTS]
    expected = torch.cat([plain(torch.tensor([text])).logits for text in longer])
    assert torch.allclose(model(**padded(TEXTS, side)).logits, expected, atol=1e-6)
    assert not torch.allclose(plain(**padded(TEXTS)).logits, expected, atol=1e-4)
    assert not wants_prompt_lengths(model)  # the prompt is the whole text


@pytest.mark.parametrize("config", [c for c in prefix_methods() if hasattr(c, "l_i")], ids=name_of)
@pytest.mark.parametrize("name", DECODERS)
def test_the_infix_is_read(name: str, config: MethodConfig) -> None:
    """PreLayer's too, though a decoder never reads what stands behind the last token."""
    adapted = moved(classifier(name, config))
    adapted.model(**batch(), labels=LABELS).loss.backward()
    tokens: Any = virtual_tokens(adapted.model)
    assert tokens.infix.grad.abs().sum() > 0


def test_merging_changes_nothing() -> None:
    adapted = moved(classifier("gpt2", lora()))
    expected = adapted.model(**batch()).logits
    with merged(adapted.model):
        assert torch.allclose(adapted.model(**batch()).logits, expected, atol=1e-5)


@pytest.mark.parametrize("labels", [("yes", "no"), ()], ids=["classes", "score"])
def test_an_adapter_file_says_whether_it_classifies(labels: tuple[str, ...], tmp_path: Path) -> None:
    """A score has no labels, and neither has a text: the head tells them apart."""
    model = tiny_folder("gpt2", tmp_path / "gpt2")
    problem: Any = "classification" if labels else "regression"
    adapted = moved(adapt(load_backbone(model, max(1, len(labels)), problem=problem), lora(), seed=0))
    meta = AdapterMeta.of(RunConfig(model=model, method=lora()), adapted.backbone, "stsb", labels)
    save_adapter(tmp_path / "a.safetensors", adapted, meta)
    file = read_adapter(tmp_path / "a.safetensors")
    assert file.architecture == classifying(ARCHITECTURES["gpt2"])
    again, _ = load_adapter(tmp_path / "a.safetensors", model)
    assert type(again.model).__name__ == "GPT2ForSequenceClassification"
    assert torch.equal(again.model(**batch()).logits, adapted.model(**batch()).logits)
    writer = adapt(load_backbone(model, 0, problem="generation"), lora(), seed=0)
    with pytest.raises(CheckpointError, match=r"has unexpected score\.weight"):
        load_into(writer, tmp_path / "a.safetensors")

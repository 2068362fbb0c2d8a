"""Training memory: what shapes predict is what training steps measure, and GPT-3's arithmetic is the paper's."""

import dataclasses

import pytest
import torch

from lora_repro.analysis.conventions import CONVENTIONS, PAPER_FT, PAPER_LORA
from lora_repro.analysis.memory import saved_bytes
from lora_repro.analysis.probe import measured, prediction
from lora_repro.config import AdapterConfig, BitFitConfig, FTConfig, MethodConfig
from lora_repro.report.parts import method_config, model_config
from tests.tiny_backbones import lora, tiny_config

METHODS = [
    FTConfig("ft"), BitFitConfig("bitfit"), lora(), AdapterConfig("adapter_h", 4, "gelu", 0.01),
]  # fmt: skip


@pytest.mark.parametrize("name", ["gpt2", "bert", "roberta"])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_prediction_is_what_training_steps_take(name: str, method: MethodConfig) -> None:
    line = prediction(tiny_config(name), method, 3, 32)
    found = measured(line, tiny_config(name), method, 3, 32)
    assert found.measured is not None and found.predicted == line.predicted
    for part in ("weights", "gradients", "optimiser"):
        assert getattr(found.measured, part) == getattr(line.predicted, part)
    assert found.measured.activations == pytest.approx(line.predicted.activations, rel=0.05)
    assert found.checkpoint is not None and found.checkpoint > 4 * line.trainable
    assert found.peak is not None


def test_what_the_parts_are() -> None:
    line = prediction(tiny_config("bert"), lora(), 1, 4)
    trained, total = line.trainable, line.total
    assert (line.predicted.weights, line.predicted.gradients, line.predicted.optimiser) == (
        4 * total, 4 * trained, 8 * trained,
    )  # fmt: skip
    full = prediction(tiny_config("bert"), FTConfig("ft"), 1, 4)
    assert full.trainable == full.total and full.predicted.activations > line.predicted.activations
    longer = prediction(tiny_config("bert"), lora(), 4, 4).predicted.activations
    assert longer == pytest.approx(4 * line.predicted.activations, rel=0.05)


def test_a_saved_storage_counts_once_and_parameters_do_not() -> None:
    linear = torch.nn.Linear(8, 8, bias=False)
    x = torch.randn(5, 8)
    with saved_bytes(linear) as saved:
        y = linear(x)  # saves x, for the weight's gradient (the weight itself is a parameter)
        (y * y).sum()  # saves y, twice
    assert saved.total == 4 * (5 * 8 + 5 * 8)
    linear.requires_grad_(False)
    with saved_bytes(linear) as frozen:
        linear(x)
    assert frozen.total == 0


def test_gpt3_by_convention_stands_beside_the_papers_numbers() -> None:
    gpt3 = model_config("gpt3-175b")
    ft = prediction_counts(gpt3, FTConfig("ft"))
    small = prediction_counts(gpt3, method_config("lora", {"r": 4, "targets": ["W_q", "W_v"]}))
    assert (ft[0], small[1]) == (174_604_259_328, 18_874_368)
    by_name = {c.name: (c.bytes(*ft).total, c.bytes(small[0], small[1]).total) for c in CONVENTIONS}
    lean, fp16 = by_name[CONVENTIONS[0].name], by_name[CONVENTIONS[1].name]
    assert lean[0] < PAPER_FT < fp16[0]  # 1.05 TB and 1.40 TB
    assert lean[0] / lean[1] == pytest.approx(3.0, abs=0.01)  # "up to 2/3"
    assert lean[1] == pytest.approx(PAPER_LORA, rel=0.01)
    assert dataclasses.asdict(CONVENTIONS[0])["state"] == 4


def prediction_counts(model, method: MethodConfig) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    """(all parameters, trained ones) of a model on the meta device."""
    from lora_repro.analysis.variants import LABELS
    from lora_repro.methods.apply import adapt
    from lora_repro.models.architectures import architecture
    from lora_repro.models.load import Backbone, build_meta

    backbone = Backbone(build_meta(model, LABELS), None, architecture(model.architecture), model, "")
    counts = adapt(backbone, method, seed=0).counts
    return counts.total, counts.method + counts.head

"""The variants compute what they say, the merged model's operations are the base model's, and rounds are complete."""

import pytest
import torch

from lora_repro.analysis import latency
from lora_repro.analysis.results import PASS
from lora_repro.analysis.variants import random_backbone, twin, variants
from lora_repro.config import AdapterConfig
from lora_repro.errors import ConfigError
from tests.tiny_backbones import lora, tiny_config

ADAPTERS = [AdapterConfig("adapter_l", 3, "relu", 0.02), AdapterConfig("adapter_h", 2, "gelu", 0.01)]


def built(name: str, dtype: torch.dtype = torch.float32):  # type: ignore[no-untyped-def]
    return {v.name: v for v in variants(random_backbone(tiny_config(name)), lora(), ADAPTERS, dtype)}


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_merged_models_run_the_base_models_operations_and_no_other_variant_does(name: str) -> None:
    by_name = built(name)
    ids = torch.arange(12).reshape(2, 6)
    counts = {variant: latency.operations(by_name[variant].model, ids) for variant in by_name}
    assert sum(counts["base"].values()) > 50
    assert counts["lora_merged"] == counts["base"]
    assert all(
        sum(counts[other].values()) > sum(counts["base"].values())
        for other in ("lora_unmerged", "adapter_l", "adapter_h")
    )


def test_variants_share_the_backbone_and_compute_different_things() -> None:
    by_name = built("gpt2")
    ids = torch.arange(10)[None]
    with torch.no_grad():
        logits = {name: variant.model(input_ids=ids).logits for name, variant in by_name.items()}
    assert torch.allclose(logits["lora_merged"], logits["lora_unmerged"], atol=1e-5)
    for other in ("lora_merged", "adapter_l", "adapter_h"):
        assert not torch.allclose(logits[other], logits["base"], atol=1e-5)
    table = [variant.model.get_parameter("transformer.wte.weight") for variant in by_name.values()]
    assert len({tensor.data_ptr() for tensor in table}) == 1
    assert by_name["lora_merged"].parameters == 0 < by_name["lora_unmerged"].parameters
    half = built("gpt2", torch.bfloat16)
    assert {p.dtype for variant in half.values() for p in variant.model.parameters()} == {torch.bfloat16}


def test_a_twin_is_the_same_function_and_other_modules() -> None:
    backbone = random_backbone(tiny_config("bert"))
    other = twin(backbone)
    assert other.model is not backbone.model
    assert all(a is b for a, b in zip(backbone.model.parameters(), other.model.parameters(), strict=True))
    with pytest.raises(ConfigError, match="one of them twice"):
        variants(backbone, lora(), [ADAPTERS[0], ADAPTERS[0]])


def test_a_cell_has_every_variant_in_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = built("gpt2")
    order: list[torch.nn.Module] = []
    real = latency.timed_pass
    monkeypatch.setattr(latency, "timed_pass", lambda model, ids: order.append(model) or real(model, ids))
    cell = latency.measure(list(by_name.values()), "tiny", 60, 2, 7, trials=5, warmup=1)
    assert [(t.variant, t.r, len(t.seconds)) for t in cell.timings] == [
        ("base", 0, 5), ("lora_merged", 4, 5), ("lora_unmerged", 4, 5), ("adapter_l", 3, 5), ("adapter_h", 2, 5),
    ]  # fmt: skip
    rounds = [order[start : start + 5] for start in range(0, 25, 5)]
    assert all({id(m) for m in one} == {id(v.model) for v in by_name.values()} for one in rounds)
    assert len({tuple(map(id, one)) for one in rounds}) > 1  # not always the same order
    assert cell.same_operations and cell.operations["base"] == cell.operations["lora_merged 4"]
    assert all(second > 0 for timing in cell.timings for second in timing.seconds)
    assert cell.timings[3].parameters == 2 * (2 * 32 * 3 + 3 + 32) + 2 * 2 * 32


def test_a_budget_cuts_the_rounds_but_never_below_the_minimum() -> None:
    cell = latency.measure(list(built("gpt2").values()), "tiny", 60, 1, 4, trials=50, warmup=0, seconds=0.0)
    assert {len(timing.seconds) for timing in cell.timings} == {latency.MIN_ROUNDS[PASS]} == {3}

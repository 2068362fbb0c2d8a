"""The small GPT-2 that comes with the suite learns to write: its recipes, from configuration to scored texts."""

from pathlib import Path

import pytest

from lora_repro.compose import compose_run
from lora_repro.run import run
from tests.end_to_end.text_backbones import write_e2e

pytestmark = pytest.mark.usefixtures("no_java")


@pytest.fixture(scope="module")
def toy_e2e(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_e2e(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize(("method", "bleu"), [("ft", 0.9), ("lora", 0.8)])
def test_it_learns_what_to_say_of_three_facts(method: str, bleu: float, toy_e2e: Path, tmp_path: Path) -> None:
    """96 pairs in 48 steps."""
    settings = {
        "model": "gpt2-mini", "method": method, "task": "e2e", "recipe": "mini", "recipe.epochs": 4, "recipe.beams": 1,
        "recipe.max_new_tokens": 24, "recipe.max_length": 64, "data.dir": toy_e2e, "data.sources": "[local]",
        "data.cache": tmp_path / "cache", "precision": "fp32", "records": tmp_path / "records",
        "runs": tmp_path / "runs",
    }  # fmt: skip
    record = run(compose_run([f"{key}={value}" for key, value in settings.items()]))
    losses = [epoch.eval_loss for epoch in record.epochs]
    assert losses == sorted(losses, reverse=True)
    assert record.last.metrics["BLEU"] > bleu

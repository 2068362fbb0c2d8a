"""GLUE on decoders from configuration to record: tiny GPT-2 and Llama backbones on a task in RTE's layout."""

from pathlib import Path

import pytest

from lora_repro import records
from lora_repro.compose import compose_run
from lora_repro.errors import ConfigError
from lora_repro.run import run, run_folder
from tests.end_to_end.conftest import WORDS, overrides
from tests.end_to_end.text_backbones import write_decoder

MODELS = {"gpt2": "gpt2", "llama": "smollm2-135m"}
BY_HAND = ("recipe=custom", "recipe.lr=1e-2", "recipe.weight_decay=0", "recipe.warmup_ratio=0.1")


@pytest.fixture(scope="module")
def decoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """They know the words of the toy task and of the plain form's frame."""
    folder = tmp_path_factory.mktemp("decoders")
    frame = ("sentence1:", "sentence2:", "answer:")
    return {name: write_decoder(name, folder / name, words=(*frame, *WORDS)) for name in MODELS}


@pytest.mark.parametrize(
    ("backbone", "method", "epochs", "accuracy"),
    [("gpt2", "lora", 6, 0.7), ("gpt2", "pre_layer", 2, 0.0), ("llama", "adapter_h", 2, 0.0)],
)
def test_a_run_trains_and_leaves_a_record(
    backbone: str, method: str, epochs: int, accuracy: float, decoders: dict[str, Path], toy_rte: Path, tmp_path: Path
) -> None:
    """LoRA learns the task; the others are on their way."""
    length = ("recipe.max_length=40", f"recipe.epochs={epochs}")
    more = (f"model={MODELS[backbone]}", f"method={method}", *BY_HAND, *length)
    config = compose_run(overrides(decoders[backbone], toy_rte, tmp_path, *more))
    record = run(config)
    assert record == records.load(records.record_path(config))
    assert (record.headline_metric, record.parameters.head) == ("accuracy", 2 * 32)
    assert record.last.train_loss < record.epochs[0].train_loss
    assert record.best.headline is not None and record.best.headline > accuracy
    assert {"best.safetensors", "last.safetensors"} <= {file.name for file in run_folder(config).iterdir()}


def test_a_dropout_that_the_head_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"recipe\.classifier_dropout=0\.1: the head of model=gpt2, a decoder, has no"
    ):
        compose_run(overrides(tmp_path, tmp_path, tmp_path, "model=gpt2", *BY_HAND, "recipe.classifier_dropout=0.1"))

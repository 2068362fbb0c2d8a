"""One run from configuration to record, for every method; a finished run is not run again."""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, RobertaConfig, RobertaForMaskedLM

import lora_repro
from lora_repro import records
from lora_repro.compose import compose_run
from lora_repro.errors import DataError
from lora_repro.methods.checkpoint import load_adapter
from lora_repro.overrides import METHODS
from lora_repro.run import run
from tests.end_to_end.conftest import overrides

VIRTUAL = ("pre_embed", "pre_layer", "prefix_kv")  # virtual tokens alone only move attention: they learn more slowly


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_and_leaves_a_record(method: str, toy_rte: Path, tmp_path: Path) -> None:
    """On the pre-trained backbone that comes with the suite, as its recipe has it."""
    epochs = 3 if "pre" in method else 2
    chosen = ("model=roberta-mini", "model.path=package://minis/roberta-mini", f"method={method}", "precision=fp32")
    config = compose_run(overrides(tmp_path, toy_rte, tmp_path, *chosen, f"recipe.epochs={epochs}"))
    record = run(config)
    assert record == records.load(records.record_path(config))
    assert record.epochs[-1].train_loss < (0.95 if method in VIRTUAL else 0.85) * record.epochs[0].train_loss
    assert record.best.headline > (0.65 if method in VIRTUAL else 0.75) > record.baseline
    assert record.baseline == 0.5
    assert record.best.headline == max(epoch.headline for epoch in record.epochs)
    assert record.last == record.epochs[-1]
    assert len(record.epochs) == epochs
    assert record.epochs[-1].step == epochs * 12
    assert record.splits["train"].examples == 192
    assert record.cost.tokens_per_second > 0
    assert record.parameters.head == 256 * 256 + 256 + 2 * 256 + 2
    folder = Path(config.runs) / records.place(config)
    assert sorted(path.name for path in folder.iterdir()) == ["best.safetensors", "last.safetensors", "lock"]
    adapted, meta = load_adapter(folder / "best.safetensors", config.model)
    assert meta.method["name"] == method
    assert adapted.counts.method == record.parameters.method


def test_without_pre_training_it_learns_less(toy_rte: Path, tmp_path: Path) -> None:
    """The same architecture, vocabulary and recipe with random weights: what the pre-training brings."""
    mini = Path(lora_repro.__file__).parent / "minis" / "roberta-mini"
    torch.manual_seed(0)
    RobertaForMaskedLM(RobertaConfig.from_pretrained(mini)).save_pretrained(tmp_path / "random")
    AutoTokenizer.from_pretrained(mini).save_pretrained(tmp_path / "random")
    losses = {}
    for start, path in {"pre-trained": "package://minis/roberta-mini", "random": str(tmp_path / "random")}.items():
        items = overrides(
            tmp_path, toy_rte, tmp_path / start, "model=roberta-mini", f"model.path={path}", "precision=fp32"
        )
        losses[start] = run(compose_run(items)).last.eval_loss
    assert losses["pre-trained"] < 0.7 * losses["random"], losses


def test_a_record_names_no_path_of_the_machine(tiny_bert: Path, toy_rte: Path, tmp_path: Path) -> None:
    config = compose_run(overrides(tiny_bert, toy_rte, tmp_path))
    run(config, overrides(tiny_bert, toy_rte, tmp_path))
    text = records.record_path(config).read_text()
    for path in (tmp_path, tiny_bert, toy_rte, Path.home()):
        assert str(path) not in text
    assert '"lora-repro run model=minilm-l6 method=lora task=rte recipe=mini seed=0 recipe.epochs=2' in text


def test_a_finished_run_is_not_run_again(tiny_bert: Path, toy_rte: Path, tmp_path: Path) -> None:
    config = compose_run(overrides(tiny_bert, toy_rte, tmp_path))
    first = run(config)
    written = records.record_path(config).stat().st_mtime_ns
    config.data.dir = "/does/not/exist"  # would fail if anything were started
    assert run(config) == first
    assert records.record_path(config).stat().st_mtime_ns == written


def test_the_best_adapter_loads_and_repeats_the_recorded_score(tiny_bert: Path, toy_rte: Path, tmp_path: Path) -> None:
    from lora_repro.metrics import glue_scores
    from lora_repro.tasks.encode import encode
    from lora_repro.tasks.glue import GLUE
    from lora_repro.tasks.load import load_split
    from lora_repro.training.distributed import World
    from lora_repro.training.evaluate import predict
    from lora_repro.training.problem import SequenceClassification

    more = ("recipe.lr=1e-2", "recipe.epochs=4")
    config = compose_run(overrides(tiny_bert, toy_rte, tmp_path, *more))
    record = run(config)
    adapted, meta = load_adapter(Path(config.runs) / records.place(config) / "best.safetensors", config.model)
    assert meta.task == "rte"
    data = encode(load_split(GLUE["rte"], "validation", config.data), adapted.backbone.tokenizer, 32)
    problem = SequenceClassification(regression=False, max_length=32, pad_token_id=0)
    predictions, loss = predict(adapted.model, problem, data, "fp32", World())
    assert glue_scores(GLUE["rte"], predictions, data.labels)["accuracy"] == record.best.headline
    assert loss == pytest.approx(record.best.eval_loss, rel=1e-5)


def test_accumulation_gives_the_same_run(tiny_bert_without_dropout: Path, toy_rte: Path, tmp_path: Path) -> None:
    def losses(out: Path, *more: str) -> list[float]:
        record = run(compose_run(overrides(tiny_bert_without_dropout, toy_rte, out, *more)))
        return [epoch.train_loss for epoch in record.epochs] + [epoch.eval_loss for epoch in record.epochs]

    whole = losses(tmp_path / "whole")
    assert losses(tmp_path / "parts", "recipe.grad_accumulation=4") == pytest.approx(whole, rel=1e-4)


def test_padding_to_the_maximum_changes_work_but_not_evaluation(
    tiny_bert_without_dropout: Path, toy_rte: Path, tmp_path: Path
) -> None:
    def evaluated(out: Path, *more: str) -> float:
        fixed = ("recipe.lr=1e-9", "recipe.epochs=1", *more)
        return run(compose_run(overrides(tiny_bert_without_dropout, toy_rte, out, *fixed))).last.eval_loss

    dynamic = evaluated(tmp_path / "dynamic")
    assert evaluated(tmp_path / "padded", "recipe.pad_to_max_length=true") == pytest.approx(dynamic, rel=1e-5)


def test_bf16_computes_in_bf16_and_trains_in_fp32(tiny_bert: Path, toy_rte: Path, tmp_path: Path) -> None:
    config = compose_run(overrides(tiny_bert, toy_rte, tmp_path, "precision=bf16", "recipe.lr=1e-2", "recipe.epochs=6"))
    record = run(config)
    assert record.environment.precision == "bf16"
    assert record.best.headline > 0.85
    from safetensors.torch import load_file

    state = load_file(Path(config.runs) / records.place(config) / "best.safetensors")
    assert {str(tensor.dtype) for tensor in state.values()} == {"torch.float32"}


def test_a_failed_run_leaves_its_traceback_and_is_tried_again(tiny_bert: Path, toy_rte: Path, tmp_path: Path) -> None:
    broken = tmp_path / "data" / "RTE"
    broken.mkdir(parents=True)
    (broken / "train.tsv").write_text("index\tsentence1\tsentence2\tlabel\n0\ta\tb\tmaybe\n")
    config = compose_run(overrides(tiny_bert, broken.parent, tmp_path))
    with pytest.raises(DataError, match=r"train\.tsv.*2.*maybe"):
        run(config)
    failure = Path(config.runs) / records.place(config) / "failed.txt"
    assert "maybe" in failure.read_text()
    config.data.dir = str(toy_rte)
    assert run(config).splits["train"].examples == 192
    assert not failure.exists()

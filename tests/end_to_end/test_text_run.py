"""Data-to-text from configuration to record: tiny GPT-2 and Llama backbones on tasks in the official layouts."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lora_repro import decode, kinds, records, rescore
from lora_repro.compose import compose_run
from lora_repro.decoding import write
from lora_repro.errors import CheckpointError, ConfigError, DataError, Interrupted
from lora_repro.metrics.text import java
from lora_repro.metrics.text.score import score_texts
from lora_repro.run import run, run_folder
from lora_repro.tasks import e2e
from lora_repro.training import kept_states
from lora_repro.training.evaluate import Evaluation
from tests.end_to_end.conftest import environment
from tests.end_to_end.text_backbones import text_overrides, write_decoder, write_e2e

MODELS = {"gpt2": "gpt2", "llama": "smollm2-135m"}


pytestmark = pytest.mark.usefixtures("no_java")


@pytest.fixture(scope="session")
def decoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("decoders")
    return {name: write_decoder(name, folder / name) for name in MODELS}


@pytest.fixture(scope="session")
def toy_e2e(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_e2e(tmp_path_factory.mktemp("data"))


class Counted:
    """Wraps a function and counts its calls; fails at call `fails_at`."""

    def __init__(self, function: Any, fails_at: int | None = None):
        self.function, self.fails_at, self.calls = function, fails_at, 0

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        self.calls += 1
        if self.calls == self.fails_at:
            raise RuntimeError("killed")
        return self.function(*arguments, **settings)


@pytest.mark.parametrize(
    ("backbone", "method", "rate"),
    [
        ("gpt2", "lora", "1e-2"),
        ("gpt2", "pre_layer", "3e-2"),
        ("llama", "adapter_h", "1e-2"),
        ("llama", "prefix_kv", "5e-2"),
    ],
)
def test_a_run_trains_decodes_scores_and_leaves_a_record(
    backbone: str, method: str, rate: str, decoders: dict[str, Path], toy_e2e: Path, tmp_path: Path
) -> None:
    chosen = (f"model={MODELS[backbone]}", f"method={method}", f"recipe.lr={rate}", "recipe.epochs=3")
    config = compose_run(text_overrides(decoders[backbone], toy_e2e, tmp_path, *chosen))
    record = run(config)
    path = records.record_path(config)
    assert record == records.load(path)
    assert [epoch.headline for epoch in record.epochs[:-1]] == [None, None]
    assert record.epochs[-1].eval_loss < record.epochs[0].eval_loss
    assert record.best == record.last == record.epochs[-1]
    assert (record.headline_metric, record.baseline) == ("BLEU", 0.0)
    assert record.cost.seconds_per_step == record.cost.train_seconds / 18
    (decoding,) = record.decodings
    assert (decoding.checkpoint, decoding.epoch, decoding.references) == ("last", 3, 18)
    assert decoding.tokens_per_second == decoding.tokens / decoding.seconds
    texts = gzip.decompress(records.outputs_path(path, "last").read_bytes()).decode().splitlines()
    assert texts == (run_folder(config) / "last.outputs.txt").read_text().splitlines()
    examples = e2e.read(toy_e2e / "e2e" / "test.txt")
    assert len(texts) == decoding.inputs == len(examples.inputs) < 12 < len(examples)
    scores = score_texts(texts, examples.references, protocol="e2e", allow_empty=True)
    assert decoding.scores == {"all": scores}
    assert scores["METEOR"] == "java not found"
    assert record.last.metrics == {name: scores[name] for name in ("BLEU", "NIST")}  # type: ignore[literal-required]
    assert record.last.headline == scores["BLEU"]
    left = {"best.safetensors", "last.safetensors", "last.outputs.txt", "last.outputs.0.jsonl", "lock"}
    assert {file.name for file in run_folder(config).iterdir()} == left


def test_kept_states_survive_an_interruption(
    decoders: dict[str, Path], toy_e2e: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AdapterDrop's lower block is computed once; stopped in the second epoch, the run ends with the same numbers."""
    items = ("method=adapter_d", "method.dropped=1", "recipe.epochs=3", "recipe.lr=1e-2")
    computed = Counted(kept_states._compute)
    monkeypatch.setattr(kept_states, "_compute", computed)
    whole = run(compose_run(text_overrides(decoders["gpt2"], toy_e2e, tmp_path / "whole", *items)))
    assert computed.calls == 1
    config = compose_run(text_overrides(decoders["gpt2"], toy_e2e, tmp_path / "stopped", *items))
    asked = Counted(lambda: asked.calls > 9)  # of six steps an epoch: in the middle of the second

    @contextmanager
    def stop() -> Iterator[Counted]:
        yield asked

    with monkeypatch.context() as patch:
        patch.setattr("lora_repro.run._stop_on_signal", stop)
        with pytest.raises(Interrupted, match="stopped at step 9 of 18"):
            run(config)
    record = run(config)
    assert computed.calls == 3
    assert [(e.train_loss, e.eval_loss) for e in record.epochs] == [(e.train_loss, e.eval_loss) for e in whole.epochs]
    assert record.decodings[0].outputs_sha256 == whole.decodings[0].outputs_sha256


def test_a_decoding_that_was_killed_goes_on_and_training_is_not_repeated(
    decoders: dict[str, Path], toy_e2e: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "ROWS", 6)  # of three beams: batches of two inputs
    arguments = text_overrides(decoders["gpt2"], toy_e2e, tmp_path)
    whole = run(compose_run([*arguments[:-2], f"records={tmp_path}/r", f"runs={tmp_path}/w"]))
    search, loss = Counted(write.beam_search, fails_at=3), Counted(kinds.data_to_text.CompletionModelling.loss)
    monkeypatch.setattr(write, "beam_search", search)
    config = compose_run(arguments)
    with pytest.raises(RuntimeError, match="killed"):
        run(config)
    monkeypatch.setattr(kinds.data_to_text.CompletionModelling, "loss", loss)
    record = run(config)
    batches = -(-record.decodings[0].inputs // 2)
    assert search.calls == batches + 1  # two done, one killed, the rest
    assert loss.calls == 0
    assert record.decodings[0].outputs_sha256 == whole.decodings[0].outputs_sha256
    assert record.epochs[0].train_loss == whole.epochs[0].train_loss


def test_the_best_checkpoint_by_validation_loss_is_decoded_where_asked(
    decoders: dict[str, Path], toy_e2e: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([2.0, 1.0, 3.0])
    monkeypatch.setattr(kinds.data_to_text, "validate", lambda *_: Evaluation({}, None, next(losses), collapsed=False))
    more = ("recipe.epochs=3", "recipe.decode=best", "task.eval_examples=4")
    record = run(compose_run(text_overrides(decoders["gpt2"], toy_e2e, tmp_path, *more)))
    assert [(d.checkpoint, d.epoch, d.inputs) for d in record.decodings] == [("last", 3, 4), ("best", 2, 4)]
    assert (record.best, record.last) == (record.epochs[1], record.epochs[2])
    assert record.epochs[0].headline is None
    assert record.best.metrics["BLEU"] == record.decodings[1].scores["all"]["BLEU"]


def test_runs_of_one_process_encode_once_and_accumulation_changes_nothing(
    decoders: dict[str, Path], toy_e2e: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = Counted(kinds.data_to_text.encode_pairs)
    monkeypatch.setattr(kinds.data_to_text, "encode_pairs", encode)
    kinds.data_to_text._encoded.clear()
    whole, parts = (
        run(compose_run(text_overrides(decoders["gpt2"], toy_e2e, tmp_path, "recipe.label_smoothing=0.1", *more)))
        for more in ((), ("recipe.grad_accumulation=4",))
    )
    assert encode.calls == 2  # training and validation pairs
    for ours, theirs in zip(parts.epochs, whole.epochs, strict=True):
        assert (ours.train_loss, ours.eval_loss) == pytest.approx((theirs.train_loss, theirs.eval_loss), rel=1e-4)


def test_two_processes_equal_one(decoders: dict[str, Path], toy_e2e: Path, tmp_path: Path) -> None:
    arguments = text_overrides(decoders["gpt2"], toy_e2e, tmp_path / "two", "recipe.epochs=1")
    reference = run(compose_run(text_overrides(decoders["gpt2"], toy_e2e, tmp_path / "one", "recipe.epochs=1")))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", "-m"]
    done = subprocess.run(
        [*command, "lora_repro.run", *arguments],
        env=environment(PATH="/nonexistent"),  # no java there either
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    record = records.load(records.record_path(compose_run(arguments)))
    assert record.environment.processes == 2
    assert record.last.train_loss == pytest.approx(reference.last.train_loss, rel=1e-4)
    assert record.last.eval_loss == pytest.approx(reference.last.eval_loss, rel=1e-4)
    assert record.decodings[0].outputs_sha256 == reference.decodings[0].outputs_sha256


def test_webnlg_is_scored_by_seen_and_unseen_categories(decoders: dict[str, Path], tmp_path: Path) -> None:
    lines = (write_e2e(tmp_path / "lines") / "e2e" / "train.txt").read_text().splitlines()[:24]
    (tmp_path / "data" / "webnlg").mkdir(parents=True)
    for split in ("train", "dev", "test"):
        entries = []
        for number, line in enumerate(lines, start=1):
            who, text = line.split("||")
            triple = {"subject": who.split()[2], "property": "food", "object": f"{who.split()[-1]}"}
            good = [{"comment": "good", "lex": text.strip()}]
            entry = {"category": "Food" if number % 2 else "Artist", "modifiedtripleset": [triple]}
            entries.append({str(number): {**entry, "lexicalisations": good}})
        (tmp_path / "data" / "webnlg" / f"{split}.json").write_text(json.dumps({"entries": entries}))
    more = ("task=webnlg", "recipe.epochs=1", "recipe.beams=1")
    record = run(compose_run(text_overrides(decoders["gpt2"], tmp_path / "data", tmp_path, *more)))
    (decoding,) = record.decodings
    assert set(decoding.scores) == {"seen", "unseen", "all"}
    assert set(record.last.metrics) == {f"{g}{m}" for g in ("", "seen/", "unseen/") for m in ("BLEU", "TER")}
    assert record.last.headline == decoding.scores["all"]["BLEU"]


def test_a_model_that_cannot_write_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="task=e2e needs a decoder, but model=roberta-base is an encoder"):
        compose_run(text_overrides(tmp_path, tmp_path, tmp_path, "model=roberta-base"))


@pytest.fixture(scope="module")
def trained(
    decoders: dict[str, Path], toy_e2e: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, records.Record]:
    config = compose_run(text_overrides(decoders["gpt2"], toy_e2e, tmp_path_factory.mktemp("trained")))
    return run_folder(config), run(config)


def test_texts_are_scored_anew_into_the_record(
    trained: tuple[Path, records.Record], toy_e2e: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, record = trained
    path = Path(str(folder).replace("/runs/", "/records/") + ".json")
    copy = tmp_path / path.name
    for file in (path, records.outputs_path(path, "last")):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(java, "missing", lambda: "pycocoevalcap not found")
    assert rescore.main([str(copy), "--data", str(toy_e2e)]) == 0
    new = records.load(copy)
    assert new.decodings[0].scores["all"]["METEOR"] == "pycocoevalcap not found"
    assert (new.epochs, new.best, new.last) == (record.epochs, record.best, record.last)
    texts = records.outputs_path(copy, "last")
    texts.write_bytes(gzip.compress(gzip.decompress(texts.read_bytes()) + b"more\n"))
    with pytest.raises(DataError, match="not the texts of which the record tells"):
        rescore.main([str(copy), "--data", str(toy_e2e)])
    other = write_e2e(tmp_path / "other", others=9)
    with pytest.raises(DataError, match="its texts were written for test data"):
        rescore.main([str(copy), "--data", str(other)])


SEARCH = ["--beams", "3", "--length-penalty", "1", "--max-new-tokens", "12", "--max-length", "40"]


def test_decoding_again_gives_the_same_texts(
    trained: tuple[Path, records.Record],
    decoders: dict[str, Path],
    toy_e2e: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, record = trained
    out = tmp_path / "again.txt"
    place = ["--model-path", str(decoders["gpt2"]), "--data", str(toy_e2e), "--out", str(out), "--precision", "fp32"]
    assert decode.main([str(folder / "last.safetensors"), *place, *SEARCH]) == 0
    assert out.read_bytes() == (folder / "last.outputs.txt").read_bytes()
    printed = capsys.readouterr().out
    assert f"{record.last.headline:.4f}" in printed and "METEOR: java not found" in printed


def test_decoding_without_the_backbone_is_refused(
    trained: tuple[Path, records.Record],
    decoders: dict[str, Path],
    toy_e2e: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adapter = str(trained[0] / "last.safetensors")
    data = ["--data", str(toy_e2e)]
    monkeypatch.setattr("lora_repro.models.locate.hub_reachable", lambda: False)
    monkeypatch.setattr("lora_repro.models.locate._from_cache", lambda *_: None)
    with pytest.raises(CheckpointError, match=r"holds what method lora trained and nothing else.*gpt2.*--model-path"):
        decode.main([adapter, *data])
    other = write_decoder("gpt2", tmp_path / "other")
    from safetensors.torch import load_file, save_file

    weights = load_file(other / "model.safetensors")
    save_file({name: tensor + 0.1 for name, tensor in weights.items()}, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="load the backbone that it was trained on"):
        decode.main([adapter, *data, "--model-path", str(other)])
    with pytest.raises(CheckpointError, match="is for gpt2"):
        decode.main([adapter, *data, "--model", str(decoders["llama"])])

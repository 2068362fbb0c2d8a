"""Adapter checkpoints: the whole model back from one file, and a clear answer to every file that does not fit."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lora_repro.config import BitFitConfig, FTConfig, MethodConfig, ModelConfig, RunConfig
from lora_repro.errors import CheckpointError
from lora_repro.methods import checkpoint
from lora_repro.methods.apply import Adapted, adapt
from lora_repro.methods.checkpoint import (
    AdapterMeta,
    initialise_from,
    load_adapter,
    load_into,
    read_adapter,
    save_adapter,
)
from lora_repro.methods.exchange.files import write_tensors
from lora_repro.methods.merging import merge
from lora_repro.models.load import load_backbone
from tests.tiny_backbones import batch, every_method, lora, tiny, tiny_folder

LABELS = ("entailment", "neutral", "contradiction")


def trained(name: str, config: MethodConfig, num_labels: int = 3, seed: int = 0) -> Adapted:
    """An adapted backbone whose trained tensors are all different from their start."""
    adapted = adapt(tiny(name, num_labels), config, seed=seed)
    stream = torch.Generator().manual_seed(seed + 50)
    with torch.no_grad():
        for parameter in adapted.names:
            tensor = adapted.model.get_parameter(parameter)
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=stream))
    return adapted


def meta_of(adapted: Adapted, task: str = "mnli", labels: tuple[str, ...] = LABELS) -> AdapterMeta:
    run = RunConfig(model=adapted.backbone.config, method=adapted.config)
    return AdapterMeta.of(run, adapted.backbone, task, labels)


@pytest.fixture
def mnli(tmp_path: Path) -> Path:
    """A LoRA adapter of tiny-roberta with a head of three labels."""
    adapted = trained("roberta", lora(dropout=0.1))
    save_adapter(tmp_path / "mnli.safetensors", adapted, meta_of(adapted))
    return tmp_path / "mnli.safetensors"


def rewritten(path: Path, **changes: object) -> Path:
    """The same file with other fields in its description."""
    with safe_open(path, framework="pt") as stream:
        fields = json.loads(stream.metadata()["lora_repro"])
    save_file(load_file(path), path, metadata={"lora_repro": json.dumps(fields | changes)})
    return path


def test_the_other_users_of_a_cluster_may_read_an_adapter(mnli: Path, tmp_path: Path) -> None:
    write_tensors(tmp_path / "exported.safetensors", load_file(mnli), {})
    for path in (mnli, tmp_path / "exported.safetensors"):
        assert oct(path.stat().st_mode & 0o777) == "0o644"


@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v2", "gpt2"])
@pytest.mark.parametrize("config", every_method(), ids=lambda config: config.name)
def test_round_trip(name: str, config: MethodConfig, tmp_path: Path) -> None:
    first = trained(name, config)
    save_adapter(tmp_path / "a.safetensors", first, meta_of(first))
    second = adapt(tiny(name, 3), config, seed=9)
    assert not torch.equal(first.model(**batch()).logits, second.model(**batch()).logits)
    meta = load_into(second, tmp_path / "a.safetensors")
    assert torch.equal(first.model(**batch()).logits, second.model(**batch()).logits)
    assert meta == meta_of(first)
    assert type(meta.method_config()) is type(config)
    assert meta.method_config() == config
    assert set(load_file(tmp_path / "a.safetensors")) == set(first.names)  # the adapter alone


def test_the_file_is_all_that_is_needed_beside_the_backbone(tmp_path: Path) -> None:
    config = tiny_folder("roberta", tmp_path / "backbone")
    backbone = load_backbone(config, 3, seed=4)
    adapted = adapt(backbone, lora(ranks={"W_v": 2}, dropout=0.2), seed=4)
    with torch.no_grad():
        for name in adapted.method_names:
            adapted.model.get_parameter(name).normal_()
    save_adapter(tmp_path / "a.safetensors", adapted, meta_of(adapted))
    restored, meta = load_adapter(tmp_path / "a.safetensors", config)
    assert torch.equal(restored.model(**batch()).logits, adapted.model(**batch()).logits)
    assert (meta.task, meta.labels, meta.fingerprint) == ("mnli", LABELS, backbone.fingerprint)
    assert restored.config == adapted.config


def test_the_description_holds_what_it_should_and_no_path(tmp_path: Path) -> None:
    config = tiny_folder("bert", tmp_path / "backbone")
    config.hub_id, config.revision = "somebody/something", "a" * 40
    adapted = adapt(load_backbone(config, 3), lora(), seed=0)
    save_adapter(tmp_path / "a.safetensors", adapted, meta_of(adapted))
    with safe_open(tmp_path / "a.safetensors", framework="pt") as stream:
        text = stream.metadata()["lora_repro"]
    assert str(tmp_path) not in text
    assert json.loads(text) == {
        "architecture": "bert",
        "backbone": "tiny-bert",
        "fingerprint": adapted.backbone.fingerprint,
        "format": 1,
        "hub_id": "somebody/something",
        "labels": list(LABELS),
        "method": asdict(lora()),
        "revision": "a" * 40,
        "task": "mnli",
    }


def test_saving_is_atomic(mnli: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = mnli.read_bytes()
    other = trained("roberta", lora(), seed=1)

    def breaks(_state: object, path: Path, metadata: object) -> None:
        Path(path).write_bytes(b"half a file")
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint, "save_file", breaks)
    with pytest.raises(OSError, match="no space left"):
        save_adapter(mnli, other, meta_of(other))
    assert mnli.read_bytes() == before
    assert [path.name for path in mnli.parent.iterdir()] == ["mnli.safetensors"]


def test_saving_puts_a_new_file_in_the_place_of_the_old(mnli: Path) -> None:
    """Who reads the old file while the new one is written goes on reading the old one."""
    other, before = trained("roberta", lora(), seed=1), mnli.read_bytes()
    with mnli.open("rb") as reader:
        save_adapter(mnli, other, meta_of(other))
        assert reader.read() == before
    assert mnli.read_bytes() != before


def test_a_merged_model_is_not_saved_as_an_adapter(tmp_path: Path) -> None:
    adapted = trained("roberta", lora())
    meta = meta_of(adapted)
    merge(adapted.model)
    with pytest.raises(CheckpointError, match="unmerge it first"):
        save_adapter(tmp_path / "a.safetensors", adapted, meta)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (lora(r=8), r"has method\.r=4, this run has 8; set method\.r=4"),
        (lora(alpha=16), r"has method\.alpha=8, this run has 16; set method\.alpha=8"),
        (lora(ranks={"W_v": 2}), r"has method\.ranks={}, this run has {'W_v': 2}"),
        (lora(targets=["W_q"]), r"has method\.targets=\['W_q', 'W_v'\], this run has \['W_q'\]"),
        (BitFitConfig(name="bitfit"), "trained with method lora, this run uses bitfit; choose method=lora"),
        (FTConfig(name="ft"), "trained with method lora, this run uses ft"),
    ],
)
def test_another_method_or_setting_is_refused(mnli: Path, config: MethodConfig, words: str) -> None:
    adapted = trained("roberta", config)
    before = {n: p.clone() for n, p in adapted.model.named_parameters()}
    for load in (load_into, initialise_from):
        with pytest.raises(CheckpointError, match=words):
            load(adapted, mnli)
    assert all(torch.equal(before[n], p) for n, p in adapted.model.named_parameters())


@pytest.mark.parametrize("config", [lora(dropout=0.5), lora(init="gaussian"), lora(targets=["W_v", "W_q"])])
def test_settings_that_do_not_change_the_function_are_free(mnli: Path, config: MethodConfig) -> None:
    adapted = adapt(tiny("roberta", 3), config, seed=5)
    load_into(adapted, mnli)
    assert torch.equal(adapted.model(**batch()).logits, trained("roberta", lora(dropout=0.1)).model(**batch()).logits)


def test_another_architecture_is_refused(mnli: Path) -> None:
    with pytest.raises(CheckpointError, match=r"for tiny-roberta \(roberta\), this run uses tiny-bert \(bert\)"):
        load_into(trained("bert", lora()), mnli)
    with pytest.raises(CheckpointError, match=r"is for tiny-roberta \(roberta\), not bert"):
        load_adapter(mnli, ModelConfig(name="b", architecture="bert"))


def test_other_backbone_weights_are_refused_unless_asked_for(mnli: Path) -> None:
    adapted = adapt(tiny("roberta", 3, seed=1), lora(), seed=0)
    with pytest.raises(CheckpointError, match=r"with weights random-0, this run's tiny-roberta has random-1"):
        load_into(adapted, mnli)
    load_into(adapted, mnli, any_backbone=True)
    name = adapted.method_names[0]
    assert torch.equal(adapted.model.get_parameter(name), load_file(mnli)[name])


def test_a_head_of_another_size_is_refused_with_both_numbers_and_the_fix(mnli: Path) -> None:
    adapted = trained("roberta", lora(), num_labels=2)
    before = {n: p.clone() for n, p in adapted.model.named_parameters()}
    with pytest.raises(
        CheckpointError, match=r"head of 3 outputs.*task mnli.*model one of 2.*task=mnli.*init_from=FILE"
    ):
        load_into(adapted, mnli)
    assert all(torch.equal(before[n], p) for n, p in adapted.model.named_parameters())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda state, a: state.pop(a),
            r"lacks roberta\.encoder\.layer\.0.*lora_A; it holds 11 tensors, .* needs (12|8)$",
        ),
        (lambda state, a: state.update(stray=torch.zeros(1)), "has unexpected stray; it holds 13 tensors, this model"),
        (lambda state, a: state.update({a: torch.zeros(3, 32)}), r"lora_A' is 3 x 32, the model needs 4 x 32"),
    ],
)
def test_missing_unexpected_and_misshapen_tensors(mnli: Path, change, words: str) -> None:  # type: ignore[no-untyped-def]
    state, adapted = load_file(mnli), trained("roberta", lora())
    change(state, adapted.method_names[0])
    with safe_open(mnli, framework="pt") as stream:
        metadata = stream.metadata()
    save_file(state, mnli, metadata=metadata)
    for load in (load_into, initialise_from):
        with pytest.raises(CheckpointError, match=words):
            load(adapted, mnli)


def test_files_that_cannot_be_read(mnli: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors does not exist"):
        read_adapter(tmp_path / "none.safetensors")
    (tmp_path / "short.safetensors").write_bytes(mnli.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"short\.safetensors is damaged or not a safetensors file"):
        read_adapter(tmp_path / "short.safetensors")
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(CheckpointError, match="damaged or not a safetensors file"):
        read_adapter(tmp_path / "pickle.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        CheckpointError, match=r"does not say how it was made \(no 'lora_repro' in its metadata, but fo"
    ):
        read_adapter(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="has format 7, this version reads up to 1; update lora_repro"):
        read_adapter(rewritten(mnli, format=7))
    with pytest.raises(CheckpointError, match=r"its description cannot be read .*colour"):
        read_adapter(rewritten(mnli, format=1, colour="red"))


def test_initialising_from_mnli(mnli: Path) -> None:
    """Section 5.2 on RoBERTa with two labels: LoRA and classifier.dense are taken, classifier.out_proj is left."""
    adapted = adapt(tiny("roberta", 2), lora(), seed=3)
    fresh = {n: p.clone() for n, p in adapted.model.named_parameters()}
    done = initialise_from(adapted, mnli)
    assert set(done.left) == {"classifier.out_proj.weight", "classifier.out_proj.bias"}
    assert set(done.taken) == set(adapted.names) - set(done.left)
    stored = load_file(mnli)
    assert all(torch.equal(adapted.model.get_parameter(n), stored[n]) for n in done.taken)
    assert all(torch.equal(adapted.model.get_parameter(n), fresh[n]) for n in done.left)
    assert all(torch.equal(p, fresh[n]) for n, p in adapted.model.named_parameters() if n not in done.taken)


@pytest.mark.parametrize("num_labels", [1, 3])
@pytest.mark.parametrize(("name", "inner"), [("bert", "bert.pooler.dense"), ("deberta-v2", "pooler.dense")])
def test_initialising_takes_whole_layers(name: str, inner: str, num_labels: int, tmp_path: Path) -> None:
    first = trained(name, lora())
    save_adapter(tmp_path / "a.safetensors", first, meta_of(first))
    done = initialise_from(adapt(tiny(name, num_labels), lora(), seed=3), tmp_path / "a.safetensors")
    assert {f"{inner}.weight", f"{inner}.bias"} <= set(done.taken)
    assert set(done.left) == (set() if num_labels == 3 else {"classifier.weight", "classifier.bias"})


def test_full_fine_tuning_starts_from_mnli_too(tmp_path: Path) -> None:
    """The paper's FT baseline is adapted to MNLI as well; its "adapter" is the whole model."""
    first = trained("roberta", FTConfig(name="ft"))
    save_adapter(tmp_path / "a.safetensors", first, meta_of(first))
    second = adapt(tiny("roberta", 2), FTConfig(name="ft"), seed=3)
    done = initialise_from(second, tmp_path / "a.safetensors")
    assert len(done.left) == 2
    name = "roberta.embeddings.word_embeddings.weight"
    assert torch.equal(second.model.get_parameter(name), first.model.get_parameter(name))


def test_regression_and_its_empty_labels(tmp_path: Path) -> None:
    config = tiny_folder("bert", tmp_path / "backbone")
    adapted = adapt(load_backbone(config, 1, problem="regression"), lora(), seed=0)
    save_adapter(tmp_path / "a.safetensors", adapted, meta_of(adapted, "stsb", ()))
    restored, meta = load_adapter(tmp_path / "a.safetensors", config)
    assert (meta.labels, restored.model.config.problem_type) == ((), "regression")
    assert torch.equal(restored.model(**batch()).logits, adapted.model(**batch()).logits)


def test_meta_of_another_method_is_not_mixed_up() -> None:
    meta = meta_of(trained("bert", BitFitConfig(name="bitfit")))
    assert meta.method == {"name": "bitfit"}
    assert replace(meta, method=asdict(lora())).method_config() == lora()

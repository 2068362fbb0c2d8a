"""Loading: from a folder and the hub's cache; heads, fingerprints, refusals; nothing shared between two calls."""

import hashlib
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lora_repro import hub
from lora_repro.config import ModelConfig
from lora_repro.errors import BackboneError, ConfigError, OfflineError
from lora_repro.models.architectures import architecture
from lora_repro.models.load import build_meta, load_backbone, load_tokenizer
from lora_repro.models.locate import fingerprint, locate, missing_files
from lora_repro.models.sites import head_parameter_names
from tests.tiny_backbones import DECODERS, ENCODERS, batch, tiny, tiny_config, tiny_folder

HEAD_OUT = {"bert": "classifier", "roberta": "classifier.out_proj", "deberta-v2": "classifier"}


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub cannot be reached, and its cache on this machine is empty."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.hub_reachable.cache_clear()
    yield
    hub.hub_reachable.cache_clear()


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("base_only", [False, True])
def test_weights_are_those_of_the_folder(name: str, base_only: bool, tmp_path: Path) -> None:
    config = tiny_folder(name, tmp_path, base_only=base_only)
    loaded = load_backbone(config, 3, seed=7)
    original = tiny(name, num_labels=5).model
    head = head_parameter_names(loaded.model, loaded.architecture)
    assert type(loaded.model) is type(original)
    assert loaded.model.get_submodule(HEAD_OUT[name]).weight.shape == (3, 32)
    compared = 0
    for parameter, tensor in loaded.model.named_parameters():
        assert tensor.dtype == torch.float32
        if parameter not in head or parameter.startswith("bert.pooler"):  # BERT's pooler is in the checkpoint
            assert torch.equal(tensor, original.get_parameter(parameter)), parameter
            compared += 1
    assert compared > 30
    assert not loaded.model.training
    assert loaded.model(**batch()).logits.shape == (4, 3)


@pytest.mark.parametrize("name", DECODERS)
def test_decoders_load_for_generation(name: str, tmp_path: Path) -> None:
    loaded = load_backbone(tiny_folder(name, tmp_path), 0, problem="generation")
    original = tiny(name).model
    for inputs in (batch(), batch(tokens=3, seed=1)):
        assert torch.equal(loaded.model(**inputs).logits, original(**inputs).logits)
    embedding = loaded.model.get_input_embeddings().weight
    assert (loaded.model.lm_head.weight is embedding) == (name == "gpt2")  # tied again after loading


@pytest.mark.parametrize("name", ENCODERS)
def test_the_head_depends_on_the_seed_and_on_nothing_else(name: str, tmp_path: Path) -> None:
    config = tiny_folder(name, tmp_path)

    def classifier(seed: int) -> torch.Tensor:
        return load_backbone(config, 2, seed=seed).model.get_submodule(HEAD_OUT[name]).weight

    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = classifier(0)
    assert torch.equal(before, torch.get_rng_state())  # loading leaves the run's own random numbers alone
    torch.manual_seed(2)
    assert torch.equal(first, classifier(0))
    assert not torch.equal(first, classifier(1))
    assert 0.01 < first.std() < 0.03  # N(0, 0.02), initializer_range
    assert not torch.equal(first[:, :5], tiny(name, num_labels=5).model.get_submodule(HEAD_OUT[name]).weight[:2, :5])
    assert torch.count_nonzero(load_backbone(config, 2).model.get_submodule(HEAD_OUT[name]).bias) == 0


def test_a_missing_pooler_is_drawn_and_the_classifier_does_not_change(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    config = tiny_folder("bert", tmp_path / "with")
    with_pooler = load_backbone(config, 2).model
    shutil.copytree(tmp_path / "with", tmp_path / "without")
    weights = tmp_path / "without" / "model.safetensors"
    save_file({k: v for k, v in load_file(weights).items() if "pooler" not in k}, weights, {"format": "pt"})
    config.path = str(tmp_path / "without")
    without = load_backbone(config, 2).model
    assert 0.01 < without.bert.pooler.dense.weight.std() < 0.03
    assert torch.equal(without.classifier.weight, with_pooler.classifier.weight)


def test_two_calls_share_no_parameter_and_the_second_is_untouched(tmp_path: Path) -> None:
    config = tiny_folder("roberta", tmp_path)
    first = load_backbone(config, 2).model
    with torch.no_grad():
        for tensor in [*first.parameters(), *first.buffers()]:
            tensor.zero_()
    second, original = load_backbone(config, 2).model, tiny("roberta").model
    name = "roberta.encoder.layer.1.output.dense.weight"
    assert torch.equal(second.get_parameter(name), original.get_parameter(name))
    pointers = {tensor.data_ptr() for tensor in [*first.parameters(), *first.buffers()]}
    assert not pointers & {tensor.data_ptr() for tensor in [*second.parameters(), *second.buffers()]}


def test_changed_weights_are_read_again(tmp_path: Path) -> None:
    config = tiny_folder("bert", tmp_path)
    old = load_backbone(config, 2)
    tiny("bert", num_labels=5, seed=1).model.save_pretrained(tmp_path)
    new = load_backbone(config, 2)
    name = "bert.embeddings.word_embeddings.weight"
    assert old.fingerprint != new.fingerprint
    assert torch.equal(new.model.get_parameter(name), tiny("bert", seed=1).model.get_parameter(name))


def test_fingerprint_is_of_the_weights_alone(tmp_path: Path) -> None:
    tiny_folder("bert", tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "README.md").write_text("other")
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert len(fingerprint(tmp_path / "a")) == 16


def test_shards_are_all_part_of_the_fingerprint(tmp_path: Path) -> None:
    tiny_folder("bert", tmp_path)
    tiny("bert", num_labels=5).model.save_pretrained(tmp_path, max_shard_size="20KB")
    (tmp_path / "model.safetensors").unlink()
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    before = fingerprint(tmp_path)
    config = tiny_config("bert")
    config.path = str(tmp_path)
    name = "bert.encoder.layer.0.output.dense.weight"
    assert torch.equal(load_backbone(config, 2).model.get_parameter(name), tiny("bert").model.get_parameter(name))
    shards[-1].write_bytes(shards[-1].read_bytes() + b" ")
    assert fingerprint(tmp_path) != before
    shards[-1].unlink()
    with pytest.raises(BackboneError, match=rf"lacks {shards[-1].name}; it holds config\.json"):
        load_backbone(config, 2)


def test_half_precision_weights_become_fp32(tmp_path: Path) -> None:
    config = tiny_folder("bert", tmp_path)
    tiny("bert", num_labels=5).model.half().save_pretrained(tmp_path)
    model = load_backbone(config, 2).model
    name = "bert.encoder.layer.0.output.dense.weight"
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(model.get_parameter(name), tiny("bert").model.get_parameter(name).half().float())


def test_a_truncated_weight_file_is_named(tmp_path: Path) -> None:
    config = tiny_folder("bert", tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(BackboneError, match=r"weights of tiny-bert in .* cannot be read: .*copy them again"):
        load_backbone(config, 2)


@pytest.mark.parametrize(("name", "attribute"), [("bert", "dropout"), ("deberta-v2", "dropout")])
def test_classifier_dropout_reaches_the_head_only(name: str, attribute: str, tmp_path: Path) -> None:
    config = tiny_folder(name, tmp_path)
    model = load_backbone(config, 2, classifier_dropout=0.37).model
    assert getattr(model, attribute).p == 0.37
    assert {m.p for n, m in model.named_modules() if isinstance(m, torch.nn.Dropout) and "encoder" in n} == {0.1}
    assert getattr(load_backbone(config, 2).model, attribute).p == 0.1


def test_regression_has_one_output_and_says_so(tmp_path: Path) -> None:
    model = load_backbone(tiny_folder("bert", tmp_path), 1, problem="regression").model
    assert (model.config.problem_type, model.classifier.out_features) == ("regression", 1)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("config.json", "lacks config.json;"),
        ("model.safetensors", "lacks the weights"),
        ("tokenizer.json", "lacks a tok"),
    ],
)
def test_an_incomplete_folder_names_what_lacks_and_what_is_there(file: str, words: str, tmp_path: Path) -> None:
    config = tiny_folder("bert", tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(BackboneError, match=words) as caught:
        load_backbone(config, 2)
    assert str(tmp_path) in str(caught.value)
    assert "it holds" in str(caught.value)
    assert "tokenizer_config.json" in str(caught.value).rpartition("it holds")[2]


def test_a_folder_with_nothing_useful_lacks_all_three(tmp_path: Path) -> None:
    assert len(missing_files(tmp_path)) == 3
    config = tiny_config("bert")
    config.path = str(tmp_path / "absent")
    with pytest.raises(BackboneError, match=r"absent is not a folder; it should hold the files of tiny-bert"):
        load_backbone(config, 2)


def test_another_architecture_is_refused_with_both_names(tmp_path: Path) -> None:
    config = tiny_folder("bert", tmp_path)
    config.architecture = "roberta"
    with pytest.raises(BackboneError, match=r"holds a model of type 'bert', not 'roberta'; set model.architecture"):
        load_backbone(config, 2)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    config = tiny_folder("bert", tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings | {"num_hidden_layers": 3}))
    with pytest.raises(BackboneError, match="do not fit BertForSequenceClassification: 16 tensors"):
        load_backbone(config, 2)


def test_an_encoder_cannot_generate() -> None:
    with pytest.raises(BackboneError, match=r"tiny-bert is an encoder \(bert\) and cannot generate"):
        load_backbone(tiny_config("bert"), 2, problem="generation")


def test_dropout_of_everything_below_the_head(tmp_path: Path) -> None:
    for name in (*ENCODERS, *DECODERS):
        config = tiny_folder(name, tmp_path / name)
        problem = "generation" if name in DECODERS else "classification"
        model = load_backbone(config, 2, problem=problem, dropout=0.0).model.train()
        rates = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}
        rates |= {getattr(model.config, setting) for setting in architecture(name).dropouts}
        assert rates <= {0.0}, name
        if name == "gpt2":
            own = load_backbone(config, 2, problem=problem).model
            assert {module.p for module in own.modules() if isinstance(module, torch.nn.Dropout)} == {0.1}


def test_a_gguf_file_is_found_by_its_name_or_alone_in_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "tiny-Q4_1.gguf"
    file.write_bytes(b"GGUF")
    config = ModelConfig(name="tiny", architecture="llama", path=str(file))
    assert locate(config) == file
    config.path = str(tmp_path)
    assert locate(config) == file
    assert fingerprint(file) == hashlib.sha256(b"GGUF").hexdigest()[:16]
    (tmp_path / "tiny-Q8_0.gguf").write_bytes(b"GGUF")
    with pytest.raises(BackboneError, match=r"several GGUF files \(tiny-Q4_1.gguf, tiny-Q8_0.gguf\); name one"):
        locate(config)


def test_real_smollm2_from_gguf(shared: Path) -> None:
    """Transformers' own loader unpacks it: a plain model of plain matrices comes out."""
    pytest.importorskip("gguf")
    config = ModelConfig(name="smollm2-135m", architecture="llama", path=str(shared / "models" / "smollm2-135m"))
    loaded = load_backbone(config, 0, problem="generation")
    assert sum(parameter.numel() for parameter in loaded.model.parameters()) == 134_515_008
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    prompt = torch.tensor([loaded.tokenizer("The capital of France is")["input_ids"]])
    with torch.inference_mode():
        word = loaded.model(prompt).logits[0, -1].argmax()
    assert loaded.tokenizer.decode([int(word)]) == " Paris"


def test_neither_path_nor_hub_id() -> None:
    with pytest.raises(BackboneError, match=r"tiny-bert is not on the hub; set model.path"):
        load_backbone(tiny_config("bert"), 2)


@pytest.mark.usefixtures("no_hub")
def test_offline_names_the_three_ways_on_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.perf_counter()
    with pytest.raises(OfflineError, match=r"somebody/something.*data\.dir.*model\.path.*embedded") as caught:
        load_backbone(ModelConfig(name="something", architecture="bert", hub_id="somebody/something"), 2)
    assert time.perf_counter() - start < 5
    assert "backbone something" in str(caught.value)


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize("revision", [None, "0" * 40])
def test_the_hub_cache_is_used_without_the_hub(
    revision: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--somebody--something"
    tiny_folder("bert", repository / "snapshots" / ("0" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    config = ModelConfig(name="something", architecture="bert", hub_id="somebody/something", revision=revision)
    assert torch.equal(
        load_backbone(config, 2).model.get_parameter("bert.embeddings.LayerNorm.bias"),
        tiny("bert").model.get_parameter("bert.embeddings.LayerNorm.bias"),
    )
    assert load_tokenizer(config)("good film")["input_ids"] == [2, 4]
    (repository / "snapshots" / ("0" * 40) / "model.safetensors").unlink()  # as an interrupted download leaves it
    with pytest.raises(OfflineError):
        load_backbone(config, 2)


@pytest.mark.parametrize("name", [*ENCODERS, *DECODERS])
def test_meta_models_have_the_names_and_shapes_of_real_ones(name: str) -> None:
    meta = {n: tuple(p.shape) for n, p in build_meta(tiny_config(name), 5).named_parameters()}
    assert all(p.is_meta for p in build_meta(tiny_config(name), 5).parameters())
    assert meta == {n: tuple(p.shape) for n, p in tiny(name, num_labels=5).model.named_parameters()}


def test_meta_needs_dims() -> None:
    with pytest.raises(ConfigError, match=r"model bare has no dims; give them in conf/model/bare\.yaml"):
        build_meta(ModelConfig(name="bare", architecture="bert"), 2)


def test_nothing_is_printed_while_loading(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = tiny_folder("roberta", tmp_path)
    capfd.readouterr()  # writing the folder may print
    load_backbone(ModelConfig(name="t", architecture="roberta", path=config.path), 2)
    assert capfd.readouterr() == ("", "")


def test_real_minilm(shared: Path) -> None:
    """Half-precision weights of a bare encoder: fp32, pooler from the file, and quick when asked again."""
    from safetensors import safe_open

    folder = shared / "models" / "minilm-l6"
    config = ModelConfig(name="minilm-l6", architecture="bert", path=str(folder))
    first = load_backbone(config, 2)
    start = time.process_time()
    second = load_backbone(config, 3, seed=1)
    seconds = time.process_time() - start
    with safe_open(folder / "model.safetensors", framework="pt") as stream:
        pooler = stream.get_tensor("pooler.dense.weight").float()
    assert torch.equal(second.model.bert.pooler.dense.weight, pooler)
    assert {p.dtype for p in second.model.parameters()} == {torch.float32}
    assert first.fingerprint == second.fingerprint
    text = second.tokenizer(["a fine film"], return_tensors="pt")
    assert torch.equal(first.model.bert(**text).last_hidden_state, second.model.bert(**text).last_hidden_state)
    assert seconds < 1.0  # 0.1 to 0.2 s on an idle core; the first time takes seconds


def test_a_path_in_the_package_is_found_wherever_the_package_lies() -> None:
    config = ModelConfig(name="x", architecture="bert", path="package://tasks")
    with pytest.raises(BackboneError, match=r"model\.path=package://tasks lacks config\.json"):
        locate(config)
    with pytest.raises(BackboneError, match=r"model\.path=package://no-such-folder is not a folder"):
        locate(replace(config, path="package://no-such-folder"))

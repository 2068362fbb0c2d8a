"""Decoders that classify against Hugging Face PEFT's SEQ_CLS: the same logits there, here and after merging."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lora_repro import cli
from lora_repro.config import LoRAConfig, MethodConfig, PreEmbedConfig, PrefixKVConfig, RunConfig
from lora_repro.exchange import model_config
from lora_repro.methods.apply import Adapted, adapt
from lora_repro.methods.checkpoint import AdapterMeta, load_adapter, save_adapter
from lora_repro.models.load import load_backbone
from tests.methods.exchange.adapters import LABELS, move
from tests.tiny_backbones import batch, lora, tiny_folder

peft = pytest.importorskip("peft")
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("decoders")
    for name in ("gpt2", "llama"):
        tiny_folder(name, top / name)
    return top


def plain(folder: Path) -> Any:
    """The backbone as anybody would load it for three classes, told what pads."""
    import transformers

    auto = transformers.AutoModelForSequenceClassification
    return auto.from_pretrained(folder, num_labels=3, pad_token_id=1).eval()


def classifier(folder: Path, method: MethodConfig, out: Path) -> Adapted:
    model = model_config(str(folder))
    adapted = move(adapt(load_backbone(model, 3), method, seed=0))
    save_adapter(out, adapted, AdapterMeta.of(RunConfig(model=model, method=method), adapted.backbone, "mnli", LABELS))
    return adapted


def logits(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model(**batch()).logits


def run(*arguments: object) -> None:
    assert cli.main([str(argument) for argument in arguments]) == 0


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("gpt2", lora()),
        ("llama", lora(targets=["W_q", "W_k", "W_v", "W_o"])),
        ("gpt2", PrefixKVConfig(name="prefix_kv", l_p=3, prefix_init="random")),
    ],
    ids=["gpt2-lora", "llama-lora", "gpt2-prefix_kv"],
)
def test_ours_in_peft_and_back(name: str, method: MethodConfig, folders: Path, tmp_path: Path) -> None:
    ours = classifier(folders / name, method, tmp_path / "ours.safetensors")
    run("export", tmp_path / "ours.safetensors", "--to", "peft", "--out", tmp_path / "theirs")
    theirs = peft.PeftModel.from_pretrained(plain(folders / name), tmp_path / "theirs").eval()
    assert theirs.peft_config["default"].task_type == "SEQ_CLS"
    torch.testing.assert_close(logits(theirs), logits(ours.model), **CLOSE)
    run("import", tmp_path / "theirs", "--from", "peft", "--model", folders / name, "--out", tmp_path / "back")
    back, meta = load_adapter(tmp_path / "back", ours.backbone.config)
    torch.testing.assert_close(logits(back.model), logits(ours.model), **CLOSE)
    assert (meta.task, meta.labels) == ("mnli", LABELS)


def test_lora_trains_as_pefts_does(folders: Path) -> None:
    """From the same start, the same gradients of the same loss: both heads read the same token."""
    ours = move(adapt(load_backbone(model_config(str(folders / "llama")), 3), lora(), seed=0))
    settings = peft.LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])
    theirs: Any = peft.get_peft_model(plain(folders / "llama"), settings).eval()
    names = {n: n.replace(".default", "").replace(".weight", "") for n, _ in theirs.named_parameters() if "lora" in n}
    with torch.no_grad():
        for foreign, own in names.items():
            tensor = ours.model.get_parameter(own.removeprefix("base_model.model."))
            theirs.get_parameter(foreign).copy_(tensor)
        head = theirs.base_model.model.score.modules_to_save["default"]
        head.weight.copy_(ours.model.get_parameter("score.weight"))
    for model in (ours.model, theirs):
        model(**batch(), labels=torch.tensor([0, 1, 2, 0])).loss.backward()
    assert len(names) == 2 * 2 * 2
    for foreign, own in names.items():
        mine = ours.model.get_parameter(own.removeprefix("base_model.model.")).grad
        torch.testing.assert_close(mine, theirs.get_parameter(foreign).grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(ours.model.get_parameter("score.weight").grad, head.weight.grad, **CLOSE)


def test_a_merged_classifier_is_a_plain_one(folders: Path, tmp_path: Path) -> None:
    import transformers

    ours = classifier(folders / "gpt2", lora(), tmp_path / "a")
    run("merge", tmp_path / "a", "--model", folders / "gpt2", "--out", tmp_path / "plain")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "plain").eval()
    assert (type(model).__name__, model.config.pad_token_id) == ("GPT2ForSequenceClassification", 1)
    torch.testing.assert_close(logits(model), logits(ours.model), **CLOSE)
    assert model.config.id2label == dict(enumerate(LABELS))


def test_loralib_takes_the_head_too(folders: Path, tmp_path: Path) -> None:
    method: LoRAConfig = lora()
    ours = classifier(folders / "gpt2", method, tmp_path / "a")
    run("export", tmp_path / "a", "--to", "loralib", "--out", tmp_path / "a.bin")
    call = ("--from", "loralib", "--alpha", 8, "--model", folders / "gpt2", "--task", "mnli")
    run("import", tmp_path / "a.bin", *call, "--out", tmp_path / "back")
    back, meta = load_adapter(tmp_path / "back", ours.backbone.config)
    assert torch.equal(logits(back.model), logits(ours.model)) and meta.labels == LABELS


def test_prompt_tuning_is_refused_with_the_reason(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    method = PreEmbedConfig(name="pre_embed", l_p=3, l_i=0, prefix_init="random")
    classifier(folders / "gpt2", method, tmp_path / "a")
    assert cli.main(["export", str(tmp_path / "a"), "--to", "peft", "--out", str(tmp_path / "out")]) == 2
    assert "in which a decoder's head cannot tell the padding" in capsys.readouterr().err

"""Virtual tokens that travel, against PEFT itself: our prefix_kv and pre_embed there, PEFT's here, and the refusals."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lora_repro import cli
from lora_repro.config import MethodConfig, PreEmbedConfig, PrefixKVConfig, PreLayerConfig
from lora_repro.exchange import model_config
from lora_repro.methods.checkpoint import load_adapter, read_adapter
from tests.methods.exchange.adapters import saved
from tests.oracles.test_exchange_peft import CLOSE, logits, plain, run
from tests.tiny_backbones import batch, tiny_folder

peft = pytest.importorskip("peft")

PREFIX = PrefixKVConfig(name="prefix_kv", l_p=3, prefix_init="random")
THROUGH_MLP = PrefixKVConfig(name="prefix_kv", l_p=3, prefix_init="random", reparametrisation=6)
PROMPT = PreEmbedConfig(name="pre_embed", l_p=3, l_i=0, prefix_init="random")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone of each architecture."""
    top = tmp_path_factory.mktemp("backbones")
    for name in ("bert", "roberta", "deberta-v2", "gpt2", "llama"):
        tiny_folder(name, top / name)
    return top


def answers(model: Any) -> Tensor:
    """The logits that mean something: PEFT's prompt tuning gives those of its own tokens too, and padding has none."""
    given, mask = logits(model), batch()["attention_mask"].bool()
    return given[:, -mask.shape[1] :][mask] if given.ndim == 3 else given


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("gpt2", PREFIX),
        ("gpt2", THROUGH_MLP),
        ("gpt2", PROMPT),
        ("bert", PREFIX),
        ("roberta", PREFIX),
        ("roberta", THROUGH_MLP),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.name}{', MLP' if value is THROUGH_MLP else ''}",
)
def test_ours_in_peft_and_back(name: str, method: MethodConfig, folders: Path, tmp_path: Path) -> None:
    folder = folders / name
    adapted = saved(model_config(str(folder)), method, tmp_path / "ours.safetensors")
    backbone = ["--model", folder] if name != "gpt2" else []
    run("export", tmp_path / "ours.safetensors", "--to", "peft", "--out", tmp_path / "theirs", *backbone)
    theirs = peft.PeftModel.from_pretrained(plain(folder), tmp_path / "theirs").eval()
    torch.testing.assert_close(answers(theirs), answers(adapted.model), **CLOSE)
    if name == "gpt2":
        assert not torch.allclose(answers(theirs), answers(plain(folder)), atol=1e-2)

    run("import", tmp_path / "theirs", "--from", "peft", "--model", folder, "--out", tmp_path / "back")
    back, meta = load_adapter(tmp_path / "back", adapted.backbone.config)
    torch.testing.assert_close(answers(back.model), answers(adapted.model), **CLOSE)
    assert meta.method["l_p"] == 3 and meta.task == ("e2e" if name == "gpt2" else "mnli")


@pytest.mark.parametrize("kind", ["PrefixTuningConfig", "PromptTuningConfig"])
def test_pefts_here(kind: str, folders: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"prefix_projection": True, "encoder_hidden_size": 6} if "Prefix" in kind else {}
    config = getattr(peft, kind)(task_type="CAUSAL_LM", num_virtual_tokens=4, **settings)
    theirs = peft.get_peft_model(plain(folders / "gpt2"), config).eval()
    theirs.save_pretrained(tmp_path / "theirs")
    run("import", tmp_path / "theirs", "--from", "peft", "--model", folders / "gpt2", "--out", tmp_path / "ours")
    ours, meta = load_adapter(tmp_path / "ours", model_config(str(folders / "gpt2")))
    torch.testing.assert_close(answers(ours.model), answers(theirs), **CLOSE)
    assert (meta.method["name"], meta.method["l_p"]) == ("prefix_kv" if settings else "pre_embed", 4)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == 2
    written = capsys.readouterr().err
    assert written.startswith("error: ") and written.count("\n") == 1
    return written


TOKENS: dict[str, Any] = {"l_p": 3, "prefix_init": "random"}


@pytest.mark.parametrize(
    ("name", "method", "reason"),
    [
        ("gpt2", PreEmbedConfig(name="pre_embed", l_i=2, **TOKENS), "these have l_i=2 infix tokens"),
        ("roberta", PROMPT, "PEFT puts prompt tokens before [CLS]"),
        ("deberta-v2", PREFIX, "a filled cache, which DeBERTa-v2 does not take"),
        ("llama", PREFIX, "PEFT's keys are not turned by their positions"),
        ("gpt2", PreLayerConfig(name="pre_layer", l_i=0, **TOKENS), "only lora, prefix_kv and pre_embed"),
    ],
)
def test_what_peft_cannot_hold(
    name: str, method: MethodConfig, reason: str, folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(model_config(str(folders / name)), method, tmp_path / "ours")
    said = refused(capsys, "export", tmp_path / "ours", "--to", "peft", "--out", tmp_path / "theirs")
    assert f"of method {method.name} on {name} cannot go to PEFT: " in said and reason in said
    assert not (tmp_path / "theirs").exists()


def test_an_encoders_prefix_needs_its_backbone(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(model_config(str(folders / "roberta")), PREFIX, tmp_path / "ours")
    said = refused(capsys, "export", tmp_path / "ours", "--to", "peft", "--out", tmp_path / "theirs")
    assert "goes to PEFT with the backbone's position table; give the backbone, --model roberta" in said


def test_what_import_refuses(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = peft.PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=4)
    peft.get_peft_model(plain(folders / "bert"), config).save_pretrained(tmp_path / "encoder")
    there = ["--from", "peft", "--out", tmp_path / "out", "--model"]
    said = refused(capsys, "import", tmp_path / "encoder", *there, folders / "bert")
    assert "PEFT numbers [CLS] 4, here it has number 0" in said
    config = peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    peft.get_peft_model(plain(folders / "gpt2"), config).save_pretrained(tmp_path / "decoder")
    said = refused(capsys, "import", tmp_path / "decoder", *there, folders / "llama")
    assert "cannot be imported for llama: PEFT's keys are not turned" in said
    assert not (tmp_path / "out").exists()


def test_a_prefix_of_another_width(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from safetensors.torch import load_file, save_file

    saved(model_config(str(folders / "gpt2")), PREFIX, tmp_path / "ours")
    run("export", tmp_path / "ours", "--to", "peft", "--out", tmp_path / "theirs")
    file = tmp_path / "theirs" / "adapter_model.safetensors"
    table = load_file(file)["prompt_embeddings"]
    call = ["import", tmp_path / "theirs", "--from", "peft", "--model", folders / "gpt2", "--out", tmp_path / "out"]
    for wrong, message in (
        (table[:, :-1], "3 x 127; 127 columns are no key and value for each of 2 blocks"),
        (table[:, :-4], "virtual_tokens.keys_values' is 2 x 2 x 3 x 31, gpt2 needs 2 x 2 x 3 x 32"),
    ):
        save_file({"prompt_embeddings": wrong.contiguous()}, file)
        assert message in refused(capsys, *call)
    save_file({"x": table}, file)
    assert "lacks prompt_embeddings" in refused(capsys, *call)
    assert read_adapter(tmp_path / "ours").meta.method["l_p"] == 3

"""The verbs export, import and merge from the command line: what they write, and one line for every mistake."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from lora_repro import cli
from lora_repro.config import BitFitConfig
from lora_repro.exchange import model_config
from lora_repro.methods.apply import Adapted
from lora_repro.methods.checkpoint import read_adapter
from tests.methods.exchange.adapters import LABELS, saved
from tests.tiny_backbones import batch, lora, tiny_folder


@dataclass(frozen=True)
class Place:
    """A backbone and an adapter of it, and both exports; not to be written to."""

    backbone: Path
    adapter: Path
    adapted: Adapted
    peft: Path
    pickle: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    top = tmp_path_factory.mktemp("exchange")
    tiny_folder("roberta", top / "backbone")
    adapted = saved(model_config(str(top / "backbone")), lora(), top / "a.safetensors")
    made = Place(top / "backbone", top / "a.safetensors", adapted, top / "peft", top / "loralib.bin")
    for kind, out in (("peft", made.peft), ("loralib", made.pickle)):
        assert cli.main(["export", str(made.adapter), "--to", kind, "--out", str(out)]) == 0
    return made


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The message of a call that must end with code 2 and one line."""
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == 2
    written = capsys.readouterr()
    assert written.out == "" and written.err.count("\n") == 1 and written.err.startswith("error: ")
    return written.err


def test_export_says_what_a_state_dict_does_not(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", str(place.adapter), "--to", "loralib", "--out", str(tmp_path / "x.bin")]) == 0
    shown = capsys.readouterr().out
    assert "lora_alpha=8" in shown and "enable_lora" not in shown
    backbone = tmp_path / "gpt2"
    tiny_folder("gpt2", backbone)
    saved(model_config(str(backbone)), lora(), tmp_path / "g.safetensors")
    capsys.readouterr()
    assert cli.main(["export", str(tmp_path / "g.safetensors"), "--to", "loralib", "--out", str(tmp_path / "g")]) == 0
    assert "for attn.c_attn, enable_lora=[True, False, True]" in capsys.readouterr().out


def test_export_writes_pefts_two_files_and_no_path(place: Place) -> None:
    assert sorted(path.name for path in place.peft.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    config = json.loads((place.peft / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["lora_alpha"], config["r"]) == ("backbone", 8, 4)
    assert str(place.backbone) not in (place.peft / "adapter_config.json").read_text()


def test_import_takes_the_task_that_is_named(place: Place, tmp_path: Path) -> None:
    call = ["import", str(place.pickle), "--from", "loralib", "--alpha", "8", "--model", str(place.backbone)]
    assert cli.main([*call, "--task", "mnli", "--out", str(tmp_path / "named")]) == 0
    assert cli.main([*call, "--out", str(tmp_path / "unnamed")]) == 0
    named, unnamed = (read_adapter(tmp_path / name).meta for name in ("named", "unnamed"))
    assert (named.task, named.labels) == ("mnli", LABELS)
    assert (unnamed.task, unnamed.labels) == ("unknown", ("LABEL_0", "LABEL_1", "LABEL_2"))
    assert named.fingerprint == place.adapted.backbone.fingerprint


def test_what_import_refuses(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, here = tmp_path / "out", ["--model", place.backbone, "--out", tmp_path / "out"]
    said = refused(capsys, "import", place.pickle, "--from", "loralib", *here)
    assert "does not say its alpha" in said and "--alpha (16 in" in said and "8 in the paper's appendix" in said
    loralib = ["--from", "loralib", "--alpha", 16, *here]
    assert "has 2; choose --task from mnli" in refused(capsys, "import", place.pickle, "--task", "rte", *loralib)
    assert "no 'W_x', choose" in refused(capsys, "import", place.pickle, "--targets", "W_x", *loralib)
    assert "nowhere does not exist" in refused(capsys, "import", tmp_path / "nowhere", *loralib)
    assert "adapter_config.json is not in" in refused(capsys, "import", place.pickle, "--from", "peft", *here)
    said = refused(capsys, "import", place.pickle, "--from", "loralib", "--model", "roberta-bas", "--out", out)
    assert "did you mean roberta-base?" in said
    assert list(tmp_path.iterdir()) == []


class Trap:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("__import__('pathlib').Path('sprung').touch()",))


def test_a_pickle_with_code_is_not_run(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"trap": Trap()}, "trap.bin")
    call = ["--from", "loralib", "--alpha", 16, "--model", place.backbone, "--out", "out"]
    assert "could run code" in refused(capsys, "import", "trap.bin", *call)
    Path("cut.bin").write_bytes(place.pickle.read_bytes()[:5000])
    assert "damaged or not a file of torch.save" in refused(capsys, "import", "cut.bin", *call)
    torch.save({"epoch": 3}, "epoch.bin")
    assert "not a state dict, it holds epoch: int" in refused(capsys, "import", "epoch.bin", *call)
    Path("cut.safetensors").write_bytes(b"nothing")
    assert "damaged or not a safetensors file" in refused(capsys, "import", "cut.safetensors", *call)
    assert not Path("sprung").exists() and not Path("out").exists()


def test_the_authors_wrapping_of_gpt2_files(place: Place, tmp_path: Path) -> None:
    state = torch.load(place.pickle, weights_only=True)
    torch.save({"model_state_dict": {f"module.{key}": tensor for key, tensor in state.items()}}, tmp_path / "w.pt")
    call = ["import", tmp_path / "w.pt", "--from", "loralib", "--alpha", 8, "--model", place.backbone]
    assert cli.main([str(word) for word in [*call, "--out", tmp_path / "out"]]) == 0
    assert set(read_adapter(tmp_path / "out").state) == set(place.adapted.names)


@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v2", "gpt2"])
def test_merge_gives_a_plain_model(name: str, tmp_path: Path) -> None:
    import transformers

    backbone, out = tmp_path / "backbone", tmp_path / "deep" / "merged"
    tiny_folder(name, backbone)
    adapted = saved(model_config(str(backbone)), lora(), tmp_path / "a")
    assert cli.main(["merge", str(tmp_path / "a"), "--model", str(backbone), "--out", str(out)]) == 0
    auto = transformers.AutoModelForCausalLM if name == "gpt2" else transformers.AutoModelForSequenceClassification
    model, report = auto.from_pretrained(out, output_loading_info=True)
    assert not any(report.values())
    torch.testing.assert_close(model.eval()(**batch()).logits, adapted.model(**batch()).logits, rtol=1e-5, atol=1e-5)
    if name != "gpt2":
        assert model.config.id2label == dict(enumerate(LABELS))
    words = transformers.AutoTokenizer.from_pretrained(out)("good film")["input_ids"]
    assert words == [2, 4]
    assert not [path.name for path in out.parent.iterdir() if path.name != "merged"]


def test_merge_of_a_method_that_adds_nothing(place: Place, tmp_path: Path) -> None:
    import transformers

    adapted = saved(model_config(str(place.backbone)), BitFitConfig(name="bitfit"), tmp_path / "b")
    call = ["merge", tmp_path / "b", "--model", place.backbone, "--out", tmp_path / "out"]
    assert cli.main([str(word) for word in call]) == 0
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    assert torch.equal(model(**batch()).logits, adapted.model(**batch()).logits)


def test_what_export_and_merge_refuse(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(model_config(str(place.backbone)), BitFitConfig(name="bitfit"), tmp_path / "b")
    out = tmp_path / "out"
    for kind, message in (("peft", "only lora, prefix_kv and pre_embed"), ("loralib", "only method lora")):
        assert message in refused(capsys, "export", tmp_path / "b", "--to", kind, "--out", out)
    assert "exists already" in refused(capsys, "export", place.adapter, "--to", "peft", "--out", place.peft)
    assert "not one of ours" not in refused(capsys, "export", place.pickle, "--to", "peft", "--out", out)
    tiny_folder("roberta", tmp_path / "other", seed=3)
    said = refused(capsys, "merge", place.adapter, "--model", tmp_path / "other", "--out", out)
    assert "was trained on backbone with weights" in said
    assert not out.exists()


def test_merge_refuses_what_a_plain_model_cannot_hold(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would be for a method that adds modules and has no `merge`."""
    from dataclasses import replace

    from lora_repro.methods import registry

    monkeypatch.setitem(registry.METHODS, "lora", replace(registry.METHODS["lora"], merge=None))
    said = refused(capsys, "merge", place.adapter, "--model", place.backbone, "--out", tmp_path / "out")
    assert "of method lora cannot be merged" in said and "lora_A' has no place in a RobertaFor" in said
    assert list(tmp_path.iterdir()) == []

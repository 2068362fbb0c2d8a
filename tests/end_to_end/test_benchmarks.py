"""The benchmark programs work: a few steps of every contender on tiny backbones. How fast they are is not tested."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lora_repro.overrides import config_dir
from tests.end_to_end.conftest import environment

CONTENDERS = ("trainer-plain", "trainer-tuned", "loralib", "ours")


def program(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A program of experiments/ as a module."""
    monkeypatch.syspath_prepend(config_dir().parent / "experiments")
    return importlib.import_module(name)


def run_program(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    code: int = module.main()
    return code


@pytest.mark.parametrize("contender", CONTENDERS)
def test_a_contender_trains_evaluates_and_reports(
    contender: str,
    tiny_bert: Path,
    toy_rte: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = program("bench_contenders", monkeypatch)
    monkeypatch.setattr(module, "WARM", 1)
    monkeypatch.setattr(module, "PROFILED", 2)
    profile = tmp_path / "profile.json"
    where = ("--model", tiny_bert, "--data", toy_rte, "--task", "rte", "--max-length", 32)
    assert run_program(module, monkeypatch, contender, *where, "--steps", 5, "--profile", profile) == 0
    own = module.Measured(**json.loads(capsys.readouterr().out.splitlines()[-1]))
    assert (own.contender, own.precision in ("fp32", "bf16")) == (contender, True)
    assert own.tokens_per_second > 0 and own.seconds_per_step > 0 and own.peak_memory_bytes > 0
    assert 0.3 < own.loss < 1.5 and 0 <= own.metric <= 1
    operations = json.loads(profile.read_text())
    assert operations["aten::addmm"] > 0


def test_the_table_is_made_of_processes_of_their_own(
    tiny_bert: Path,
    toy_rte: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = program("bench_training", monkeypatch)
    monkeypatch.setattr(module, "machine_peaks", lambda threads, device: {"fp32": 1e11, "bf16": 2e11})
    monkeypatch.setattr(module, "environment", lambda threads: environment(TRANSFORMERS_VERBOSITY="error"))
    small = ("--contenders", "trainer-tuned", "ours", "--repeats", 1, "--profile-steps", 0)
    sweep = ("--sweep", 1, "--sweep-steps", 2, "--jobs", 1)
    where = ("--model", tiny_bert, "--data", toy_rte, "--task", "rte", "--out", tmp_path / "bench")
    with pytest.raises(SystemExit):
        run_program(module, monkeypatch, *where, "--profile-steps", 15)
    assert "a profile takes 16 steps" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run_program(module, monkeypatch, *where, "--sweep-steps", 1)
    assert "are 2 at least" in capsys.readouterr().err
    assert run_program(module, monkeypatch, *where, *small, *sweep, "--epochs", 2) == 0
    shown = (tmp_path / "bench" / "training_rte_2.md").read_text()
    assert shown in capsys.readouterr().out
    assert "2 epochs of all training examples" in shown and "| trainer-tuned |" in shown and "| ours " in shown
    assert "Sweep: 1 runs of 2 steps" in shown
    kept = json.loads((tmp_path / "bench" / "training_rte_2.json").read_text())
    assert [own["contender"] for own in kept["measured"]] == ["trainer-tuned", "ours"]
    assert set(kept["sweeps"]) == {"trainer-tuned", "ours"} and min(kept["sweeps"].values()) > 0


def test_a_profile_shows_what_takes_a_hundredth_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    module = program("bench_training", monkeypatch)
    known = {
        "trainer-tuned": {"aten::mm": 60.0, "aten::bernoulli_": 39.0, "aten::item": 0.5},
        "loralib": {"aten::mm": 50.0, "aten::copy_": 0.4, "aten::item": 0.5},
        "ours": {"aten::mm": 20.0, "aten::copy_": 0.4},
    }

    def measure(_options: object, contender: str, _steps: int, _seed: int, *, profile: str) -> None:
        Path(profile).write_text(json.dumps(known[contender]))

    monkeypatch.setattr(module, "measure", measure)
    table = module.profile_table(module.parser().parse_args(["--model", "x", "--data", "y"]))
    assert table.columns == ["Operation", *known]
    assert table.rows == [
        ["aten::mm", "60.00", "50.00", "20.00"],
        ["aten::bernoulli_", "39.00", "", ""],
        ["aten::copy_", "", "0.40", "0.40"],  # 2 % of ours; item has less than 1 % of each
        ["all operations", "99.5", "50.9", "20.4"],
    ]


def test_another_size_has_its_width_and_depth_and_the_vocabulary(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = program("bench_training", monkeypatch)
    made = module.of_size(tiny_bert, "roberta-mini", tmp_path)
    config = json.loads((made / "config.json").read_text())
    assert (config["model_type"], config["hidden_size"], config["num_hidden_layers"]) == ("bert", 256, 6)
    assert module.block_parameters(made) == 6 * (4 * 256**2 + 2 * 256 * 1024)
    assert config["vocab_size"] == json.loads((tiny_bert / "config.json").read_text())["vocab_size"]


def test_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = program("bench_decoding", monkeypatch)
    small = ("--inputs", 2, "--beams", 2, "--most", 4, "--repeats", 1, "--out", tmp_path)
    assert run_program(module, monkeypatch, *small) == 0
    shown = (tmp_path / "decoding_gpt2-mini.md").read_text()
    assert "E2E (GENERATED)" in shown and "| ours " in shown and "| generate, input by input |" in shown

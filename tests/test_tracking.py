"""Tracking: W&B's mode is decided without a network, ids are stable, what is logged can be read back."""

from pathlib import Path

import pytest

from lora_repro import records, tracking
from lora_repro.compose import compose_run
from lora_repro.config import RunConfig

KEYS = ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR")


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


def config(*more: str) -> RunConfig:
    return compose_run(["model=minilm-l6", "method=lora", "task=mrpc", "recipe=mini", "tracker=wandb", *more])


@pytest.mark.parametrize(
    ("asked", "key", "variable", "mode"),
    [
        ("auto", None, None, "offline"),
        ("auto", "k", None, "online"),
        ("online", None, None, "offline"),
        ("online", "k", None, "online"),
        ("offline", "k", None, "offline"),
        ("disabled", "k", None, "disabled"),
        ("auto", "k", "offline", "offline"),
        ("online", "k", "disabled", "disabled"),
    ],
)
def test_without_a_key_nothing_goes_online(
    asked: str, key: str | None, variable: str | None, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    if variable:
        monkeypatch.setenv("WANDB_MODE", variable)
    assert tracking.wandb_mode(asked) == mode


def test_asking_for_online_without_a_key_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    tracking.wandb_mode("online")
    assert "there is no W&B key" in capsys.readouterr().out


def test_a_key_in_netrc_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine api.wandb.ai\n  login user\n  password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert tracking.wandb_mode("auto") == "online"


def test_tags_name_table_method_task_and_recipe() -> None:
    assert tracking.tags(config()) == ["lora", "mrpc", "mini"]
    paper = compose_run(["model=roberta-base", "method=lora", "task=rte", "recipe=paper"])
    assert tracking.tags(paper) == ["paper:table2", "lora", "rte", "paper"]
    texts = compose_run(["model=gpt2-medium", "method=lora", "task=webnlg", "recipe=paper"])
    assert tracking.tags(texts)[0] == "paper:table14"


def test_no_tracker_imports_nothing(tmp_path: Path) -> None:
    tracker = tracking.start(compose_run(["model=minilm-l6", "method=ft", "task=mrpc", "recipe=mini"]), tmp_path)
    tracker.log(1, {"train/loss": 1.0})
    tracker.finish({}, 0)
    assert list(tmp_path.iterdir()) == []


def test_an_offline_run_leaves_all_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    from tests.read_wandb import read

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = config("tracker.mode=offline", f"runs={tmp_path}")
    settings.study = "glue-minilm-l6"
    tracker = tracking.start(settings, tmp_path / "run")
    tracker.log(10, {"train/loss": 0.5})
    tracker.log(20, {"train/loss": 0.25, "eval/accuracy": 0.8})
    tracker.finish({"best/accuracy": 0.8}, 0)
    wandb.teardown()
    (folder,) = (tmp_path / "run").rglob("offline-run-*")
    content = read(next(folder.glob("run-*.wandb")))
    assert content.run_id == records.identity(settings)
    assert content.group == "glue-minilm-l6"
    assert content.tags == ["lora", "mrpc", "mini"]
    assert [(row["global_step"], row["train/loss"]) for row in content.history] == [(10, 0.5), (20, 0.25)]
    assert content.summary["best/accuracy"] == 0.8
    assert content.config["recipe"]["epochs"] == settings.recipe.epochs
    assert not list((tmp_path / "home").rglob("*wandb*"))

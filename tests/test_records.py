"""Records: identity of a run, writing that cannot be seen half done, reading that names what is wrong."""

import dataclasses
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lora_repro import records
from lora_repro.config import DataConfig, LoRAConfig, ModelConfig, RecipeConfig, RunConfig, TaskConfig, TrackerConfig
from lora_repro.errors import DataError
from lora_repro.records import Cost, Environment, Epoch, Parameters, Record, Split


def config() -> RunConfig:
    return RunConfig(
        model=ModelConfig(name="tiny", architecture="bert"),
        method=LoRAConfig(name="lora", r=8, alpha=16, dropout=0.0, targets=["W_q", "W_v"], init="kaiming"),
        task=TaskConfig(name="mrpc"),
        recipe=RecipeConfig(source="mini", lr=1e-3, epochs=3, batch_size=32, weight_decay=0.01, max_length=128),
        tracker=TrackerConfig(name="none"),
    )


def record() -> Record:
    epoch = Epoch(1, 10, 0.6, 0.5, {"accuracy": 0.8}, 0.8, False, 12.0)
    return Record(
        schema=records.SCHEMA,
        identity="0123456789ab",
        model="tiny",
        method="lora",
        task="mrpc",
        seed=0,
        config=records.science(config()),
        command="lora-repro run",
        headline_metric="accuracy",
        baseline=0.684,
        backbone_fingerprint="f" * 16,
        splits={"train": Split(3668, "local", "a" * 16)},
        parameters=Parameters(1, 2, 3),
        effective_batch=32,
        epochs=[epoch],
        best=epoch,
        last=epoch,
        cost=Cost(1.0, 1.0, 100, 100.0, 10**9),
        environment=Environment("cpu", "a processor, 2 cores", "fp32", 2, 1, {"torch": "2"}, "c" * 40, False),
        finished="2026-01-01T00:00:00+00:00",
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"tracker": TrackerConfig(name="wandb", project="other")},
        {"device": "cuda"},
        {"threads": 7},
        {"records": "elsewhere"},
        {"runs": "elsewhere"},
        {"study": "table2"},
        {"save_every_minutes": 1.0},
        {"model": ModelConfig(name="tiny", architecture="bert", path="/some/where", dims={"hidden_size": 8})},
    ],
)
def test_identity_does_not_depend_on_where_and_how_a_run_is_executed(changed: dict) -> None:
    assert records.identity(replace(config(), **changed)) == records.identity(config())


def test_identity_depends_on_every_science_setting() -> None:
    base = config()
    variants = [
        replace(base, seed=1),
        replace(base, precision="bf16"),
        replace(base, init_from="mnli/best.safetensors"),
        replace(base, model=replace(base.model, name="other")),
        replace(base, model=replace(base.model, revision="abc")),
        replace(base, task=replace(base.task, train_examples=100)),
    ]
    for part, skipped in (("method", {"name"}), ("recipe", set())):
        node = getattr(base, part)
        for item in dataclasses.fields(node):
            if item.name not in skipped:
                variants.append(replace(base, **{part: replace(node, **{item.name: _other(getattr(node, item.name))})}))
    names = [records.identity(variant) for variant in [base, *variants]]
    assert len(set(names)) == len(names) >= 25


def test_a_setting_added_later_does_not_rename_earlier_runs() -> None:
    @dataclass
    class LaterRecipe(RecipeConfig):
        label_smoothing: float = 0.0

    base = config()
    later = LaterRecipe(**dataclasses.asdict(base.recipe))
    assert records.identity(replace(base, recipe=later)) == records.identity(base)
    assert records.identity(replace(base, recipe=replace(later, label_smoothing=0.1))) != records.identity(base)


def test_a_record_survives_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "record.json"
    records.save(path, record())
    assert records.load(path) == record()
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]  # no temporary file is left


def test_a_write_that_fails_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    records.save(path, record())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        records.save(path, replace(record(), seed=1))
    assert records.load(path).seed == 0
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: "{", "not a record"),
        (lambda raw: "[]", "not a record"),
        (lambda raw: json.dumps({**raw, "schema": 99}), "schema 99, this version reads 1"),
        (lambda raw: json.dumps({k: v for k, v in raw.items() if k != "best"}), "KeyError: 'best'"),
        (lambda raw: json.dumps({**raw, "surprise": 1}), "surprise"),
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, damage, message: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(damage(dataclasses.asdict(record())))
    with pytest.raises(DataError, match=message) as caught:
        records.load(path)
    assert str(path) in str(caught.value)


def test_damaged_records_are_reported_and_the_others_kept(tmp_path: Path) -> None:
    records.save(tmp_path / "b" / "good.json", record())
    (tmp_path / "a.json").write_text("{")
    found, damaged = records.load_all(tmp_path)
    assert found == [record()]
    assert len(damaged) == 1
    assert "a.json" in damaged[0]


def test_two_configurations_never_share_a_place() -> None:
    base = config()
    other = replace(base, method=replace(base.method, alpha=8))
    assert records.place(base) != records.place(other)
    assert str(records.place(base)).startswith("mrpc/tiny/lora/s0-")


def _other(value: object) -> object:
    """A different value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, list):
        return [*value, "W_o"]
    if isinstance(value, dict):
        return {**value, "W_q": 4}
    return 3


def test_generated_data_make_another_run_and_real_data_keep_their_name() -> None:
    real, generated = config(), replace(config(), data=DataConfig(sources=["embedded"]))
    assert records.identity(real) != records.identity(generated)
    assert records.identity(replace(real, data=DataConfig(dir="somewhere", sources=["local"]))) == records.identity(
        real
    )
    assert "data" not in records.science(real)
    assert records.science(generated)["data"] == "embedded"

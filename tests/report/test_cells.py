"""A cell never mixes settings: groups, the rule that picks one, and what it says of the others."""

from dataclasses import replace
from typing import Any

import pytest

from lora_repro.records import Record, Split
from lora_repro.report import cells, settings
from lora_repro.report.cells import choose, groups
from lora_repro.report.glue_table import Grid, comparison
from tests.report.runs import run_of

RECIPE = {"recipe.lr": 1e-3, "recipe.epochs": 3, "method.r": 8, "task.train_examples": None}


@pytest.fixture(autouse=True)
def recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up backbone has no recipe in conf/: this is the one it names."""
    monkeypatch.setattr(settings, "_recipe", lambda *_: RECIPE)


def with_settings(run: Record, part: str, **values: Any) -> Record:
    """The run, made under other settings."""
    return replace(run, config={**run.config, part: {**run.config[part], **values}})


def runs(seeds: int, score: float = 0.8, **changes: Any) -> list[Record]:
    return [run_of("lora", "mrpc", seed, [score], **changes) for seed in range(seeds)]


SHORT = [with_settings(run, "recipe", epochs=1) for run in runs(2, 0.5)]
PART = [with_settings(run, "task", train_examples=100) for run in runs(5, 0.4)]
RANK = [with_settings(run, "method", r=64) for run in runs(5, 0.9)]


def test_runs_under_different_settings_are_never_mixed() -> None:
    newer = [replace(run, finished="2027-01-01T00:00:00+00:00") for run in SHORT]
    choice = choose([*newer, *runs(3)])
    assert [run.config["recipe"]["epochs"] for run in choice.runs] == [3, 3, 3]
    assert [group.seeds for group in choice.left_out] == [(0, 1)]


def test_a_run_from_before_a_setting_was_there_has_its_default() -> None:
    old, new = runs(1)[0], run_of("lora", "mrpc", 1, [0.8])
    known = with_settings(new, "recipe", beams=10, adam_eps_uncorrected=False)  # the schema's defaults
    assert choose([old, known]).group is not None and choose([old, known]).group.seeds == (0, 1)
    assert choose([old, with_settings(new, "recipe", adam_eps_uncorrected=True)]).left_out


def test_of_a_sweep_one_sentence_is_said() -> None:
    sweep = [with_settings(run, "method", r=r) for r in (1, 2, 4, 16, 32, 64) for run in runs(3)]
    swept = [with_settings(run, "task", train_examples=100) for run in sweep]
    (note,) = choose([*runs(2), *swept]).notes()
    assert note == "mrpc, lora: 18 runs under 6 other settings of r, training examples"


def test_the_rule() -> None:
    generated = [
        replace(run, splits={"train": Split(9, "embedded", "b" * 16)}) for run in runs(9)
    ]  # many seeds, but not of the task itself
    order = [runs(2), SHORT, RANK, PART, generated]
    mixed = [run for part in reversed(order) for run in part]
    assert [group.runs[0] for group in groups(mixed)] == [part[0] for part in order]


def test_more_seeds_come_before_an_unchanged_recipe_and_the_newest_settles_a_draw() -> None:
    assert choose([*runs(1), *SHORT]).runs == SHORT
    other = [with_settings(run, "recipe", epochs=9) for run in runs(2, finished="2027-01-01T00:00:00+00:00")]
    assert choose([*SHORT, *other]).runs == other


def test_weights_data_precision_and_start_separate_too() -> None:
    base = runs(1)[0]
    others = [
        replace(base, backbone_fingerprint="0" * 16),
        replace(base, splits={"train": Split(3668, "local", "b" * 16)}),
        replace(base, environment=replace(base.environment, precision="bf16")),
        replace(base, config={**base.config, "init_from": "s0-0123456789ab/best.safetensors"}),
    ]
    assert len(groups([base, *others])) == 5
    started = [replace(base, seed=seed, config={**base.config, "seed": seed, "init_from": f"s{seed}-{seed}/best.x"})
               for seed in (0, 1)]  # fmt: skip
    assert [group.seeds for group in groups(started)] == [(0, 1)]


def test_what_was_left_out_is_said_with_both_values() -> None:
    notes = comparison(Grid([*runs(3), *SHORT, *RANK], "tiny", "mini"), seeds=3).notes
    assert notes[-1] == (
        "Left out: mrpc, lora: 2 runs with epochs 1 (shown: 3); mrpc, lora: 5 runs with r 64 (shown: 8)."
    )
    assert not any("Left out" in note for note in comparison(Grid(runs(3), "tiny", "mini"), seeds=3).notes)
    assert cells.difference(*groups([runs(1)[0], replace(runs(1)[0], backbone_fingerprint="0")])) == "other weights"


def test_cells_of_one_column_that_saw_other_data_are_marked_and_not_compared() -> None:
    part = [
        replace(run_of("ft", "mrpc", seed, [0.99]), splits={"train": Split(100, "local", "c" * 16)})
        for seed in range(3)
    ]
    bitfit = [run_of("bitfit", "mrpc", seed, [0.7]) for seed in range(3)]
    table = comparison(Grid([*runs(3), *part, *bitfit], "tiny", "mini"), seeds=3)
    assert [row[0] for row in table.rows[:3]] == ["ft", "bitfit", "lora"]
    assert table.rows[0][2].endswith("[other data]")
    assert table.bold == {(2, 2)}


def test_changes_are_counted_against_the_recipe() -> None:
    assert settings.changes(runs(1)[0]) == {}
    assert settings.changes(PART[0]) == {"task.train_examples": 100}
    assert settings.recipe_value(PART[0], "recipe.epochs") == 3
    assert settings.say({"recipe.lr": 1e-3, "task.train_examples": None}) == "lr 0.001, training examples all"


def test_a_setting_that_came_after_a_run_has_its_default() -> None:
    new = run_of("lora", "rte", 0, [0.8])
    old = replace(new, config={**new.config, "recipe": {k: v for k, v in new.config["recipe"].items() if k != "beams"}})
    assert settings.settings_of(old)["recipe.beams"] == 10
    assert settings.settings_of(replace(old, method="of-another-checkout"))["recipe.beams"] == 10

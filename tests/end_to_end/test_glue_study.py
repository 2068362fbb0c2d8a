"""The verb glue: says what it will do, does what is missing, goes on past a failure, ends with the table."""

import subprocess
import sys
from pathlib import Path

import pytest

from lora_repro.cli import main
from tests.end_to_end.conftest import environment, write_backbone, write_rte


@pytest.fixture
def arguments(tiny_bert: Path, toy_rte: Path, tmp_path: Path) -> list[str]:
    settings = {
        "model": "minilm-l6",
        "model-path": tiny_bert,
        "data": toy_rte,
        "tasks": "rte",
        "methods": "bitfit lora",
        "seeds": "0 1",
        "recipe": "mini",
        "records": tmp_path / "records",
        "runs": tmp_path / "runs",
    }
    extra = ["recipe.epochs=1", "recipe.max_length=32", f"data.cache={tmp_path / 'cache'}"]
    return ["glue", *(f"--{key}={value}" for key, value in settings.items()), *extra]


def test_plan_run_table_and_nothing_twice(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--dry"]) == 0
    planned = capsys.readouterr().out
    assert "4 runs of minilm-l6, recipe mini: 0 done, 4 to do" in planned
    assert not (tmp_path / "records").exists()

    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "[4/4] rte/minilm-l6/lora/s1-" in shown
    assert "the rest is ready in about" in shown
    assert "### GLUE development sets, minilm-l6, recipe mini" in shown
    assert "Seeds: 0, 1" in shown
    for name in ("md", "tex", "csv"):
        assert (tmp_path / "tables" / f"glue_minilm-l6_mini.{name}").exists()
    table = (tmp_path / "tables" / "glue_minilm-l6_mini.md").read_text()
    assert "| lora " in table
    assert "(2)" in table
    assert "| constant answer" in table

    assert main(arguments) == 0
    again = capsys.readouterr().out
    assert "4 runs of minilm-l6, recipe mini: 4 done, 0 to do" in again
    assert "[1/" not in again


def test_a_failing_run_does_not_stop_the_others(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = write_rte(tmp_path / "data")
    (broken / "MRPC").mkdir()
    (broken / "MRPC" / "train.tsv").write_text("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n7\t1\t2\ta\tb\n")
    changed = [a for a in arguments if not a.startswith(("--data", "--tasks", "--seeds"))]
    code = main([changed[0], f"--data={broken}", "--tasks=mrpc rte", "--seeds=0", *changed[1:]])
    shown = capsys.readouterr().out
    assert code == 1
    assert shown.count("FAILED: DataError") == 2
    assert "failed: mrpc/minilm-l6/bitfit/s0-" in shown
    assert len(list((tmp_path / "records" / "rte").rglob("*.json"))) == 2
    assert len(list((tmp_path / "runs" / "mrpc").rglob("failed.txt"))) == 2


def test_two_processes_side_by_side_run_everything_once(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lora_repro.cli", *arguments, "--jobs=2"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((tmp_path / "records").rglob("*.json"))) == 4
    assert "### GLUE development sets" in done.stdout


@pytest.mark.parametrize(
    ("model", "methods", "source"),
    [
        ("roberta-base", "ft bitfit lora", "paper"),
        ("deberta-v2-xxlarge", "lora", "paper"),
        ("minilm-l6", "all", "mini"),
    ],
)
def test_without_a_recipe_the_first_source_that_has_all_is_taken(
    model: str, methods: str, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"--model={model}", f"--methods={methods}", f"--records={tmp_path}", "--seeds=0", "--dry"]
    assert main(["glue", *arguments]) == 0
    assert f"of {model}, recipe {source}: 0 done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("--seeds=0 x", "--seeds must be whole numbers"),
        ("--tasks=", "--tasks is empty"),
        ("--tasks=rte glue", "glue"),
        ("--methods=lorra", "lorra"),
        ("--recipe=official", "recipe"),
    ],
)
def test_wrong_arguments_start_nothing(
    arguments: list[str], changed: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, changed]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert not (tmp_path / "records").exists()


def test_everything_works_from_a_path_with_blanks_and_quotes(tmp_path: Path) -> None:
    odd = tmp_path / "it's a (folder)"
    backbone, data = write_backbone(odd / "back bone"), write_rte(odd / "data")
    code = main(
        [
            "glue",
            "--model=minilm-l6",
            f"--model-path={backbone}",
            f"--data={data}",
            "--tasks=rte",
            "--methods=bitfit",
            "--seeds=0",
            "--recipe=mini",
            f"--records={odd / 'rec'}",
            f"--runs={odd / 'runs'}",
            f"--tables={odd / 'tables'}",
            "recipe.epochs=1",
            "task.train_examples=32",
            "data.cache=" + str(tmp_path / "c"),
        ]
    )
    assert code == 0
    assert len(list((odd / "rec").rglob("*.json"))) == 1

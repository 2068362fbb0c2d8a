"""The Hydra application, as a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.items import MINI

APPLICATION = """
import sys
from lora_repro.compose import hydra_application
from lora_repro.errors import DataError, UserError

def run(config, overrides):
    if config.seed == 13:
        raise DataError("train.tsv line 13: unlucky")
    print("ran", config.task.name, config.seed, sorted(overrides))

try:
    hydra_application(run)
except UserError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


def application(tmp_path: Path, *items: str) -> subprocess.CompletedProcess[str]:
    """The Hydra application with a run that only prints."""
    (tmp_path / "application.py").write_text(APPLICATION)
    command = [sys.executable, "application.py", *items]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)


def test_the_hydra_application_runs_and_leaves_no_files(tmp_path: Path) -> None:
    done = application(tmp_path, *MINI, "seed=3")
    assert done.returncode == 0, done.stderr
    assert f"ran rte 3 {sorted([*MINI, 'seed=3'])}" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"application.py"}


def test_the_hydra_application_over_several_values(tmp_path: Path) -> None:
    done = application(tmp_path, "--multirun", *MINI[:2], "task=rte,mrpc", "recipe=mini", "seed=range(2)")
    assert done.returncode == 0, done.stderr
    ran = [line[:10].strip() for line in done.stdout.splitlines() if line.startswith("ran")]
    assert ran == ["ran rte 0", "ran rte 1", "ran mrpc 0", "ran mrpc 1"]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([*MINI, "method.rank=4"], "error: no setting method.rank"),
        ([*MINI, "seed=0,1"], "error: seed=0,1: one run takes one value"),
        ([*MINI, "recipe.warmup_steps=5"], "are both set"),
        (["--multirun", *MINI[:2], "task=rte,mprc"], "error: task: no 'mprc'"),
        ([*MINI, "seed=13"], "error: train.tsv line 13: unlucky"),
    ],
)
def test_the_hydra_application_says_what_is_wrong_in_one_line(tmp_path: Path, items: list[str], message: str) -> None:
    done = application(tmp_path, *items)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert "ran" not in done.stdout

"""Notebooks run from top to bottom and are committed with what they show."""

import json
from pathlib import Path

import pytest

from lora_repro.errors import DataError
from lora_repro.report.notebooks import execute, main

pytest.importorskip("nbclient", reason="nbclient is not installed: it executes the notebooks (extra notebooks)")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: it executes the notebooks (extra notebooks)")

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_the_notebooks_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["analysis", "data_to_text", "glue", "parameters"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_is_committed(path: Path) -> None:
    executed, committed = json.loads(execute(path)), json.loads(path.read_text())
    assert [cell["source"] for cell in executed["cells"]] == [cell["source"] for cell in committed["cells"]]
    code = [cell for cell in committed["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] for cell in code), "committed without outputs: make notebooks"
    assert executed == committed


def test_a_cell_that_raises_is_an_error_with_its_reason(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "1 / 0", "execution_count": None, "outputs": []}
    (tmp_path / "bad.ipynb").write_text(
        json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    with pytest.raises(DataError, match="ZeroDivisionError"):
        main([str(tmp_path)])
    with pytest.raises(DataError, match="no notebooks"):
        main([str(tmp_path / "none")])

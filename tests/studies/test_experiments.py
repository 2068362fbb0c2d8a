"""experiments/: one short program for each table and figure that trains, and each is its study."""

import ast
import re
from pathlib import Path

import pytest

from lora_repro.overrides import config_dir
from lora_repro.studies.files import names

FOLDER = config_dir().parent / "experiments"
PROGRAMS = sorted([*FOLDER.glob("table*_*.py"), *FOLDER.glob("figure2_*.py")])


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_says_what_how_much_and_how(path: Path) -> None:
    study = path.stem.partition("_")[0]
    text = path.read_text()
    doc = ast.get_docstring(ast.parse(text)) or ""
    assert re.match(rf"{study[: -len(study.lstrip('abcdefghijklmnopqrstuvwxyz'))].capitalize()} \d+: ", doc)
    assert re.search(r"Cost:\s", doc) and f"make {study}" in doc and f"python experiments/{path.name}" in doc
    assert "The paper" in doc and f'main(["{study}"' in text


def test_there_is_one_for_each_study_of_the_paper() -> None:
    studies = [name for name in names() if name.startswith(("table", "figure"))]
    ours = [path.stem.partition("_")[0] for path in PROGRAMS if 'main(["' in path.read_text()]
    assert sorted(ours) == sorted(studies) and len(ours) == 11

"""Records of analyses: what is written is read back, a damaged file is named, a record is not made twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from lora_repro.analysis.record import decode, identity, keep, load, load_all, record_path, save
from lora_repro.analysis.results import KINDS, Bytes, Latency, Result, Timing
from lora_repro.errors import DataError
from tests.analysis.examples import EXAMPLES, PLACE, record


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back_as_it_went(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    save(path, record(kind, step=1))
    assert load(path) == record(kind, step=1)
    assert isinstance(load(path).result, KINDS[kind])


def test_rows_of_a_matrix_are_lines(tmp_path: Path) -> None:
    save(tmp_path / "x.json", record("subspaces"))
    text = (tmp_path / "x.json").read_text()
    assert "[0.7, 0.2, 0.2, 0.2]" in text and text.count("\n") < 400


def test_an_analysis_is_made_once(tmp_path: Path) -> None:
    made = []

    def make() -> Result:
        made.append(1)
        return EXAMPLES["latency"]

    first, path = keep(tmp_path, "latency", "x", {"batch": 1}, make, lambda: PLACE, "command")
    again, same = keep(tmp_path, "latency", "x", {"batch": 1}, make, lambda: PLACE, "another")
    assert (again, same, len(made)) == (first, path, 1)
    keep(tmp_path, "latency", "x", {"batch": 2}, make, lambda: PLACE, "command")
    assert len(made) == 2
    assert path == record_path(tmp_path, "latency", "x", {"batch": 1}) and path.parent.name == "latency"
    assert identity("latency", {"a": 1, "b": 2}) == identity("latency", {"b": 2, "a": 1})
    assert identity("latency", {"a": 1}) != identity("memory", {"a": 1})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 99}, "schema 99, this version reads 1"),
        ({"kind": "lateness"}, "KeyError: 'lateness'"),
        ({"result": 3}, "Latency cannot be made of 3"),
    ],
)
def test_a_damaged_file_is_named(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    save(tmp_path / "good.json", record("latency"))
    raw = json.loads((tmp_path / "good.json").read_text())
    (tmp_path / "bad.json").write_text(json.dumps(raw | change))
    with pytest.raises(DataError, match="bad.json.*" + says):
        load(tmp_path / "bad.json")
    found, damaged = load_all(tmp_path)
    assert len(found) == 1 and len(damaged) == 1 and "bad.json" in damaged[0]


def test_decoding_refuses_other_types() -> None:
    raw: dict[str, Any] = {"variant": "base", "r": 0, "parameters": 0, "seconds": [1, 2.5]}
    assert decode(Timing, raw) == Timing("base", 0, 0, [1.0, 2.5])
    with pytest.raises(TypeError, match=r"expected int, got 0\.5"):
        decode(Timing, raw | {"r": 0.5})
    with pytest.raises(TypeError, match="expected list"):
        decode(Timing, raw | {"seconds": "1"})
    with pytest.raises(TypeError, match="Timing cannot be made"):
        decode(Timing, raw | {"extra": 1})
    assert decode(Latency | None, None) is None  # type: ignore[arg-type]
    assert decode(Bytes, {"weights": 1, "gradients": 2, "optimiser": 3, "activations": 4}).total == 10

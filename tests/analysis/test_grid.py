"""A latency grid: finished cells are not timed again, and a budget leaves out what does not fit, by name."""

from pathlib import Path

import pytest

from lora_repro.analysis.grid import FIGURE5, GRIDS, TABLE1, Cell, Conditions, measure_grid
from lora_repro.config import AdapterConfig
from lora_repro.errors import ConfigError
from tests.tiny_backbones import lora, tiny_config

CELLS = [Cell(2, 6, (("adapter_l", 2),)), Cell(1, 4, (("adapter_l", 2),))]


def adapter(name: str, r: int) -> AdapterConfig:
    return AdapterConfig(name, r, "relu", 0.02)


def test_the_papers_grids() -> None:
    assert [(batch, length) for batch, length, _ in TABLE1] == [(1, 128), (16, 256), (32, 512)]
    assert len(FIGURE5) == 18 and len({(batch, length) for batch, length, _ in FIGURE5}) == 18
    assert all(r in (10, 100, 250) for *_, sizes in FIGURE5 for _, r in sizes) and set(GRIDS) == {"table1", "figure5"}


def test_cells_are_kept_and_left_out_by_name(tmp_path: Path) -> None:
    said: list[str] = []

    def call(**changes: float) -> int:
        said.clear()
        conditions = Conditions(trials=4, warmup=0, **changes)  # type: ignore[arg-type]
        return len(
            measure_grid(tiny_config("gpt2"), CELLS, conditions, lora(), adapter, tmp_path, "command", said.append)
        )

    assert call(minutes=0.0) == 0
    assert [line.split(":")[0] for line in said] == ["tiny-gpt2-fp32-b1-t4", "tiny-gpt2-fp32-b2-t6"]  # smallest first
    assert all("left out" in line and "call again" in line for line in said)
    assert call() == 2
    files = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert len(files) == 2
    assert call() == 2 and {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == files
    assert not any("a pass" in line for line in said)  # nothing was timed
    next(iter(files)).unlink()
    assert call() == 2 and len(list(tmp_path.rglob("*.json"))) == 2


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        (Conditions(precision="fp8"), "--precision fp8 is not one of fp32, bf16"),
        (Conditions(device="cuda"), "--device cuda"),
    ],
)
def test_mistakes(conditions: Conditions, says: str, tmp_path: Path) -> None:
    import torch

    if conditions.device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match=says):
        measure_grid(tiny_config("gpt2"), CELLS, conditions, lora(), adapter, tmp_path, "c", print)


def test_a_length_beyond_the_positions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--length 99 is more than the 40 positions of tiny-gpt2"):
        measure_grid(
            tiny_config("gpt2"), [Cell(1, 99, ())], Conditions(), lora(), adapter, tmp_path, "command", print
        )  # fmt: skip

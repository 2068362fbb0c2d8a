"""The figure of score over parameters: one panel a backbone and task, the same file from the same records."""

from dataclasses import replace
from pathlib import Path

from lora_repro.records import Parameters, Split
from lora_repro.report.tradeoff import draw
from tests.test_records import record

GENERATED = {"train": Split(10, "embedded", "a" * 16)}


def test_every_method_and_task_is_there_and_generated_data_are_named(tmp_path: Path) -> None:
    runs = [
        replace(record(), task=task, method=method, parameters=Parameters(size, 2, 10**6), splits=GENERATED)
        for task in ("mrpc", "sst2")
        for method, size in (("lora", 49_152), ("bitfit", 17_152), ("ft", 6_902_528))
    ]
    svg, png = draw(runs, tmp_path / "deep" / "tradeoff")
    text = svg.read_text()
    for word in ("GENERATED DATA", "mrpc, tiny", "sst2, tiny", ">LoRA<", ">BitFit<", ">FT<", "constant answer"):
        assert word in text, word
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    before = svg.read_bytes()
    assert draw(runs, tmp_path / "deep" / "tradeoff")[0].read_bytes() == before
    assert "real data" in draw([record()], tmp_path / "one")[0].read_text()

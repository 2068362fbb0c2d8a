"""The paper's tables in the package are the reference transcription, cell by cell."""

import json
from pathlib import Path
from typing import Any

import pytest

from lora_repro.errors import DataError
from lora_repro.report.paper import PaperTable, Value, paper_table, parse
from lora_repro.report.paper.facts import FACTS

COLUMN = {  # of Table 7, which is laid out differently
    "dWq": ("UV_from", "dWq"), "Wq": ("UV_from", "Wq"), "random": ("UV_from", "random"),
}  # fmt: skip
CELLS = {"1": 9, "2": 126, "3": 60, "4": 40, "5": 14, "6": 30, "8": 4, "13": 33, "14": 99, "15": 60, "16": 16, "18": 66}


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, Any]:
    return dict(json.loads((shared / "paper" / "tables.json").read_text())["tables"])


def settings_of(number: str, row: dict[str, Any]) -> str:
    if number in ("5", "6"):
        return f"{row['weights']} r={row['r']}".replace("W", "W_").replace(",", " ")
    if number == "18":
        return f"r={row['r']}"
    return row["hyperparameters"].replace(",", " ").replace("-", "") if number == "15" else ""


@pytest.mark.parametrize("number", CELLS)
def test_every_cell_is_the_transcriptions(number: str, reference: dict[str, Any]) -> None:
    ours: list[tuple[object, ...]] = [
        (r.model, r.method, r.params, r.settings, r.prior_work, r.dagger, metric, v.value, v.spread, v.note)
        for r in paper_table(number).rows
        for metric, v in r.values.items()
    ]
    theirs = [
        (
            *(row["model"], row["method"], row.get("params_printed") or "", settings_of(number, row)),
            *(bool(row.get("from_prior_work")), bool(row.get("houlsby_setup_dagger"))),
            *(row["metric"], row["mean"], row.get("std"), row.get("slowdown_printed") or ""),
        )
        for row in reference[f"table{number}"]["rows"]
    ]
    assert len(ours) == CELLS[number]
    assert sorted(map(str, ours)) == sorted(map(str, theirs))


def test_table_7_is_the_transcriptions(reference: dict[str, Any]) -> None:
    table, theirs = paper_table("7"), reference["table7"]
    cells = {(r["r"], r["UV_from"]): r["value"] for r in theirs["rows"]}
    for row in table.rows:
        r = int(row.settings.removeprefix("r="))
        assert {name: row.values[name].value for name in COLUMN} == {name: cells[r, name] for name in COLUMN}
        assert row.values["norm_Wq"].value == theirs["norms"]["||Wq||_F"]
        assert row.values["norm_dWq"].value == theirs["norms"][f"||dWq||_F r={r}"]
    assert len(table.rows) == 2


def test_prints_are_kept_as_printed(reference: dict[str, Any]) -> None:
    for number in ("2", "3", "13", "14"):
        printed = {row["printed"].lstrip("0") for row in reference[f"table{number}"]["rows"]}
        ours = {value.printed.lstrip("0") for row in paper_table(number).rows for value in row.values.values()}
        assert ours == printed


def test_averages_of_table_2_are_those_of_the_rows_but_for_rounding() -> None:
    rows = paper_table("2").rows
    for row in rows:
        eight = [value.value for metric, value in row.values.items() if metric != "Avg"]
        assert len(eight) == 8
        assert row.values["Avg"].value == pytest.approx(sum(eight) / 8, abs=0.0501)
    assert len(rows) == 14


def test_what_may_lie_beside_a_print() -> None:
    assert parse("87.1±.0") == Value(87.1, 0.0, "87.1±.0")
    assert parse("87.1±.0").tolerance == pytest.approx(0.05)
    assert parse("23.9±2.1 (+20.7%)") == Value(23.9, 2.1, "23.9±2.1", "+20.7%")
    assert parse("0.39").tolerance is None
    with pytest.raises(DataError, match="88,1"):
        parse("88,1")


def test_every_table_of_results_has_facts_and_a_row_is_found_by_name() -> None:
    tables: list[PaperTable] = [paper_table(number) for number in FACTS]
    assert len(tables) == 13
    assert all(table.rows and table.facts.title and table.facts.statistic for table in tables)
    assert paper_table("6").row("GPT-3 175B", "LoRA", "W_q W_v r=8").values["WikiSQL"].value == 73.8
    with pytest.raises(KeyError, match="no row"):
        paper_table("2").row("RoBERTa base", "PreLayer")

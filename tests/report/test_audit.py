"""The parameter audit: every print is a row, verdicts follow a rule, counts are of models that were really built."""

import csv
from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_HALF_UP
from pathlib import Path

import pytest

from lora_repro.report.audit import Line, audit, prints, table
from lora_repro.report.audit_rows import ROWS, AuditRow
from lora_repro.report.layout import Table

ROOT = Path(__file__).parents[2]

SAMPLE = [  # (method, settings, model) -> known value, one of each kind
    ("adapter_l", {"r": 6}, "gpt2-medium", 368_784),
    ("adapter_h", {"r": 112}, "gpt2-medium", 11_064_576),
    ("ft_top2", {}, "gpt2-medium", 25_192_448),
    ("lora", {"r": 4, "targets": ["W_q", "W_v"]}, "gpt2-medium", 393_216),
    ("adapter_p", {"r": 64}, "roberta-large", 3_171_840),
    ("adapter_d", {"r": 48, "dropped": 8}, "roberta-base", 298_176),
    ("lora", {"r": 16, "targets": ["W_q", "W_v"]}, "deberta-v2-xxlarge", 4_718_592),
    ("pre_embed", {"l_p": 256, "l_i": 8}, "gpt3-175b", 3_244_032),
    ("ft", {}, "gpt3-175b", 174_604_259_328),
]


def test_sampled_counts_of_built_models_equal_formula_and_known_value() -> None:
    chosen = [
        next(row for row in ROWS if (row.method, row.settings, row.model) == (method, settings, model))
        for method, settings, model, _ in SAMPLE
    ]
    lines = audit(chosen)
    assert [line.counted for line in lines] == [known for *_, known in SAMPLE]
    assert [line.formula for line in lines] == [known for *_, known in SAMPLE]


def test_the_committed_audit_has_every_row_and_no_difference() -> None:
    text = (ROOT / "results" / "tables" / "parameters.csv").read_text().splitlines()
    assert len(text) == len(ROWS) + 1
    assert "DIFFERS" not in "".join(text)
    assert f"{len(ROWS)} of {len(ROWS)} counts equal" in (ROOT / "results" / "tables" / "parameters.md").read_text()


def test_the_committed_audit_is_one_table_in_three_forms() -> None:
    form = {kind: (ROOT / "results" / "tables" / f"parameters.{kind}").read_text() for kind in ("csv", "md", "tex")}
    columns, *rows = csv.reader(form["csv"].splitlines())
    title, *lines = form["md"].splitlines()
    notes = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    made = Table(title.removeprefix("### "), notes, columns, rows)
    assert (made.csv(), made.markdown(), made.latex()) == (form["csv"], form["md"], form["tex"])


def test_rows_cover_the_tables_that_print_counts() -> None:
    tables = {table for row in ROWS for table in row.table.split(", ")}
    assert tables == {"1", "2", "3", "4", "5", "13", "14", "15"}
    assert len(ROWS) >= 60


@pytest.mark.parametrize(
    ("count", "printed", "rounded", "truncated"),
    [
        (294_912, "0.3M", True, False),
        (18_874_368, "18.8M", False, True),
        (18_874_368, "18M", False, True),
        (11_089_152, "11.09M", True, False),
        (174_604_259_328, "175,255.8M", False, False),
        (37_748_736, "37.7M", True, True),
    ],
)
def test_what_a_print_says(count: int, printed: str, rounded: bool, truncated: bool) -> None:
    assert prints(count, printed, ROUND_HALF_UP) is rounded
    assert prints(count, printed, ROUND_DOWN) is truncated


def test_verdicts() -> None:
    row = AuditRow("2", "m", "lora", {}, "0.3M")
    line = Line(row, counted=294_912, matrices=294_912, formula=294_912, head=0)
    assert line.verdict == "exact"
    assert replace(line, row=replace(row, printed="0.2M")).verdict == "equal as printed (truncated)"
    assert replace(line, counted=150_000).verdict == "DIFFERS"
    assert replace(line, row=replace(row, underivable="why")).verdict == "cannot be derived (why)"
    mebi = replace(row, printed="3.0M", weights_only_in_mebi=True)
    assert Line(mebi, 3_171_840, 3_145_728, 3_171_840, 0).verdict.startswith("equal as printed (matrices only")
    assert (
        Line(mebi, 3_171_840, 3_171_840, 3_171_840, 0).verdict == "equal as printed (matrices only, in units of 2^20)"
    )
    assert Line(mebi, 3_171_840, 3_400_000, 3_171_840, 0).verdict == "DIFFERS"


def test_what_is_said_to_be_underivable_is_not_printed_by_the_count() -> None:
    for line in audit([row for row in ROWS if row.underivable and row.model == "gpt2-medium"]):
        assert not prints(line.counted, line.row.printed, ROUND_HALF_UP), line.row


def test_checkpoint_sizes_of_section_4_2() -> None:
    wanted = [("ft", {}), ("lora", {"r": 4, "targets": ["W_q", "W_v"]})]
    rows = [row for row in ROWS if row.model == "gpt3-175b" and (row.method, row.settings) in wanted]
    text = " ".join(table(audit(rows)).notes)
    assert "349.2 GB" in text
    assert "37.7 MB = 36.0 MiB" in text

"""Tables and claims of the analyses from records made by hand: closed forms, missing cells, verdicts that can turn."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, ttest_1samp

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.analysis.results import Bytes, Latency, Memory, MethodMemory
from lora_repro.report.analysis.slowdown import interval, slowdown
from lora_repro.report.analysis.tables import tables_of
from lora_repro.report.audited import Audited
from lora_repro.report.claims import Finding, Outcome
from lora_repro.report.claims.evidence import Evidence
from lora_repro.report.claims.registry import CLAIMS
from tests.analysis.examples import amplifications, latency, memory, record, subspaces, switching

HOLDS, FAILS, OPEN = Finding.HOLDS, Finding.FAILS, Finding.UNDECIDED
BY_NAME = {claim.name: claim for claim in CLAIMS}
OURS = ("A1", "A2", "A3", "A4", "A5", "A6", "E3", "F1", "F2", "F3", "F4", "F5", "F6")

NAME = "gpt2-medium_fp32_cpu1"  # of the examples' latency tables


def outcomes(name: str, records: Sequence[AnalysisRecord]) -> list[Outcome]:
    return BY_NAME[name].outcomes(Evidence((), Audited(()), tuple(records)))


def verdicts(records: Sequence[AnalysisRecord]) -> dict[str, Finding]:
    return {name: outcomes(name, records)[0].finding for name in OURS}


def test_a_slowdown_is_the_median_of_the_rounds_ratios() -> None:
    cell = latency(slow=1.3)
    assert [round(slowdown(cell, timing).percent, 6) for timing in cell.timings] == [0, 0, 20, 30, 60]
    uneven = replace(cell.timings[3], seconds=[0.011, 0.011, 0.024])  # ratios 1.1, 1.0, 2.0
    own = slowdown(cell, uneven)
    student = ttest_1samp([10, 0, 100], 0).confidence_interval(0.95)
    assert own.percent == pytest.approx(10) and (own.low, own.high) == pytest.approx(tuple(student))
    assert str(own) == "+10.0 % [-100.1, +173.5]"


@pytest.mark.parametrize("rounds", [6, 9, 17, 100])
def test_from_six_rounds_on_the_interval_is_that_of_order_statistics(rounds: int) -> None:
    values = np.random.default_rng(rounds).permutation(rounds) + 1.0
    low, high = interval(values)
    below = int(low) - 1  # values that the interval leaves out at each end
    assert high == rounds - below
    outside = [2 * binom.cdf(k, rounds, 0.5) for k in (below, below + 1)]  # that the median is outside of either end
    assert outside[0] <= 0.05 < outside[1]


def test_one_round_says_nothing_of_the_spread() -> None:
    assert interval(np.array([1.2])) == (-np.inf, np.inf)


def test_table_1_has_the_papers_columns_and_says_what_is_missing() -> None:
    tables = tables_of([record("latency", latency(1, 128)), record("latency", latency(16, 256, 1.1))])
    table = tables["table1_gpt2-medium_fp32_cpu1"]
    assert table.columns[1::2] == ["b = 32, t = 512 (ms)", "b = 16, t = 256 (ms)", "b = 1, t = 128 (ms)"]
    rows = {row[0]: row for row in table.rows}
    assert rows["Adapter^L"] == [
        "Adapter^L", "-- (0)", "1482.0±1.0 (+2.2%)",
        "12.1 (+10.0 % [+10.0, +10.0], r = 224)", "354.8±0.5 (+5.0%)",
        "14.3 (+30.0 % [+30.0, +30.0], r = 224)", "23.9±2.1 (+20.7%)",
    ]  # fmt: skip
    assert rows["Fine-Tune"][5] == "11.0 (n = 3)"
    assert "base model's operations in 2 of 2 cells" in " ".join(table.notes)
    assert len(tables["latency_gpt2-medium_fp32_cpu1_details"].rows) == 10


def test_a_cell_measured_again_by_block_takes_the_other_ones_place_and_says_so() -> None:
    by_block = replace(latency(16, 256, 1.05), turns="block")
    older, small = record("latency", latency(16, 256, 1.5)), record("latency", latency(1, 128))
    newer = replace(record("latency", by_block, turns="block"), finished="2026-11-23T00:00:00")
    for records in ([older, newer, small], [newer, small, older]):
        tables = tables_of(records)
        table, details = tables[f"table1_{NAME}"], tables[f"latency_{NAME}_details"]
        assert table.rows[3][3].startswith("11.5 (+5.0 %") and len(details.rows) == 10
        assert "at 16 x 256 a pass estimated from every 6th block" in " ".join(table.notes)
    assert "6th block" not in " ".join(tables_of([older])[f"table1_{NAME}"].notes)


def test_machines_and_precisions_have_tables_of_their_own() -> None:
    records = [record("latency"), record("latency", precision="bf16"), record("latency", machine="another")]
    assert {name for name in tables_of(records) if name.startswith("table1")} == {
        "table1_gpt2-medium_bf16_cpu1", "table1_gpt2-medium_fp32_cpu1", "table1_gpt2-medium_fp32_cpu1_machine2",
    }  # fmt: skip


def test_claims_about_latency_turn_with_the_numbers() -> None:
    good = [record("latency", latency(*size, slow)) for *size, slow in ((1, 128, 1.2), (16, 256, 1.1), (32, 512, 1.02))]
    assert {key: verdicts(good)[key] for key in ("A1", "A2", "A3", "A4", "A5")} == {
        "A1": HOLDS, "A2": HOLDS, "A3": HOLDS, "A4": HOLDS, "A5": HOLDS,
    }  # fmt: skip
    flat = [record("latency", latency(*size, 1.1)) for size in ((1, 128), (32, 512))]
    assert (verdicts(flat)["A2"], verdicts(flat)["A4"]) == (OPEN, FAILS)  # neither shrinks nor clearly grows
    grows = [record("latency", latency(1, 128, 1.1)), record("latency", latency(32, 512, 1.2))]
    assert verdicts(grows)["A2"] == FAILS
    other = latency()
    changed = replace(other, same_operations=False, timings=[other.timings[i] for i in (0, 1, 2, 3)])
    found = verdicts([record("latency", changed)])
    assert (found["A5"], found["A1"], found["A2"]) == (FAILS, OPEN, OPEN)
    faster_H = replace(other, timings=[*other.timings[:4], replace(other.timings[4], seconds=[0.0101, 0.0111, 0.0121])])
    assert verdicts([record("latency", faster_H)])["A3"] == FAILS
    noisy = replace(other.timings[4], seconds=[0.009, 0.013, 0.020])
    assert verdicts([record("latency", replace(other, timings=[*other.timings[:4], noisy]))])["A1"] == OPEN


def with_inserted(cell: Latency, share_L: float, share_H: float) -> Latency:
    """The cell, its adapters' passes with so large a share in adapter layers."""
    shares = {"adapter_l": share_L, "adapter_h": share_H}
    timings = [
        replace(own, inserted=[shares[own.variant] * second for second in own.seconds])
        if own.variant in shares else own
        for own in cell.timings
    ]  # fmt: skip
    return replace(cell, timings=timings)


def test_time_within_the_pass_decides_where_every_cell_has_it() -> None:
    noisy = {1: [0.009, 0.013, 0.020], 32: [0.010, 0.012, 0.019]}
    cells = {}
    for batch, length in ((1, 128), (32, 512)):
        plain = latency(batch, length, 1.1)
        timings = [*plain.timings[:3], *(replace(own, seconds=noisy[batch]) for own in plain.timings[3:])]
        cells[batch] = replace(plain, timings=timings)
    found = verdicts([record("latency", cell) for cell in cells.values()])
    assert (found["A2"], found["A3"]) == (OPEN, OPEN)
    inside = [with_inserted(cells[1], 0.03, 0.05), with_inserted(cells[32], 0.01, 0.02)]
    found = verdicts([record("latency", cell) for cell in inside])
    assert (found["A1"], found["A2"], found["A3"]) == (OPEN, HOLDS, HOLDS)
    said = outcomes("A2", [record("latency", cell) for cell in inside])[0].numbers
    assert "adapter_l: +3.1 % [+3.1, +3.1] at 1 x 128 (r = 224), +1.0 % [+1.0, +1.0] at 32 x 512 (r = 224)" in said
    found = verdicts([record("latency", inside[0]), record("latency", cells[32])])
    assert (found["A2"], found["A3"]) == (OPEN, OPEN)  # like is compared with like
    found = verdicts([record("latency", cell) for cell in (with_inserted(cells[1], 0.02, 0.01), inside[1])])
    assert (found["A2"], found["A3"]) == (FAILS, FAILS)
    details = tables_of([record("latency", inside[0])])[f"latency_{NAME}_details"]
    column = details.columns.index("Within the pass")
    assert [row[column] for row in details.rows] == ["", "", "", "+3.1 % [+3.1, +3.1]", "+5.3 % [+5.3, +5.3]"]


def test_claims_about_section_7_turn_with_the_numbers() -> None:
    pair = [record("amplification", amplifications(2, 8.0)), record("amplification", amplifications(4, 3.0))]
    found = verdicts([record("subspaces"), *pair])
    assert [found[name] for name in ("F1", "F3", "F4", "F5", "F6")] == [HOLDS] * 5
    assert verdicts([record("subspaces", subspaces(top=0.4))])["F1"] == FAILS
    rising = [record("amplification", amplifications(2, 3.0)), record("amplification", amplifications(4, 8.0))]
    assert verdicts(rising)["F4"] == FAILS
    assert verdicts(pair[:1])["F4"] == OPEN
    assert verdicts([record("subspaces", subspaces(4, 4))])["F2"] == FAILS  # W_q no more than W_v
    assert verdicts([record("subspaces", subspaces(4, 4))])["F1"] == OPEN  # one rank only


def test_claims_about_costs() -> None:
    found = verdicts([record("memory"), record("switching")])
    assert (found["E3"], found["A6"]) == (HOLDS, HOLDS)
    assert verdicts([record("switching", replace(switching(), exact=False))])["A6"] == FAILS
    dear = [replace(own, peak=18000) for own in memory().methods]
    assert verdicts([record("memory", replace(memory(), methods=dear))])["E3"] == FAILS


def test_without_records_every_claim_is_open() -> None:
    assert set(verdicts([]).values()) == {OPEN}
    assert outcomes("A1", [])[0].numbers == "needs latency measurements"


def test_gpt3_stands_beside_the_papers_numbers() -> None:
    total, trained = 174_604_259_328, 18_874_368
    fp32 = [Bytes(4 * own, 4 * n, 8 * n, 10**10) for own, n in ((total, total), (total + trained, trained))]
    methods = [
        MethodMemory("ft", "", total, total, fp32[0], None, None, None),
        MethodMemory("lora", "", trained, total + trained, fp32[1], None, None, None),
    ]
    own = record("memory", Memory("gpt3-175b", 1, 2048, "fp32", methods))
    rows = tables_of([own])["memory_gpt3-175b_section42"].rows
    assert rows[0][2:] == ["1.05 TB", "349 GB", "3.00"] and rows[1][2:] == ["1.40 TB", "349 GB", "4.00"]
    assert rows[-1] == ["paper, section 4.2", "", "1.2 TB", "350 GB", "3.43"]
    (memory_claim,) = outcomes("E3", [own])
    assert memory_claim.finding == HOLDS and "weights, gradients and Adam 4.00 times" in memory_claim.numbers


def test_tables_of_section_7_name_block_and_paper() -> None:
    tables = tables_of([record("amplification"), record("subspaces")])
    table7 = tables["table7_tiny_mrpc"]
    assert table7.rows[0][:3] == ["s0", "W_q", "2"] and table7.rows[-1][:3] == ["paper", "W_q", "64"]
    assert "Block 2 of 3" in table7.notes[1]
    similar = tables["subspaces_an-example-subspaces_details"]
    assert similar.columns[3:] == ["phi(1, 1)", "phi(1, 4)", "phi(2, 2)", "phi(2, 4)"]
    assert similar.rows[0] == ["1", "W_q", "A", "0.70 (0.10)", "0.20 (0.10)", "0.20 (0.10)", "0.20 (0.10)"]


def test_score_against_rank_takes_runs_that_differ_in_r_alone() -> None:
    from lora_repro.report.analysis.rank import rank_figures
    from tests.test_records import record as run

    def lora(r: int, seed: int = 0, lr: float = 1e-3, targets=("W_v", "W_q")):  # type: ignore[no-untyped-def]
        own = run()
        method = {**own.config["method"], "name": "lora", "r": r, "targets": list(targets), "ranks": {}}
        recipe = {**own.config["recipe"], "lr": lr}
        return replace(own, method="lora", seed=seed, config={**own.config, "method": method, "recipe": recipe})

    assert rank_figures([lora(1), lora(2)]) == []
    assert rank_figures([lora(1), lora(2), lora(4, lr=2e-3)]) == []  # another learning rate is another sweep
    (figure,) = rank_figures([lora(r, seed) for r in (1, 2, 4) for seed in (0, 1)])
    assert "against LoRA's rank r" in figure.caption and "full fine-tuning" not in figure.caption
    (with_ft,) = rank_figures([*(lora(r) for r in (1, 2, 4)), replace(run(), method="ft")])
    assert "full fine-tuning (n = 1)" in with_ft.caption
    assert figure.render().png.startswith(b"\x89PNG")
    (wider,) = rank_figures([*(lora(r) for r in (1, 2, 4)), lora(8, targets=["W_o"])])
    axes = wider.draw().axes[0]
    names = [line.get_label() for line in axes.lines if "$" in str(line.get_label())]
    assert names == ["$W_q$, $W_v$"]  # one r makes no line


def test_figure_5_is_drawn_once_a_length_has_two_batch_sizes() -> None:
    from lora_repro.report.analysis.curves import figure5

    table1 = [record("latency", latency(*size)) for size in ((1, 128), (16, 256), (32, 512))]
    assert figure5(table1) == []
    (drawing,) = figure5([*table1, record("latency", latency(4, 128))])
    assert drawing.draw().axes

"""Tables: the paper's statistic, honest about what is missing, the same in three formats, from records only."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lora_repro import records
from lora_repro.records import Record
from lora_repro.report.glue_table import Grid, comparison, details, main
from lora_repro.report.layout import Table
from lora_repro.report.statistics import bootstrap_interval, summarise
from tests.report.runs import run_of


def grid(*runs: Record) -> Grid:
    return Grid(runs, "tiny", "mini")


LORA = [run_of("lora", "mrpc", seed, scores) for seed, scores in enumerate([[0.7, 0.9, 0.8], [0.81], [0.6, 0.85]])]


def test_a_cell_is_the_median_over_seeds_of_the_best_epoch() -> None:
    summary = summarise(LORA)
    assert summary.n == 3
    assert summary.median_best == 0.85
    assert summary.mean_best == pytest.approx((0.9 + 0.81 + 0.85) / 3)
    assert summary.std_best == pytest.approx(np.std([0.9, 0.81, 0.85], ddof=1))
    assert summary.median_last == 0.81
    table = comparison(grid(*LORA), seeds=3)
    assert table.rows[0][0] == "lora"
    assert table.rows[0][2] == "85.0 ± 4.5 (3)"


def test_one_seed_has_no_spread_and_a_missing_cell_says_so() -> None:
    table = comparison(grid(LORA[0], run_of("ft", "rte", 0, [0.55])), seeds=5)
    assert [row[0] for row in table.rows] == ["ft", "lora", "constant answer"]
    assert table.columns[2:] == ["MRPC (acc.)", "RTE (acc.)"]
    assert table.rows[0][2:] == ["-- (0/5)", "55.0 (1)"]
    assert table.rows[1][2:] == ["90.0 (1)", "-- (0/5)"]


def test_the_best_of_a_column_is_bold_and_a_lone_method_is_not() -> None:
    both = grid(*LORA, run_of("ft", "mrpc", 0, [0.99]), run_of("ft", "rte", 0, [0.5]))
    table = comparison(both, seeds=3)
    assert table.bold == {(0, 2)}
    assert "**99.0 (1)**" in table.markdown()
    assert r"\textbf{99.0 (1)}" in table.latex()
    assert "99.0 (1)" in table.csv()
    assert "**" not in table.csv()


def test_collapsed_runs_are_marked_and_kept() -> None:
    dead = run_of("lora", "mrpc", 3, [0.684])
    dead = replace(dead, last=replace(dead.last, collapsed=True))
    table = comparison(grid(*LORA, dead), seeds=4)
    assert table.rows[0][2].endswith("(4) [1 collapsed]")


def test_of_two_runs_of_one_seed_and_settings_the_newest_counts() -> None:
    later = run_of("lora", "mrpc", 0, [0.5], finished="2026-02-01T00:00:00+00:00")
    assert grid(*LORA, later).cell("lora", "mrpc")[0] is later


def test_other_backbones_and_recipes_stay_out() -> None:
    other = replace(LORA[0], model="other")
    paper = replace(LORA[0], config={**LORA[0].config, "recipe": {**LORA[0].config["recipe"], "source": "paper"}})
    assert grid(other, paper).records == []


def test_notes_name_statistic_data_seeds_machine_and_generated_data() -> None:
    text = " ".join(comparison(grid(*LORA), seeds=3).notes)
    for expected in ("median over seeds", "tiny", "local files", "Seeds: 0, 1, 2", "a processor, 2 cores", "fp32"):
        assert expected in text
    assert "GENERATED" not in text
    generated = replace(LORA[0], splits={"train": replace(LORA[0].splits["train"], source="embedded")})
    assert "GENERATED DATA" in " ".join(comparison(grid(generated), seeds=1).notes)


def test_details_show_what_stands_beside_the_papers_statistic() -> None:
    row = dict(zip(details(grid(*LORA)).columns, details(grid(*LORA)).rows[0], strict=True))
    assert row["Median best"] == "85.0"
    assert row["Median last"] == "81.0"
    assert row["Constant"] == "68.4"
    assert row["95% interval"] == "81.0 to 90.0"


def test_the_bootstrap_repeats_itself_and_covers_the_mean() -> None:
    values = np.array([0.80, 0.82, 0.85, 0.79, 0.84])
    low, high = bootstrap_interval(values)
    assert (low, high) == bootstrap_interval(values)
    assert low < values.mean() < high
    from scipy.stats import bootstrap

    theirs = bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_latex_escapes_what_latex_would_read() -> None:
    latex = Table("50 % & more", ["a_b"], ["x", "y"], [["ft_top2", "1 ± 2"]]).latex()
    assert r"50 \% \& more" in latex
    assert r"ft\_top2 & 1 $\pm$ 2 \\" in latex


def test_the_verb_renders_saves_and_reports_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for run in LORA:
        records.save(tmp_path / "records" / f"{run.identity}.json", run)
    (tmp_path / "records" / "broken.json").write_text("{")
    arguments = [f"--records={tmp_path / 'records'}", "--model=tiny", "--recipe=mini", f"--out={tmp_path / 'tables'}"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "85.0 ± 4.5 (3)" in shown
    assert "warning" in shown
    assert "broken.json" in shown
    first = {path.name: path.read_bytes() for path in (tmp_path / "tables").iterdir()}
    assert len(first) == 6
    assert main(arguments) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "tables").iterdir()} == first
    assert main([*arguments[:1], "--model=nothing"]) == 1

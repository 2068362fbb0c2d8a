"""Every table from records: small backbones in tables of their own, damage named, the front page."""

from dataclasses import replace
from pathlib import Path

import pytest

from lora_repro import records
from lora_repro.errors import DataError
from lora_repro.records import Epoch, Record
from lora_repro.report.audited import Audited
from lora_repro.report.paper import paper_table
from lora_repro.report.tables import BEGIN, END, all_tables, main, own_tables, show_in
from lora_repro.report.text_table import TextGrid, comparison
from tests.report.runs import run_of

ROOT = Path(__file__).parents[2]


def e2e_run(method: str, seed: int, bleu: float, **metrics: float) -> Record:
    epoch = Epoch(1, 10, 0.5, 1.2, {"bleu": bleu, "nist": 8.5, **metrics}, bleu, False, 1.0)
    better = replace(epoch, headline=0.99)  # the statistic is the last epoch's
    return run_of(method, "e2e", seed, [bleu], epochs=[better, epoch], best=better, last=epoch)


def test_data_to_text_is_the_mean_of_the_last_epoch_and_says_what_was_not_measured() -> None:
    runs = [e2e_run("lora", seed, 0.60 + seed / 100) for seed in range(3)] + [e2e_run("ft", 0, 0.7, meteor=0.4)]
    table = comparison(TextGrid(runs, "e2e", "tiny", "mini"), seeds=3)
    assert table.columns == ["Method", "Trainable", "BLEU", "NIST", "METEOR", "ROUGE-L", "CIDEr"]
    assert table.rows[0][2:5] == ["70.0 (1)", "8.50 (1)", "40.0 (1)"]
    assert table.rows[1][2:5] == ["61.0 ± 1.0 (3)", "8.50 ± 0.00 (3)", "not measured (3)"]
    assert (0, 2) in table.bold
    assert "last epoch" in table.notes[0]


def test_a_method_that_differs_from_lora_is_marked() -> None:
    runs = [e2e_run("lora", seed, 0.60 + seed / 100) for seed in range(3)]
    runs += [e2e_run("ft", seed, 0.70 + seed / 100 + (seed == 1) / 1000) for seed in range(3)]
    rows = comparison(TextGrid(runs, "e2e", "tiny", "mini"), seeds=3).rows
    assert rows[0][2].endswith("‡")
    assert "‡" not in rows[1][2]


@pytest.mark.parametrize(
    ("task", "metrics", "shown"),
    [("samsum", {"R1": 0.5, "R2": 0.25, "RL": 0.4}, ["R1", "R2", "RL"]), ("wikisql", {"LF": 0.7}, ["Logical form"])],
)
def test_gpt3s_tasks_have_tables_of_their_own_and_stand_in_no_paper_row(
    task: str, metrics: dict[str, float], shown: list[str]
) -> None:
    headline = next(iter(metrics.values()))
    epoch = Epoch(1, 10, 0.5, 1.2, metrics, headline, False, 1.0)
    runs = [
        replace(run_of(method, task, 0, [headline], epochs=[epoch], best=epoch, last=epoch), model="gpt2-medium")
        for method in ("lora", "ft")
    ]
    table = own_tables(runs)[f"{task}_gpt2-medium_mini"]
    assert table.columns[2:] == shown
    assert table.rows[0][2] == f"{100 * headline:.1f} (1)"
    assert table.notes[0] == "A transfer of Table 4's question: the paper has GPT-3 175B, here it is gpt2-medium."
    assert "the last epoch; the paper does not say" in table.notes[1]
    paper = all_tables(runs, [], Audited(()))["paper_table4"]
    assert paper.notes[0].startswith("The paper's numbers only.")
    assert not any("(1)" in cell for row in paper.rows for cell in row)


def test_ranks_on_a_task_of_texts_have_the_loss_and_every_metric() -> None:
    runs = [e2e_run("lora", seed, bleu) for seed, bleu in ((0, 0.60), (1, 0.62))]
    more = [e2e_run("lora", seed, 0.5, meteor=0.4) for seed in (0, 1)]
    more = [
        replace(
            run,
            config={**run.config, "method": {**run.config["method"], "r": 64}},
            last=replace(run.last, eval_loss=1.1),
        )
        for run in more
    ]
    table = own_tables([*runs, *more])["rank_metrics_e2e_tiny_mini"]
    assert table.columns[1:6] == ["r", "Trainable", "evaluation loss", "BLEU", "NIST"]
    assert [row[1] for row in table.rows] == ["8", "64"]
    assert [row[3:7] for row in table.rows] == [
        ["1.200 ± 0.000 (2)", "61.0 ± 1.4 (2)", "8.50 ± 0.00 (2)", "not measured (2)"],
        ["1.100 ± 0.000 (2)", "50.0 ± 0.0 (2)", "8.50 ± 0.00 (2)", "40.0 ± 0.0 (2)"],
    ]
    assert {(1, 3), (0, 4)} <= table.bold and (0, 3) not in table.bold  # the lower loss, the higher BLEU
    assert "rank_metrics_mrpc_tiny_mini" not in own_tables([run_of("lora", "mrpc", 0, [0.8])])


def test_rank_and_weight_types_make_their_own_table() -> None:
    def at(r: int, targets: list[str], seed: int) -> Record:
        run = run_of("lora", "mrpc", seed, [0.7 + r / 1000])
        return replace(run, config={**run.config, "method": {**run.config["method"], "r": r, "targets": targets}})

    runs = [at(r, targets, s) for r in (1, 64) for targets in (["W_q"], ["W_v", "W_q"]) for s in (0, 1)]
    table = own_tables(runs)["rank_mrpc_tiny_mini"]
    assert table.columns == ["Weight types", "r = 1", "r = 64"]
    assert table.rows[1] == ["W_q W_v", "70.1 ± 0.0 (2)", "76.4 ± 0.0 (2)"]
    assert not any(name.startswith("rank") for name in own_tables(runs[:1]))


def test_parts_of_the_data_make_their_own_table() -> None:
    def part(n: int | None, size: int) -> Record:
        run = run_of("ft", "mrpc", 0, [0.8])
        config = {**run.config, "task": {**run.config["task"], "train_examples": n}}
        return replace(run, config=config, splits={"train": records.Split(size, "local", f"{size}")})

    table = own_tables([part(None, 3668), part(100, 100), run_of("lora", "mrpc", 0, [0.7])])["examples_mrpc_tiny_mini"]
    assert table.columns == ["Method", "n = 100", "n = 3,668"]
    assert table.rows == [["ft", "80.0 (1)", "80.0 (1)"], ["lora", "--", "70.0 (1)"]]


def test_a_damaged_record_is_a_missing_one_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(2):
        run = run_of("lora", "mrpc", seed, [0.7])
        records.save(tmp_path / "records" / "mrpc" / "tiny" / "lora" / f"s{seed}-{run.identity}.json", run)
    broken = tmp_path / "records" / "mrpc" / "tiny" / "lora" / "s1-loramrpc1.json"
    broken.write_text(broken.read_text()[:500])
    assert main([f"--records={tmp_path / 'records'}", f"--out={tmp_path / 'tables'}"]) == 0
    assert "warning" in capsys.readouterr().out
    text = (tmp_path / "tables" / "glue_tiny_mini.md").read_text()
    assert "70.0 (1)" in text
    assert "cannot be read, counted as missing: mrpc/tiny/lora/s1-loramrpc1.json" in text
    assert str(tmp_path) not in text


def test_no_record_at_all_leaves_the_papers_tables() -> None:
    tables = all_tables([], [], Audited(()))
    assert len(tables) == 13
    assert "-- (0/3) | 70.4±.1 | not run" in tables["paper_table3"].rows[6]
    assert tables["paper_table4"].rows[-1][:2] == ["LoRA (37.7M)", "37.7M"]


def test_the_audits_counts_stand_beside_the_printed_ones() -> None:
    audited = Audited.read(ROOT / "results" / "tables" / "parameters.csv")
    counts = {
        ("2", "RoBERTa base", "LoRA", ""): "294,912",
        ("13", "GPT-2 medium", "Fine-Tune", ""): "354,823,168",
        ("14", "GPT-2 medium", "FT^Top2", ""): "25,192,448",
        ("14", "GPT-2 large", "Adapter^L (23M)", ""): "23,002,848",
        ("5", "GPT-3 175B", "LoRA", "W_k r=8"): "18,874,368",
        ("6", "GPT-3 175B", "LoRA", "W_q W_k W_v W_o r=64"): "603,979,776",
        ("15", "GPT-3 175B", "LoRA+PE", "rq=rv=32 lp=8 li=4"): "151,142,400",
        ("15", "GPT-3 175B", "LoRA", "rv=2"): "4,718,592",
        ("3", "GPT-2 medium", "PreLayer", ""): "--",
        ("6", "GPT-3 175B", "LoRA", "W_q r=2"): "--",
    }
    for (number, *row), count in counts.items():
        assert audited.count(paper_table(number).row(*row)) == count, row
    assert Audited.read(ROOT / "nowhere.csv").count(paper_table("2").rows[0]) == "--"


def test_the_front_page_takes_a_table_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    tables = own_tables([run_of("lora", "mrpc", 0, [0.7])])
    show_in(page, tables, "glue_tiny_mini")
    assert page.read_text() == f"before\n{BEGIN}\n{tables['glue_tiny_mini'].markdown()}{END}\nafter\n"
    with pytest.raises(DataError, match="no table other"):
        show_in(page, tables, "other")
    page.write_text("no marks")
    with pytest.raises(DataError, match="needs the lines"):
        show_in(page, tables, "glue_tiny_mini")

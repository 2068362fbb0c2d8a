"""The verdict on a cell follows the written rule, and a cell of the paper holds nothing but the paper's experiment."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lora_repro.compose import compose_run
from lora_repro.config import RunConfig
from lora_repro.records import Record, Split, science
from lora_repro.report.audited import Audited
from lora_repro.report.paper import paper_table, parse
from lora_repro.report.paper.answers import Answer, answer
from lora_repro.report.paper_fill import FilledRow, fill
from lora_repro.report.paper_table import render
from lora_repro.report.scores import Metric, Score
from lora_repro.report.statistics import paired_p
from lora_repro.report.verdicts import Verdict, deviations, judge
from tests.report.runs import run_of


def scored(value: float, n: int = 5, std: float | None = 0.2, collapsed: int = 0) -> Score:
    return Score(Metric("rte", "RTE"), value, std, dict.fromkeys(range(n), value), n, collapsed)


@pytest.mark.parametrize(
    ("score", "other", "printed", "expected"),
    [
        (None, [], "86.6±.7", Verdict.NOT_RUN),
        (scored(86.6, collapsed=1), [], "86.6±.7", Verdict.COLLAPSED),
        (scored(86.6, collapsed=1), ["epochs 3 for 80"], "86.6±.7", Verdict.COLLAPSED),
        (scored(86.6), ["epochs 3 for 80"], "86.6±.7", Verdict.OTHER_SETTING),
        (scored(99.0, n=4), [], "86.6±.7", Verdict.TOO_FEW_SEEDS),
        (scored(87.3), [], "86.6±.7", Verdict.INSIDE),
        (scored(87.31), [], "86.6±.7", Verdict.ABOVE),
        (scored(85.8), [], "86.6±.7", Verdict.BELOW),
        (scored(87.14), [], "87.1±.0", Verdict.INSIDE),  # at least half a unit of the last decimal
        (scored(87.2), [], "87.1±.0", Verdict.ABOVE),
        (scored(78.8), [], "78.7", Verdict.INSIDE),  # no printed spread: ours
        (scored(79.0), [], "78.7", Verdict.ABOVE),
    ],
)
def test_the_first_line_that_fits_decides(
    score: Score | None, other: list[str], printed: str, expected: Verdict
) -> None:
    assert judge(score, other, parse(printed), seeds=5).verdict == expected


@cache
def composed(items: str) -> RunConfig:
    """Composing costs a quarter of a second, so once for all seeds."""
    return compose_run(items.split())


def real(task: str, seed: int, value: float, *, source: str = "paper", **overrides: Any) -> Record:
    """A made-up run of RoBERTa base with LoRA as conf/ has it, in the paper's setting unless overridden."""
    items = f"model=roberta-base method=lora task={task} recipe={source} tracker=none"
    config = replace(composed(" ".join([items, *(f"{key}={item}" for key, item in overrides.items())])), seed=seed)
    if task in ("mrpc", "rte", "stsb"):
        config = replace(config, init_from=f"runs/s{seed}-{seed:012d}/best.safetensors")
    return run_of("lora", task, seed, [value], model="roberta-base", config=science(config))


RTE = [real("rte", seed, value) for seed, value in enumerate([0.86, 0.87, 0.866, 0.88, 0.85])]


def lora_row(records: list[Record], source: str = "paper") -> FilledRow:
    return next(line for line in fill("2", records) if (line.row.model, line.row.method) == ("RoBERTa base", "LoRA")
                and line.source == source)  # fmt: skip


def test_a_full_cell_of_the_papers_experiment_is_judged() -> None:
    cells = lora_row(RTE).cells
    assert cells["RTE"].text() == "86.6 ± 1.1 (5) | 86.6±.7 | inside"
    assert cells["MNLI"].text() == "-- (0/5) | 87.5±.3 | not run"
    assert cells["Avg"].text() == "-- (0/5) | 87.2 | not run"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ([real("rte", 0, 0.9, **{"recipe.epochs": 3})], "epochs 3 for 80"),
        ([real("rte", 0, 0.9, **{"task.train_examples": 100})], "part of the data"),
        ([replace(RTE[0], config={**RTE[0].config, "init_from": None})], "no MNLI start"),
        ([replace(RTE[0], splits={"train": Split(9, "embedded", "b")})], "generated data"),
        ([real("rte", 0, 0.9, **{"method.r": 4})], "r 4 for 8"),
    ],
)
def test_another_setting_is_shown_with_its_reason_and_never_judged(changed: list[Record], reason: str) -> None:
    cell = lora_row(changed).cells["RTE"]
    assert cell.judgement.verdict == Verdict.OTHER_SETTING
    assert cell.judgement.reasons == (reason,)
    table = render("2", changed, Audited(()))
    assert f"Other settings: RoBERTa base LoRA RTE: {reason}." in table.notes
    assert table.bold == frozenset()
    assert lora_row([*changed, RTE[1]]).cells["RTE"].runs == (RTE[1],)  # the paper's experiment comes first


def test_how_a_batch_is_computed_is_no_other_setting() -> None:
    run = real("rte", 0, 0.9, **{"recipe.grad_accumulation": 4, "recipe.pad_to_max_length": "true"})
    assert deviations(run, Answer("roberta-base", "lora", from_mnli=("rte",))) == []


def test_two_recipes_are_two_rows_and_small_backbones_none() -> None:
    official = [real("rte", seed, 0.9, source="official") for seed in range(5)]
    small = [replace(run, model="minilm-l6") for run in RTE]
    assert lora_row([*RTE, *official], "official").cells["RTE"].ours != lora_row([*RTE, *official]).cells["RTE"].ours
    assert len(fill("2", [*RTE, *official])) == 15
    assert all(not line.runs for line in fill("2", small))


def test_the_average_needs_all_eight_tasks_and_spreads_over_seeds() -> None:
    tasks = ("mnli", "sst2", "mrpc", "cola", "qnli", "qqp", "rte", "stsb")
    runs = [real(task, seed, 0.8 + seed / 100) for task in tasks for seed in range(5)]
    cell = lora_row(runs).cells["Avg"]
    assert cell.text() == "82.0 ± 1.6 (5) | 87.2 | below"


def test_the_restricted_rows_take_the_runs_that_fit_them() -> None:
    items = ["model=roberta-large", "method=lora", "task=rte", "recipe=paper", "tracker=none"]
    free = compose_run(items)
    strict = compose_run([*items, "recipe.max_length=128", "recipe.batch_size=4"])
    runs = [run_of("lora", "rte", 0, [0.85], model="roberta-large", config=science(c)) for c in (free, strict)]
    started = replace(runs[0], config={**runs[0].config, "init_from": "s0-a/best.safetensors"})
    rows = {line.row.method: line for line in fill("2", [started, runs[1]]) if line.row.model == "RoBERTa large"}
    assert rows["LoRA"].cells["RTE"].runs == (started,)
    assert rows["LoRA†"].cells["RTE"].runs == (runs[1],)
    assert rows["LoRA†"].cells["RTE"].judgement.verdict == Verdict.TOO_FEW_SEEDS


def test_runs_whose_settings_both_rows_share_stand_in_both() -> None:
    config = compose_run(["model=roberta-large", "method=lora", "task=sst2", "recipe=paper", "tracker=none"])
    run = run_of("lora", "sst2", 0, [0.96], model="roberta-large", config=science(config))
    rows = {line.row.method: line for line in fill("2", [run]) if line.row.model == "RoBERTa large"}
    assert rows["LoRA"].cells["SST-2"].runs == rows["LoRA†"].cells["SST-2"].runs == (run,)


def test_the_restricted_rows_are_those_that_the_study_plans() -> None:
    study = yaml.safe_load((Path(__file__).parents[2] / "conf" / "studies" / "table2.yaml").read_text())
    table = paper_table("2")
    planned = {}
    for part in (part for part in study["parts"] if part["row"].endswith("dagger")):
        name = part["row"].removesuffix(" dagger").replace("LoRA", "LoRA†")
        for task in study["tasks"]:
            words = f"{part.get('set', '')} {part.get('by_task', {}).get(task, '')}".split()
            changed = {word.split("=")[0]: float(word.split("=")[1]) for word in words if word.startswith("recipe.")}
            planned[name, task] = changed
    for (name, task), changed in planned.items():
        found = answer("2", table.row("RoBERTa large", name), task)
        assert found is not None
        assert {f"recipe.{key}": value for key, value in found.recipe.items()} == changed, (name, task)


def test_the_paired_test_is_scipys_and_asks_for_three_shared_seeds() -> None:
    from scipy.stats import ttest_rel

    one, other = {0: 0.80, 1: 0.82, 2: 0.84, 3: 0.9}, {0: 0.79, 1: 0.80, 2: 0.83, 7: 0.1}
    assert paired_p(one, other) == pytest.approx(ttest_rel([0.80, 0.82, 0.84], [0.79, 0.80, 0.83]).pvalue)
    assert paired_p(one, {0: 0.1, 1: 0.2}) is None
    assert paired_p(one, one) == 1.0
    assert paired_p(one, {seed: value - 0.5 for seed, value in one.items()}) == 0.0


def test_every_row_of_a_public_backbone_has_its_place() -> None:
    for number in ("2", "3", "13", "14", "18"):
        assert len(fill(number, [])) == len(paper_table(number).rows)

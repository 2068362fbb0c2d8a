"""Claims: the written test decides; what is missing is said; the page names the backbone."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lora_repro.records import Epoch, Record
from lora_repro.report.audited import Audited
from lora_repro.report.claims import Finding, Outcome
from lora_repro.report.claims.evidence import Evidence
from lora_repro.report.claims.page import as_csv, decide, main, markdown, summary
from lora_repro.report.claims.registry import CLAIMS
from tests.report.runs import run_of

ROOT = Path(__file__).parents[2]
AUDITED = Audited.read(ROOT / "results" / "tables" / "parameters.csv")
BY_NAME = {claim.name: claim for claim in CLAIMS}


def found(name: str, records: list[Record]) -> list[Outcome]:
    return BY_NAME[name].outcomes(Evidence(tuple(records), AUDITED))


def runs(method: str, task: str, scores: list[float], **method_settings: Any) -> list[Record]:
    made = [run_of(method, task, seed, [value]) for seed, value in enumerate(scores)]
    return [replace(r, config={**r.config, "method": {**r.config["method"], **method_settings}}) for r in made]


FT = [*runs("ft", "mrpc", [0.80, 0.81, 0.82]), *runs("ft", "rte", [0.60, 0.61, 0.62])]


@pytest.mark.parametrize(
    ("lora", "finding"),
    [
        ([0.80, 0.81, 0.821], Finding.HOLDS),
        ([0.90, 0.91, 0.92], Finding.HOLDS),
        ([0.70, 0.71, 0.72], Finding.FAILS),
        ([0.60, 0.81, 0.99], Finding.UNDECIDED),
    ],
)
def test_lora_matches_ft_by_the_interval_of_the_paired_difference(lora: list[float], finding: Finding) -> None:
    records = [*FT, *runs("lora", "mrpc", lora), *runs("lora", "rte", [0.60, 0.61, 0.62])]
    (outcome,) = found("B1", records)
    assert outcome.finding == finding
    assert outcome.where == "tiny, recipe mini (not the paper's backbone), GLUE"
    assert "mean of mrpc, rte: lora" in outcome.numbers


def test_too_few_seeds_or_tasks_decide_nothing_and_say_what_is_needed() -> None:
    (outcome,) = found("B1", [*FT, *runs("lora", "mrpc", [0.9, 0.9])])
    assert outcome.finding == Finding.UNDECIDED
    assert "needs 2 tasks" in outcome.numbers
    (nothing,) = found("C1", [])
    assert (nothing.where, nothing.finding) == ("--", Finding.UNDECIDED)
    assert nothing.numbers == "needs three methods on E2E, three seeds each"


def test_beating_both_needs_both() -> None:
    lora = [*runs("lora", "mrpc", [0.9, 0.91, 0.92]), *runs("lora", "rte", [0.9, 0.91, 0.921])]
    bitfit = [replace(run, method="bitfit") for run in FT]
    assert [o.finding for o in found("B2", [*lora, *bitfit])] == [Finding.UNDECIDED]
    dropped = [replace(run, method="adapter_d") for run in FT]
    assert [o.finding for o in found("B2", [*lora, *bitfit, *dropped])] == [Finding.HOLDS]
    better = [replace(run, method="adapter_d") for run in lora]
    worse = [replace(r, best=replace(r.best, headline=r.best.headline - 0.3)) for r in lora]
    assert [o.finding for o in found("B2", [*worse, *bitfit, *better])] == [Finding.FAILS]


def test_ranks_and_weight_types() -> None:
    qv, q, k = ["W_q", "W_v"], ["W_q"], ["W_k"]
    one = runs("lora", "mrpc", [0.80, 0.81, 0.82], r=1, targets=qv)
    many = runs("lora", "mrpc", [0.80, 0.81, 0.821], r=64, targets=qv)
    assert [o.finding for o in found("D5", [*one, *many])] == [Finding.HOLDS]
    assert [o.finding for o in found("D6", [*one, *many])] == [Finding.HOLDS]
    alone = [
        *runs("lora", "mrpc", [0.7, 0.71, 0.72], r=2, targets=q),
        *runs("lora", "mrpc", [0.7, 0.71, 0.72], r=2, targets=k),
    ]
    (outcome,) = found("D4", [*one, *alone])
    assert outcome.finding == Finding.HOLDS
    assert "W_q W_v r = 1 81.0, W_q r = 2 71.0" in outcome.numbers
    table5 = [*runs("lora", "mrpc", [0.9] * 3, r=4, targets=qv), *runs("lora", "mrpc", [0.8] * 3, r=8, targets=q)]
    table5 += runs("lora", "mrpc", [0.8] * 3, r=8, targets=k)
    (outcome,) = found("D4", [*one, *alone, *table5])
    assert "W_q W_v r = 4 90.0, W_q r = 8 80.0" in outcome.numbers  # Table 5's own budget where it was run


def test_lora_approaches_ft_of_the_same_work_alone() -> None:
    scores = {1: 0.70, 8: 0.74, 64: 0.78, 384: 0.80}
    lora = [run for r, s in scores.items() for run in runs("lora", "mrpc", [s] * 3, r=r, targets=["W_q", "W_v"])]
    (outcome,) = found("G5", [*lora, *runs("ft", "mrpc", [0.81, 0.81, 0.81])])
    assert outcome.finding == Finding.HOLDS
    assert outcome.numbers == "FT 81.0; distance r = 1: 11.0, r = 8: 7.0, r = 64: 3.0, r = 384: 1.0"
    (outcome,) = found("G5", [*lora, *runs("ft", "mrpc", [0.70, 0.70, 0.70])])
    assert outcome.finding == Finding.FAILS
    longer = [replace(run, epochs=[*run.epochs, *run.epochs]) for run in runs("ft", "mrpc", [0.81, 0.81, 0.81])]
    (nothing,) = found("G5", [*lora, *longer])
    assert nothing.where == "--"


def test_lora_is_best_on_every_metric_or_the_claim_fails() -> None:
    def e2e(method: str, bleu: float, nist: float) -> list[Record]:
        made = []
        for seed in range(3):
            metrics = {"BLEU": bleu + seed / 1000, "NIST": nist, "METEOR": 0.4, "ROUGE_L": bleu, "CIDEr": 10 * bleu}
            epoch = Epoch(1, 1, 1.0, 1.0, metrics, metrics["BLEU"], False, 1.0)
            made.append(run_of(method, "e2e", seed, [bleu], epochs=[epoch], best=epoch, last=epoch))
        return made

    others = [*e2e("ft", 0.6, 8.0), *e2e("bitfit", 0.5, 8.4)]
    (outcome,) = found("C1", [*e2e("lora", 0.7, 8.2), *others])
    assert outcome.finding == Finding.FAILS  # NIST
    assert "NIST lora 8.2, bitfit 8.4" in outcome.numbers
    assert found("C6", e2e("lora", 0.7, 8.2))[0].finding == Finding.HOLDS


def test_what_follows_from_the_audit_is_decided_without_runs() -> None:
    assert {o.finding for name in ("B5", "E1", "E2", "E5", "E6") for o in found(name, [])} == {Finding.HOLDS}
    assert len(found("B5", [])) == 3
    blind = Evidence((), Audited(()))
    assert BY_NAME["E2"].outcomes(blind)[0].finding == Finding.UNDECIDED


def test_generated_or_partial_data_are_named() -> None:
    part = [replace(r, config={**r.config, "task": {**r.config["task"], "train_examples": 9}}) for r in
            [*FT, *(replace(run, method="lora") for run in FT)]]  # fmt: skip
    assert found("B1", part)[0].where.endswith("GLUE, part of the data")


def test_every_testable_claim_of_the_collection_is_here(shared: Path) -> None:
    text = (shared / "paper" / "claims.md").read_text()
    collected = set(re.findall(r"^\| ([A-G]\d) \|", text, re.MULTILINE))
    elsewhere = {"D9", "G1", "G2", "G3"}  # GPT-3 only, or a statement about the code
    assert collected - elsewhere == set(BY_NAME)


def test_page_and_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decided = decide(FT, AUDITED)
    page = markdown(decided)
    assert page.startswith("# The paper's claims, tested\n")
    assert all(f"{claim.name}. {claim.statement}" in page for claim in CLAIMS)
    assert summary(decided) == "40 claims: 5 hold, 0 do not hold, 35 have not enough runs."
    assert as_csv(decided).count("\n") == 1 + sum(len(item.outcomes) for item in decided)
    empty = [f"--{folder}={tmp_path}" for folder in ("records", "analyses", "tables")]
    assert main([*empty, f"--out={tmp_path / 'claims'}"]) == 0
    assert "40 claims" in capsys.readouterr().out
    assert (tmp_path / "claims" / "claims.md").read_text() == markdown(decide([], Audited(())))
    assert json.dumps(str(tmp_path)) not in page


def _rate_grid(scores: dict[tuple[int, float], float]) -> list[Record]:
    made = []
    for (r, lr), value in scores.items():
        for run in runs("lora", "mrpc", [value], r=r, alpha=16.0, targets=["W_q", "W_v"]):
            made.append(replace(run, config={**run.config, "recipe": {**run.config["recipe"], "lr": lr}}))
    return made


@pytest.mark.parametrize(
    ("at_64", "finding"),
    [((0.70, 0.80, 0.75), Finding.HOLDS), ((0.70, 0.797, 0.80), Finding.HOLDS), ((0.70, 0.79, 0.80), Finding.FAILS)],
)
def test_a_learning_rate_carries_over_where_it_is_near_each_ranks_best(
    at_64: tuple[float, float, float], finding: Finding
) -> None:
    rates = (1e-3, 2e-3, 4e-3)
    small = dict(zip([(1, lr) for lr in rates], (0.6, 0.7, 0.65), strict=True))
    large = dict(zip([(64, lr) for lr in rates], at_64, strict=True))
    (outcome,) = found("G4", _rate_grid({**small, **large}))
    assert outcome.finding == finding
    assert "lr 0.002, best at r = 1" in outcome.numbers
    (nothing,) = found("G4", _rate_grid({**small, (64, 1e-3): 0.6}))
    assert nothing.finding == Finding.UNDECIDED

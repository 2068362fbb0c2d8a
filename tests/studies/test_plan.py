"""Plans: the grid, its differences, MNLI first, what was asked for over what the file says."""

import json
from collections import Counter
from pathlib import Path

import pytest

from lora_repro import records
from lora_repro.compose import compose_run
from lora_repro.errors import ConfigError
from lora_repro.studies import composed
from lora_repro.studies.plan import from_json
from tests.studies.conftest import Planner

LARGE = ("--model=roberta-large", "--seeds=0")


def test_seeds_are_the_outer_loop_and_the_identity_is_the_commands(planned: Planner) -> None:
    plan = planned("glue-minilm-l6", "--tasks=rte mrpc", "--methods=lora bitfit", "--seeds=0 1")
    assert [(run.seed, run.task, run.method) for run in plan.planned] == [
        (seed, task, method) for seed in (0, 1) for task in ("rte", "mrpc") for method in ("lora", "bitfit")
    ]
    config = compose_run(["model=minilm-l6", "method=bitfit", "task=mrpc", "recipe=mini", "seed=1"])
    assert plan.planned[-1].place == str(records.place(config))
    made = plan.planned[-1].config()
    assert (made.study, made.records, records.identity(made)) == (
        "glue-minilm-l6",
        plan.records,
        records.identity(config),
    )


def test_lora_starts_from_its_own_mnli_run_of_the_same_seed(planned: Planner) -> None:
    plan = planned("table2", "--tasks=rte", "--methods=lora", "--seeds=0 1")
    assert [(run.seed, run.task) for run in plan.planned] == [(0, "mnli"), (0, "rte"), (1, "mnli"), (1, "rte")]
    first, second = plan.planned[:2]
    assert second.after == first.place and first.after is None
    start = second.config().init_from
    assert start == f"{plan.runs}/{first.place}/best.safetensors"
    assert records.science(second.config())["init_from"] == f"{Path(first.place).name}/best.safetensors"


def test_the_mnli_run_is_the_studys_own(planned: Planner) -> None:
    plan = planned("table2", "--tasks=mnli rte stsb", "--methods=lora", "--seeds=0")
    assert Counter(run.task for run in plan.planned) == {"mnli": 1, "rte": 1, "stsb": 1}


def test_ft_may_start_either_way(planned: Planner) -> None:
    without = planned("table2", "--tasks=rte", "--methods=ft", "--seeds=0")
    with_mnli = planned("table2", "--tasks=rte", "--methods=ft", "--seeds=0", "init_from=mnli")
    assert [run.after for run in without.planned] == [None]
    assert [run.task for run in with_mnli.planned] == ["mnli", "rte"]
    assert with_mnli.planned[1].after == with_mnli.planned[0].place
    assert without.planned[0].place != with_mnli.planned[1].place
    lora = planned("table2", "--tasks=rte", "--methods=lora", "--seeds=0", "init_from=null")
    assert [run.task for run in lora.planned] == ["rte"]


def test_the_restricted_setting(planned: Planner) -> None:
    plan = planned("table2", *LARGE, "--tasks=stsb mnli", "--methods=lora adapter_p")
    rows = {(run.row, run.task): run.config() for run in plan.planned}
    dagger, plain = rows["LoRA dagger", "stsb"], rows["LoRA", "stsb"]
    assert (dagger.recipe.max_length, dagger.recipe.batch_size, dagger.recipe.epochs) == (128, 4, 10)
    assert (plain.recipe.max_length, plain.recipe.batch_size, plain.recipe.epochs) == (512, 8, 30)
    assert dagger.init_from is None and plain.init_from is not None
    assert ("LoRA dagger", "mnli") not in rows  # the same settings as LoRA's own: one run for both
    small, large = rows["Adapter^P (0.8M) dagger", "mnli"], rows["Adapter^P (3.0M) dagger", "mnli"]
    assert (small.method.r, small.recipe.lr, small.recipe.epochs) == (16, 3e-4, 5)
    assert (large.method.r, large.recipe.lr, large.recipe.epochs) == (64, 3e-5, 10)


def test_what_is_asked_for_wins_and_goes_to_the_mnli_run_too(planned: Planner) -> None:
    plan = planned("table2", "--tasks=rte", "--methods=lora", "--seeds=0", "recipe.epochs=1", "task.train_examples=64")
    assert {(run.config().recipe.epochs, run.config().task.train_examples) for run in plan.planned} == {(1, 64)}


def test_its_question_may_then_be_put_to_any_task(planned: Planner) -> None:
    asked = ("table5", "--model=minilm-l6", "--recipe=mini", "--tasks=sst2", "--seeds=0")
    plan = planned(*asked, "recipe.lr=1e-3")
    assert [run.task for run in plan.planned] == ["sst2"] * 7
    assert {(run.config().recipe.source, run.config().recipe.lr) for run in plan.planned} == {("mini", 1e-3)}
    with pytest.raises(ConfigError, match="study table5 has no 'sst2', it has mnli, wikisql"):
        planned("table5", "--tasks=sst2", "--seeds=0")  # by the study's own values: those are of its own tasks


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("table2", "--methods=pre_embed"), "study table2 has no 'pre_embed', it has adapter_d"),
        (("table2", "--tasks=wnli"), "study table2 has no 'wnli'"),
        (("glue", "--tasks=rtee"), "task: no 'rtee'.*did you mean rte"),
        (("glue", "--methods=lorra"), "method: no 'lorra'.*did you mean lora"),
        (("table2-roberta-base", "--model=roberta-large"), "is of model roberta-base, --model=.* is another"),
        (("glue", "--tasks=rte", "--methods=lora", "init_from=x.safetensors"), "a study takes init_from=mnli or null"),
        (("glue", "--tasks=rte", "--methods=lora", "recipe.epochs=0"), "recipe.epochs=0 must be at least 1"),
        (("glue", "--seeds=one"), "--seeds must be whole numbers"),
    ],
)  # fmt: skip
def test_wrong_requests(arguments: tuple[str, ...], message: str, planned: Planner) -> None:
    with pytest.raises(ConfigError, match=message):
        planned(*arguments)


def test_a_plan_survives_json(planned: Planner) -> None:
    plan = planned("table2", "--tasks=rte", "--methods=lora", "--seeds=0")
    assert from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_compositions_are_kept_and_made_anew_when_conf_changes(
    planned: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ("glue", "--tasks=rte", "--methods=lora", "--seeds=0")
    plan = planned(*request)
    made: list[object] = []

    def compose(items: list[str]) -> records.RunConfig:
        made.append(items)
        return compose_run(items)

    monkeypatch.setattr(composed.compose, "compose_run", compose)
    assert planned(*request) == plan and not made
    monkeypatch.setattr(composed, "_fingerprint", lambda: "another")
    assert planned(*request) == plan and len(made) == 1
    for path in Path(plan.runs).rglob(".composed/another/*.json"):
        path.write_text("{")
    assert planned(*request) == plan and len(made) == 2


def test_a_run_planned_with_other_settings_is_refused(planned: Planner) -> None:
    (run,) = planned("glue", "--tasks=rte", "--methods=lora", "--seeds=0").planned
    moved = type(run)(**{**vars(run), "items": (*run.items, "recipe.epochs=7")})
    with pytest.raises(ConfigError, match="was planned with other settings than conf/ has now"):
        moved.config()


def test_table16_varies_data_and_settings_together(planned: Planner) -> None:
    plan = planned("table16", "--model=minilm-l6", "--methods=lora", "--seeds=0")
    settings = [
        (c.task.train_examples, c.recipe.batch_size, c.recipe.epochs, c.recipe.lr, c.method.r)
        for c in (run.config() for run in plan.planned)
    ]
    assert settings == [
        (100, 20, 40, 2e-4, 8),
        (1000, 20, 40, 2e-4, 8),
        (10000, 100, 4, 2e-4, 8),
        (None, 128, 2, 2e-4, 8),
    ]


def test_the_suites_own_backbones_run_on_generated_data_where_no_folder_is_given(
    planned: Planner, tmp_path: Path
) -> None:
    asked = ("--model=roberta-mini", "--tasks=rte", "--methods=ft", "--seeds=0")
    generated = planned("glue", *asked).planned[0]
    assert generated.config().data.generated
    assert generated.place == str(records.place(generated.config()))
    real = planned("glue", *asked, f"--data={tmp_path}").planned[0]
    assert real.config().data.sources == ["local"]
    assert real.place != generated.place
    typed = planned("glue", *asked, "data.sources=[hub]").planned[0]
    assert typed.config().data.sources == ["hub"]
    assert not planned("glue-minilm-l6", "--tasks=rte", "--methods=ft", "--seeds=0").planned[0].config().data.generated


def test_gpt3s_table_asks_its_three_tasks_of_a_decoder(planned: Planner) -> None:
    plan = planned("table4", "--seeds=0", "--methods=ft")
    assert [(run.row, run.task, run.model) for run in plan.planned] == [
        ("FT", task, "gpt2-medium") for task in ("wikisql", "mnli", "samsum")
    ]
    queries, classes, texts = (run.config().recipe for run in plan.planned)
    assert (texts.warmup_steps, queries.warmup_steps, classes.warmup_steps) == (10, 25, 50)
    assert (texts.max_length, queries.max_length, queries.no_repeat_ngram, classes.beams) == (704, 384, 0, 10)
    assert (texts.source, texts.lr) == ("custom", 5e-6)


def test_another_recipe_takes_the_place_of_a_study_that_is_its_own(planned: Planner) -> None:
    few = ("--tasks=wikisql", "--seeds=0", "--methods=pre_embed")
    (run,) = planned("table4", "--model=gpt2-mini", "--recipe=mini", *few).planned
    made = run.config()
    alone = compose_run(["model=gpt2-mini", "method=pre_embed", "task=wikisql", "recipe=mini"]).recipe
    assert (made.recipe.source, made.recipe.lr, made.recipe.batch_size) == ("mini", alone.lr, alone.batch_size)
    assert (made.recipe.warmup_steps, made.recipe.warmup_ratio) == (None, 0.06)
    assert (made.method.l_p, made.method.l_i, made.recipe.no_repeat_ngram) == (48, 8, 0)  # what the study is about

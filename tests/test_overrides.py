"""What the user typed, judged: each kind of mistake gets one line that names the way out."""

import pytest

from lora_repro.compose import compose_run
from lora_repro.errors import ConfigError
from lora_repro.overrides import METHODS, choices, judge

MINI = ["model=minilm-l6", "method=lora", "task=rte", "recipe=mini"]
BITFIT = ["model=minilm-l6", "method=bitfit", "task=rte", "recipe=mini"]
ADAPTER = ["model=minilm-l6", "method=adapter_d", "task=rte", "recipe=mini"]
BAD: list[tuple[list[str], str]] = [
    # unknown and misspelt keys
    ([*MINI, "sed=4"], "no setting sed; a run has model, method, task, recipe, tracker, data, seed"),
    ([*MINI, "sed=4"], "did you mean seed?"),
    ([*MINI, "lr=1e-3"], "no setting lr; did you mean recipe.lr?"),
    ([*MINI, "r=4"], "no setting r; did you mean method.r?"),
    ([*MINI, "recipe.r=4"], "no setting recipe.r; did you mean method.r?"),
    ([*MINI, "recipe.epoch=4"], "did you mean recipe.epochs?"),
    ([*MINI, "recipe.learning=1"], "recipe has source, lr, head_lr, epochs, batch_size"),
    ([*MINI, "+colour=red"], "no setting colour"),
    ([*MINI, "seed.x=1"], "seed.x: seed is a single value and has no 'x'"),
    ([*MINI, "model/x=3"], "no setting model/x"),
    # a key of another method
    ([*BITFIT, "method.r=4"], "method.r is a setting of method=lora and "),
    ([*MINI, "method.rank=4"], "no setting method.rank; method=lora has r, alpha, dropout, targets, ranks, init"),
    (
        [*BITFIT, "method.alpha=4"],
        "method.alpha is a setting of method=lora and lora_pre_embed and",
    ),
    ([*MINI, "method.dropped=4"], "method.dropped is a setting of method=adapter_d; method=lora has r, alpha"),
    ([*ADAPTER, "method.activation=silu"], "method.activation: no 'silu', choose from relu, gelu, swish"),
    ([*ADAPTER, "method.r=0"], "method.r=0 must be at least 1"),
    ([*ADAPTER, "method.init_std=0"], "method.init_std=0.0 must be greater than 0"),
    ([*ADAPTER, "method.dropped=-1"], "method.dropped=-1 must be at least 0"),
    # unknown choices, choices that are missing or given twice
    (["model=roberta", *MINI[1:]], "model: no 'roberta', choose from deberta-v2-xxlarge, gpt2, gpt2-large"),
    (["model=roberta_base", *MINI[1:]], "did you mean roberta-base?"),
    ([*MINI[:1], "method=prefix", *MINI[2:]], "method: no 'prefix', choose from adapter_d, adapter_h"),
    ([*MINI[:2], "task=rtee"], "task: no 'rtee', choose from cola, dart, e2e, mnli, mrpc"),
    ([*MINI[:3], "recipe=papers"], "choose from custom, mini, official, paper; did you mean paper?"),
    ([*MINI, "tracker=tensorboard"], "tracker: no 'tensorboard', choose from none, wandb"),
    ([*MINI, "method=ft"], "method is given twice: method=lora and method=ft; keep one"),
    ([*MINI[:1], "method=null", *MINI[2:]], "method: no 'None', choose from"),
    (MINI[:2], "task must be chosen: task=<one of cola, dart, e2e, mnli"),
    (["seed=1"], "model and method and task must be chosen"),
    ([*MINI, "model@other=minilm-l6"], "model@other=minilm-l6: a choice has one place"),
    ([*MINI, "method.name=ft"], "method.name follows from the choice method=...: choose from adapter_d, adapter_h"),
    ([*MINI, "recipe.source=paper"], "recipe.source follows from the choice recipe=..."),
    # wrong types
    ([*MINI, "seed=four"], "seed=four: seed takes a whole number"),
    ([*MINI, "seed=true"], "seed=true: seed takes a whole number"),
    ([*MINI, "recipe.epochs=2.5"], "recipe.epochs takes a whole number"),
    ([*MINI, "recipe.epochs=null"], "recipe.epochs takes a whole number"),
    ([*MINI, "recipe.lr=fast"], "recipe.lr=fast: recipe.lr takes a number"),
    ([*MINI, "recipe.head_lr=fast"], "recipe.head_lr takes a number, or null"),
    ([*MINI, "recipe.pad_to_max_length=maybe"], "recipe.pad_to_max_length takes true or false"),
    ([*MINI, "method.targets=W_q"], "method.targets takes a list, e.g. [a,b]"),
    ([*MINI, "method.ranks={W_q: x}"], "method.ranks takes whole numbers by name, e.g. {W_q: 4}"),
    ([*MINI, "method.ranks.W_q=x"], "method.ranks.W_q takes whole numbers by name"),
    ([*MINI, "data=folder"], "data holds several settings, set one of data.dir, data.sources, data.cache"),
    # not a setting at all
    ([*MINI, "seed"], "'seed' is not a setting: write key=value, e.g. seed=1; did you mean seed?"),
    ([*MINI, "seed=["], "'seed=[' cannot be read"),
    ([*MINI, "data.dir=/a(b"], "put a value with special characters in two pairs of quotes"),
    ([*MINI, "~seed"], "~seed: a setting cannot be removed"),
    ([*MINI, "+seed=3"], "+seed=3: seed exists, write it without '+'"),
    ([*MINI, "seed=1,2"], "seed=1,2: one run takes one value; for several use"),
    ([*MINI, "hydra.run.dir=x"], "Hydra's own settings go with python -m lora_repro.run --multirun"),
    # recipes
    (MINI[:3], "recipe=paper has no entry for model=minilm-l6 method=lora task=rte; recipe=mini has one"),
    (MINI[:3], "recipe=custom recipe.lr=... recipe.epochs=... recipe.batch_size=..."),
    (["model=roberta-base", "method=lora", "task=wnli"], "task=wnli; no source has one; or set the values by hand"),
    ([*MINI[:3], "recipe=custom", "recipe.lr=1"], "recipe.batch_size, recipe.epochs, recipe.max_length"),
    ([*MINI, "recipe.lr=???"], "recipe.lr: no value; set recipe.lr=..."),
    # what goes with what
    ([*MINI, "recipe.warmup_steps=10"], "recipe.warmup_ratio=0.06 and recipe.warmup_steps=10 are both set"),
    ([*MINI, "method.ranks={W_k: 3}"], "method.ranks gives W_k the rank 3, but method.targets=[W_q,W_v]"),
    ([*MINI, "recipe.max_length=513"], "more than the 512 positions of model=minilm-l6"),
    ([*MINI, "model.architecture=brt"], "model.architecture: no 'brt', choose from bert"),
    ([*MINI, "seed=${oc.env:SURELY_NOT_SET}"], "Environment variable 'SURELY_NOT_SET' not found"),
    ([*MINI, "seed=${nothing}"], "Interpolation key 'nothing' not found"),
]


@pytest.mark.parametrize(("items", "message"), BAD)
def test_a_mistake_gets_one_clear_line(items: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_run(items)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_there_are_enough_bad_inputs() -> None:
    assert len({items[-1] for items, _ in BAD}) >= 40


def test_sweeps_are_judged_value_by_value() -> None:
    _, chosen = judge(["model=minilm-l6", "method=lora", "task=rte,mrpc", "recipe=mini", "seed=range(3)"], sweep=True)
    assert chosen["method"] == "lora"
    with pytest.raises(ConfigError, match="seed takes a whole number"):
        judge([*MINI, "seed=0,one"], sweep=True)
    with pytest.raises(ConfigError, match="no 'rtee'"):
        judge([*MINI[:2], "task=mrpc,rtee"], sweep=True)


def test_hydra_settings_pass_in_a_sweep() -> None:
    items = [*MINI, "hydra/launcher=basic", "hydra.sweep.dir=x"]
    assert judge(items, sweep=True)[0] == items


def test_choices_are_the_files() -> None:
    assert choices("method") == sorted(METHODS)
    assert choices("recipe") == ["custom", "mini", "official", "paper"]

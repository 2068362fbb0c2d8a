"""The files of conf/studies: all of them read, one for each table and figure that trains, with claim and cost."""

import re
from pathlib import Path

import pytest

from lora_repro.errors import ConfigError
from lora_repro.overrides import choices, config_dir
from lora_repro.studies.files import FOLDER, Part, names, parse, read, split_name

TRAINING = (
    "table2",
    "table3",
    "table4",
    "table5",
    "table6",
    "table13",
    "table14",
    "table15",
    "table16",
    "table18",
    "figure2",
    "section4",
)
GRIDS = ("glue", "e2e", "webnlg", "dart")


def test_every_table_and_figure_that_trains_has_a_file() -> None:
    assert names() == sorted([*TRAINING, *GRIDS])


@pytest.mark.parametrize("name", [*TRAINING, *GRIDS])
def test_a_file_reads_and_its_head_says_claim_and_cost(name: str) -> None:
    study = read(name)
    assert study.name == name and study.parts and study.seeds
    assert study.plain == (name in GRIDS)
    assert study.parts_for(study.models[0])
    text = (config_dir() / FOLDER / f"{name}.yaml").read_text()
    head = re.match(r"(#.*\n)+", text)
    assert head is not None and "Cost: " in head[0]
    if name in TRAINING:
        kind, number = re.match(r"([a-z]+)(\d+)", name).groups()
        assert study.answers.startswith(f"{kind.capitalize()} {number}")
        assert head[0].startswith(f"# {kind.capitalize()} {number}: ") and "# Claim: " in head[0]


def test_table2_has_the_papers_rows() -> None:
    study = read("table2")

    def rows(model: str) -> list[str | None]:
        return [part.row for part in study.parts_for(model)]

    assert rows("roberta-base") == ["FT", "BitFit", "Adapter^D (0.3M)", "Adapter^D (0.9M)", "LoRA"]
    assert [row for row in rows("roberta-large") if row and row.endswith("dagger")] == [
        "Adapter^P (3.0M) dagger", "Adapter^P (0.8M) dagger", "Adapter^H (6.0M) dagger", "Adapter^H (0.8M) dagger",
        "LoRA dagger",
    ]  # fmt: skip
    assert rows("deberta-v2-xxlarge") == ["LoRA"]
    assert [part.row for part in study.parts if part.init_from] == ["LoRA"]


def test_figure2_is_table15s_runs() -> None:
    assert read("figure2").parts == read("table15").parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("table2", ("table2", None)),
        ("table2-roberta-base", ("table2", "roberta-base")),
        ("table15-gpt2-medium", ("table15", "gpt2-medium")),
        ("glue-deberta-v2-xxlarge", ("glue", "deberta-v2-xxlarge")),
    ],
)
def test_a_studys_name_may_end_with_its_model(text: str, expected: tuple[str, str | None]) -> None:
    assert split_name(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tabel2", "no study 'tabel2'.*did you mean table2"),
        ("table2-roberta-bsae", "no model 'roberta-bsae'.*roberta-base"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split_name(text)


GOOD = "answers: X\nmodels: [minilm-l6]\ntasks: [rte]\nseeds: [0]\nparts:\n  - methods: [lora]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("answers: X\n", ""), "answers is missing"),
        (GOOD + "sedes: [1]\n", "no key 'sedes'"),
        (GOOD.replace("[lora]", "[lorra]"), "methods: no 'lorra'.*did you mean lora"),
        (GOOD.replace("[rte]", "[rtee]"), "tasks: no 'rtee'"),
        (GOOD + "    init_from: qqp\n", "init_from takes mnli"),
        (GOOD + "    set: method.r\n", "'method.r' is not a setting"),
        (GOOD + "statistic: mode\n", "median or mean"),
        ("[]", "a study is a mapping"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"mine\.yaml: .*{message}|mine\.yaml: {message}"):
        parse(path)


def test_settings_are_a_list_or_a_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD + "    set: method.r=2 recipe.epochs=1\n    vary: [[method.alpha=1], method.alpha=2 seed=3]\n")
    (part,) = parse(path).parts
    assert part == Part(
        ("lora",), set=("method.r=2", "recipe.epochs=1"), vary=(("method.alpha=1",), ("method.alpha=2", "seed=3"))
    )
    assert not parse(path).plain


def test_the_folder_is_no_group_of_hydras() -> None:
    """A folder conf/study would turn the setting study=... into a choice of its files."""
    assert not (config_dir() / "study").exists() and choices(FOLDER) == names()

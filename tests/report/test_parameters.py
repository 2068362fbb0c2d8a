"""The table of trainable parameters: the figures of the paper, and an answer without torch when nothing changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lora_repro.report import parameters
from lora_repro.report.parameters import markdown, parameter_table, render
from tests.tiny_backbones import every_method, lora, tiny_config

Rows = dict[tuple[str, str], parameters.Row | parameters.Refused]


@pytest.fixture(scope="module")
def rows() -> Rows:
    return {(row.model, row.method): row for row in parameters._rows()}


@pytest.mark.parametrize(
    ("model", "method", "counted", "head", "printed"),
    [
        ("roberta-base", "ft", 124_055_040, 592_130, "125.0M"),
        ("roberta-base", "bitfit", 102_144, 592_130, "0.1M"),
        ("roberta-base", "lora", 294_912, 592_130, "0.3M"),
        ("roberta-large", "ft", 354_310_144, 1_051_650, "355.0M"),
        ("roberta-large", "lora", 786_432, 1_051_650, "0.8M"),
        ("deberta-v2-xxlarge", "lora", 4_718_592, 2_363_906, "4.7M"),
        ("minilm-l6", "lora", 73_728, 148_610, ""),
    ],
)
def test_figures(
    rows: Rows,
    model: str,
    method: str,
    counted: int,
    head: int,
    printed: str,
) -> None:
    row = rows[model, method]
    assert (row.counted, row.head, row.total, row.printed) == (counted, head, counted + head, printed)


def test_every_backbone_and_method_of_conf_agrees_with_the_formula(
    rows: Rows,
) -> None:
    assert len(rows) == len(parameters.backbones()) * len(parameters.names("method")) >= 78
    counted = [row for row in rows.values() if isinstance(row, parameters.Row)]
    assert [row for row in counted if row.counted != row.formula] == []
    refused = {pair: row.reason for pair, row in rows.items() if isinstance(row, parameters.Refused)}
    assert "finds nothing to train in smollm2-135m" in refused.pop(("smollm2-135m", "bitfit"))  # Llama has no bias
    assert {method for _, method in refused} <= {"adapter_d"}  # drops more blocks than the smallest backbones have
    assert not {model for model, _ in refused} & {"roberta-base", "roberta-large", "gpt2-medium", "gpt2-large"}


def test_the_papers_figure_stands_beside_its_own_settings_only() -> None:
    model = parameters.model_config("roberta-base")
    same, other = parameter_table([model], [lora(r=8, targets=["W_v", "W_q"]), lora(r=4)])
    assert (same.printed, other.printed) == ("0.3M", "")
    assert other.counted == 147_456


def test_markdown_shows_a_disagreement() -> None:
    row = parameter_table([tiny_config("bert")], every_method()[2:])[0]
    wrong = parameters.Row(**{**row.__dict__, "formula": row.counted - 5})
    text = markdown([row, wrong])
    assert text.count("| yes |") == 1
    assert "| NO, by +5 |" in text


def test_markdown_says_why_a_pair_cannot_be() -> None:
    (refused,) = parameter_table([tiny_config("llama")], every_method()[1:2])
    assert "| tiny-llama | bitfit |  | -- | -- | -- | -- | -- | -- | method bitfit finds" in markdown([refused])


def test_kept_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def count() -> list[parameters.Row]:
        counted.append(1)
        return []

    monkeypatch.setattr(parameters, "_rows", count)
    cache = tmp_path / "deep" / "parameters.json"
    first = render(cache)
    assert render(cache) == first
    assert len(counted) == 1
    monkeypatch.setattr(parameters, "_key", lambda: "changed")
    render(cache)
    assert len(counted) == 2
    cache.write_text("{ damaged")
    assert render(cache) == first
    assert len(counted) == 3
    assert json.loads(cache.read_text())["key"] == "changed"


def test_the_key_follows_settings_and_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = parameters._key()
    assert parameters._key() == before
    (tmp_path / "model").mkdir()
    (tmp_path / "method").mkdir()
    monkeypatch.setattr("lora_repro.report.parts.config_dir", lambda: tmp_path)
    empty = parameters._key()
    (tmp_path / "model" / "new.yaml").write_text("name: new\n")
    assert len({before, empty, parameters._key()}) == 3


def test_a_kept_table_needs_no_torch(tmp_path: Path) -> None:
    cache = tmp_path / "parameters.json"
    cache.write_text(json.dumps({"key": parameters._key(), "table": "kept\n"}))
    program = (
        "import sys; from pathlib import Path; from lora_repro.report.parameters import render; "
        f"print(render(Path({str(cache)!r})), 'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "kept\n False False\n"


def test_the_verb_prints_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(parameters, "render", lambda: "| a table |\n")
    assert parameters.main([]) == 0
    assert capsys.readouterr().out == "| a table |\n"

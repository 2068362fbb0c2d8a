"""Figures: the same bytes for the same records, nothing of the machine in them, gaps where runs are missing."""

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from lora_repro.records import Epoch, Record
from lora_repro.report.figures import heat_map
from lora_repro.report.figures.panels import methods_of, panels
from lora_repro.report.figures.render import BUILDERS, drawings, main
from lora_repro.report.figures.style import LOOKS, Drawing, look
from lora_repro.report.paper import paper_table
from tests.report.runs import run_of

RUNS = [run_of(m, "mrpc", seed, [0.6 + seed / 100, 0.7 + seed / 50]) for m in ("ft", "lora") for seed in range(3)]


def by_name(records: list[Record]) -> dict[str, Drawing]:
    return {drawing.name: drawing for drawing in drawings(records)}


def test_every_kind_is_drawn_and_one_epoch_makes_no_curve() -> None:
    kinds = {name.removesuffix("_glue_tiny_mini") for name in by_name(RUNS) if name.endswith("tiny_mini")}
    assert kinds == {"parameters", "curves", "losses", "seeds", "heat_map"}
    short = [run_of("lora", "mrpc", 0, [0.7])]
    assert "curves_glue_tiny_mini" not in by_name(short)
    assert set(by_name([])) == {"paper_figure2", "paper_heat_map_roberta-base", "paper_heat_map_roberta-large"}


def test_the_same_records_give_the_same_bytes_whatever_the_users_settings() -> None:
    drawing = by_name(RUNS)["seeds_glue_tiny_mini"]
    first = drawing.render()
    with matplotlib.rc_context({"font.size": 20, "axes.grid": False}):
        second = drawing.render()
    assert (first.svg, first.png) == (second.svg, second.png)
    assert b"<dc:date>" not in first.svg
    assert b"Matplotlib" not in first.png
    assert str(Path.cwd()).encode() not in first.svg


def test_a_panel_shows_one_group_and_knows_the_other_sizes() -> None:
    other = [replace(run, config={**run.config, "method": {**run.config["method"], "r": 64}}) for run in RUNS[3:5]]
    (panel,) = panels([*RUNS, *other], "tiny", "mini")
    assert panel.shown["lora"].runs == tuple(RUNS[3:])
    assert [group.runs for group in panel.others["lora"]] == [tuple(other)]
    assert methods_of([panel]) == ["ft", "lora"]
    assert panel.baseline == pytest.approx(68.4)


def test_data_to_text_has_figures_of_its_own_with_epochs_that_were_not_decoded() -> None:
    silent = Epoch(1, 10, 2.0, 1.5, {}, None, False, 1.0)
    told = Epoch(2, 20, 1.0, 1.2, {"BLEU": 0.6}, 0.6, False, 1.0)
    runs = [run_of("lora", "e2e", s, [0.6], epochs=[silent, told], best=told, last=told) for s in range(2)]
    found = by_name(runs)
    assert {"parameters_text_tiny_mini", "curves_text_tiny_mini", "seeds_text_tiny_mini"} <= set(found)
    assert b"<svg" in found["curves_text_tiny_mini"].render().svg


def test_losses_of_training_and_evaluation_stand_side_by_side_on_one_scale() -> None:
    figure = by_name(RUNS)["losses_glue_tiny_mini"].draw()
    training, evaluation = figure.axes[:2]
    assert [ax.get_title() for ax in (training, evaluation)] == ["MRPC, training", "MRPC, evaluation"]
    assert training.get_ylim() == evaluation.get_ylim()
    assert [list(line.get_ydata()) for line in training.lines] == [[0.5, 0.5]] * 8  # three seeds and the mean, twice


def test_missing_cells_of_a_heat_map_are_dashes() -> None:
    runs = [*RUNS, run_of("ft", "rte", 0, [0.5])]
    figure = heat_map.of_panels(panels(runs, "tiny", "mini"))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["72.0", "50.0", "72.0", "--"]
    shades = figure.axes[0].images[0].get_array()
    assert np.ma.is_masked(shades[1, 1])
    assert not np.ma.is_masked(shades[0, 0])


def test_methods_differ_in_marker_or_colour_and_a_strangers_method_is_drawn() -> None:
    assert len({(found.colour, found.marker) for found in LOOKS.values()}) == len(LOOKS) == 13
    assert look("my_method").label == "my_method"


def test_figure_2_has_all_of_table_15() -> None:
    figure = by_name([])["paper_figure2"].draw()
    drawn = {(round(x), y) for line in figure.axes[0].lines for x, y in zip(*line.get_data(), strict=True)}
    assert len(figure.axes) == 2
    assert (round(175e9), 73.8) in drawn
    assert {y for _, y in drawn} == {row.values["WikiSQL"].value for row in paper_table("15").rows}


def test_an_analysis_adds_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Drawing(
        "mine", "Mine.", lambda: heat_map.heat_map(np.eye(2), [["1", "0"], ["0", "1"]], ["a", "b"], ["c", "d"])
    )
    monkeypatch.setattr("lora_repro.report.figures.render.BUILDERS", [lambda _: [own]])
    assert main([f"--records={tmp_path / 'none'}", f"--out={tmp_path / 'figures'}"]) == 0
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["mine.png", "mine.svg"]
    assert len(BUILDERS) == 2

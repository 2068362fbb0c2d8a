"""The verb analyse from the command line: adapters of three libraries, its records, one line for every mistake."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from lora_repro import cli
from lora_repro.analysis.record import load_all
from lora_repro.analysis.results import Amplifications, Memory, Subspaces, Switching
from lora_repro.config import BitFitConfig
from lora_repro.exchange import model_config
from tests.methods.exchange.adapters import move, saved
from tests.tiny_backbones import lora, tiny_folder


@dataclass(frozen=True)
class Place:
    """A backbone, two adapters of it, and the first one's exports; not to be written to."""

    backbone: Path
    first: Path
    second: Path
    peft: Path
    pickle: Path


@pytest.fixture(scope="module", params=["roberta", "gpt2"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    top = tmp_path_factory.mktemp("analyse")
    tiny_folder(request.param, top / "backbone")
    model = model_config(str(top / "backbone"))
    made = Place(top / "backbone", top / "a.safetensors", top / "b.safetensors", top / "peft", top / "loralib.bin")
    saved(model, lora(), made.first)
    saved(model, lora(r=6), made.second)
    for kind, out in (("peft", made.peft), ("loralib", made.pickle)):
        assert cli.main(["export", str(made.first), "--to", kind, "--out", str(out)]) == 0
    return made


def run(*arguments: object) -> int:
    return cli.main(["analyse", *map(str, arguments)])


def test_the_same_adapter_in_three_formats_spans_the_same_spaces(place: Place, tmp_path: Path) -> None:
    foreign = ["--model", place.backbone, "--alpha", 8]
    for number, (path, more) in enumerate(
        [(place.first, []), (place.peft, foreign[:2]), (place.pickle, foreign)]
    ):  # fmt: skip
        assert run("subspaces", path, place.first, *more, "--records", tmp_path / str(number)) == 0
    results = [load_all(tmp_path / str(number))[0][0].result for number in range(3)]
    assert all(isinstance(result, Subspaces) for result in results)
    notes = [result.first for result in results if isinstance(result, Subspaces)]
    assert [own.format for own in notes] == ["ours", "peft", "loralib"]
    assert all(own.ranks == {"W_q": 4, "W_v": 4} and own.scaling == {"W_q": 2.0, "W_v": 2.0} for own in notes)
    for result in results:
        assert isinstance(result, Subspaces) and len(result.pairs) == 2 * 2 * 3
        for pair in result.pairs:
            assert all(pair.phi[i][i] == 1.0 for i in range(4))


def test_amplification_show_and_what_the_record_says(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (place.first, place.second, "--model", place.backbone, "--draws", 3, "--records", tmp_path / "records")
    assert run("amplification", *arguments) == 0
    assert run("subspaces", place.first, place.second, "--matrices", "A", "--records", tmp_path / "records") == 0
    shown = capsys.readouterr().out
    assert "Amplification (Table 7)" in shown and "phi(1, 1)" in shown and "record: " in shown
    records, damaged = load_all(tmp_path / "records")
    assert [own.kind for own in records] == ["amplification", "amplification", "subspaces"] and not damaged
    first = records[0].result
    assert isinstance(first, Amplifications) and (len(first.lines), first.draws) == (4, 3)
    text = "".join(path.read_text() for path in (tmp_path / "records").rglob("*.json"))
    assert str(tmp_path) not in text and str(place.backbone.parent) not in text  # no path of this machine
    (tmp_path / "runs").mkdir()
    no_runs = ("--runs-records", tmp_path / "runs")
    assert run("show", "--records", tmp_path / "records", *no_runs, "--out", tmp_path / "out") == 0
    names = {path.name for path in (tmp_path / "out").rglob("*")}
    assert {"tables", "figures"} <= names and any(name.startswith("table7_") for name in names)
    assert sum(name.endswith(".png") for name in names) == sum(name.endswith(".svg") for name in names) == 5


def test_a_switch_is_exact_and_timed(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "c.safetensors"
    adapted = saved(model_config(str(place.backbone)), lora(), tmp_path / "unused.safetensors")
    from lora_repro.methods.checkpoint import save_adapter
    from tests.methods.exchange.adapters import meta_of

    save_adapter(other, move(adapted, seed=99), meta_of(adapted))
    records = ["--records", tmp_path / "records"]
    assert run("switching", place.first, other, "--model", place.backbone, "--trials", 2, *records) == 0
    result = load_all(tmp_path / "records")[0][0].result
    assert isinstance(result, Switching) and result.exact
    assert {len(own) for key, own in result.seconds.items() if key != "read_full_checkpoint"} == {4}
    by_type = {own.dtype: own for own in result.drift}
    assert 0 < by_type["float32"].largest < 1e-5 < by_type["bfloat16"].largest < 1
    assert result.adapter_bytes < result.backbone_bytes


def test_latency_and_memory_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lora_repro.analyse import costs
    from tests.tiny_backbones import tiny_config

    monkeypatch.setattr(costs, "model_config", lambda name: tiny_config("gpt2"))
    cell = ["--grid", "cell", "--batch", 2, "--length", 5, "--adapters", "adapter_l:2,adapter_h:3", "--trials", 3]
    assert run("latency", *cell, "--records", tmp_path) == 0
    few = ["--methods", "ft lora", "--batch", 1, "--length", 4, "--predict-only"]
    assert run("memory", *few, "--records", tmp_path) == 0
    by_kind = {own.kind: own for own in load_all(tmp_path)[0]}
    assert by_kind["latency"].command.startswith("lora-repro analyse latency --grid cell --batch 2")
    result = by_kind["memory"].result
    assert isinstance(result, Memory) and [own.method for own in result.methods] == ["ft", "lora"]
    assert all(own.measured is None for own in result.methods)


def test_a_mistake_is_one_line(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bitfit = tmp_path / "bitfit.safetensors"
    saved(model_config(str(place.backbone)), BitFitConfig(name="bitfit"), bitfit)
    cases: list[tuple[list[object], str]] = [
        (["subspaces", place.first, "nowhere"], "adapter nowhere does not exist"),
        (["subspaces", place.first, bitfit], "was trained with method bitfit"),
        (["subspaces", place.first, place.peft], "give it by --model"),
        (["subspaces", place.first, place.pickle, "--model", place.backbone], "does not say its alpha"),
        (["subspaces", place.first, place.second, "--matrices", "A,C"], "no 'C', choose from A, B, dW"),
        (["subspaces", place.first, place.second, "--layers", "7"], "no block 7: there are 0 to 1"),
        (["subspaces", place.first, place.second, "--layers", "x"], "--layers x: write numbers"),
        (["amplification", place.first, "--model", place.backbone, "--draws", "0"], "--draws 0 must be at least 1"),
        (["switching", place.first, place.second, "--model", place.backbone], "train both with the same"),
        (["latency", "--grid", "cell", "--batch", "2"], "--grid cell needs --batch, --length and --adapters"),
        (["latency", "--trials", "0"], "--trials 0 must be at least 1"),
        (["latency", "--grid", "cell", "--batch", "2", "--length", "3", "--adapters", "lora:2"], "write METHOD:R"),
        (["memory", "--methods", "ft lroa"], "no 'lroa', choose from"),
        (["memory", "--batch", "0"], "--batch 0 must be at least 1"),
    ]
    for arguments, says in cases:
        capsys.readouterr()
        assert run(*arguments) == 2, arguments
        written = capsys.readouterr()
        assert says in written.err and written.err.count("\n") == 1 and written.err.startswith("error: "), written.err

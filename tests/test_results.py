"""What is committed under results/ is what the committed records give, byte for byte, and the front page shows it.

After new records, ``make results`` renders everything anew.
"""

from pathlib import Path

import pytest

from lora_repro import records
from lora_repro.analysis.record import AnalysisRecord, load_all
from lora_repro.records import Record
from lora_repro.report.analysis.render import all_figures
from lora_repro.report.analysis.tables import tables_of
from lora_repro.report.audited import Audited
from lora_repro.report.claims.page import as_csv, decide, markdown
from lora_repro.report.figures.render import drawings
from lora_repro.report.figures.style import Rendered
from lora_repro.report.inputs import AUDIT
from lora_repro.report.layout import Table
from lora_repro.report.page.build import build
from lora_repro.report.tables import BEGIN, END, all_tables

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
OF_THE_AUDIT = {"parameters.md", "parameters.tex", "parameters.csv"}  # held by tests/report/test_audit.py
ON_THE_FRONT_PAGE = "glue_minilm-l6_mini"


@pytest.fixture(scope="module")
def found() -> list[Record]:
    runs, damaged = records.load_all(RESULTS / "records")
    assert damaged == []
    assert len(runs) >= 27
    return runs


@pytest.fixture(scope="module")
def tables(found: list[Record]) -> dict[str, Table]:
    return all_tables(found, [], Audited.read(RESULTS / "tables" / AUDIT))


def test_committed_tables_are_what_the_records_give(tables: dict[str, Table]) -> None:
    expected = {
        f"{name}{suffix}": text
        for name, table in tables.items()
        for suffix, text in ((".md", table.markdown()), (".tex", table.latex()), (".csv", table.csv()))
    }
    committed = {path.name: path.read_text() for path in (RESULTS / "tables").iterdir()}
    assert sorted(committed) == sorted({*expected, *OF_THE_AUDIT})
    assert [name for name, text in expected.items() if committed[name] != text] == []


@pytest.fixture(scope="module")
def figures(found: list[Record]) -> list[Rendered]:
    return [drawing.render() for drawing in drawings(found)]


def test_committed_figures_are_what_the_records_give(figures: list[Rendered]) -> None:
    expected = {f"{figure.name}.{kind}": getattr(figure, kind) for figure in figures for kind in ("svg", "png")}
    committed = {path.name: path.read_bytes() for path in (RESULTS / "figures").iterdir()}
    assert sorted(committed) == sorted(expected)
    assert [name for name, content in expected.items() if committed[name] != content] == []


@pytest.fixture(scope="module")
def analyses() -> list[AnalysisRecord]:
    done, damaged = load_all(RESULTS / "analysis")
    assert damaged == []
    return done


@pytest.fixture(scope="module")
def drawn(found: list[Record], analyses: list[AnalysisRecord]) -> list[Rendered]:
    return [drawing.render() for drawing in all_figures(analyses, found)]


def test_committed_analyses_are_what_their_records_give(analyses: list[AnalysisRecord], drawn: list[Rendered]) -> None:
    expected = {f"{name}.md": table.markdown().encode() for name, table in tables_of(analyses).items()}
    for figure in drawn:
        expected |= {f"{figure.name}.svg": figure.svg, f"{figure.name}.png": figure.png}
    rendered = [*(RESULTS / "analysis").glob("tables/*.md"), *(RESULTS / "analysis").glob("figures/*")]
    committed = {path.name: path.read_bytes() for path in rendered}
    assert sorted(committed) == sorted(expected)
    assert [name for name, content in expected.items() if committed[name] != content] == []
    for record in analyses:
        assert not record.environment.dirty, record.name


def test_committed_claims_and_report_are_what_the_records_give(
    found: list[Record],
    tables: dict[str, Table],
    figures: list[Rendered],
    analyses: list[AnalysisRecord],
    drawn: list[Rendered],
) -> None:
    audited = Audited.read(RESULTS / "tables" / AUDIT)
    decided = decide(found, audited, analyses)
    assert (RESULTS / "claims" / "claims.md").read_text() == markdown(decided)
    assert (RESULTS / "claims" / "claims.csv").read_text() == as_csv(decided)
    everything = [*figures, *drawn]
    page = build(
        found, [], {**tables, **tables_of(analyses)}, audited, everything, RESULTS / "tables" / AUDIT, analyses
    )  # fmt: skip
    assert (RESULTS / "report" / "index.html").read_text() == page


def test_every_record_is_of_a_clean_checkout_and_stands_in_its_place() -> None:
    for path in sorted(RESULTS.rglob("records/**/*.json")):
        record = records.load(path)
        assert not record.environment.dirty, path
        assert len(record.environment.commit) == 40, path
        assert path.stem == f"s{record.seed}-{record.identity}", path
        assert path.parts[-4:-1] == (record.task, record.model, record.method), path


def test_the_front_page_shows_the_committed_table(tables: dict[str, Table]) -> None:
    page = (ROOT / "README.md").read_text()
    shown = page.split(f"{BEGIN}\n")[1].split(END)[0]
    assert shown == tables[ON_THE_FRONT_PAGE].markdown()


def test_the_front_page_shows_quickstarts_committed_output() -> None:
    page = (ROOT / "README.md").read_text()
    block = page[page.index("<!-- quickstart:begin -->") : page.index("<!-- quickstart:end -->")]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines() if line[:1] == "|"][
        2:
    ]
    output = (RESULTS / "quickstart" / "output.txt").read_text()
    for name, columns, count in (("glue_roberta-mini.md", slice(0, 3), 3), ("e2e_gpt2-mini.md", slice(3, 5), 2)):
        table = (RESULTS / "quickstart" / name).read_text()
        assert table.strip() in output
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"
        ][2:]
        wanted = [row[:3] if count == 3 else row[1:3] for row in rows]
        assert [row[columns] for row in shown][: len(wanted)] == wanted

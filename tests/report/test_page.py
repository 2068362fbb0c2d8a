"""The report: one file that a browser shows whole, from the disk, on a desk and on a phone."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lora_repro import records
from lora_repro.report.audited import Audited
from lora_repro.report.figures.render import drawings
from lora_repro.report.page.build import build
from lora_repro.report.page.deviations import DISAGREEMENTS
from lora_repro.report.tables import all_tables
from tests.report.runs import run_of

ROOT = Path(__file__).parents[2]
AUDIT = ROOT / "results" / "tables" / "parameters.csv"
COMMITTED = ROOT / "results" / "report" / "index.html"
PROBE = """<script>addEventListener("load", () => { const pictures = [...document.images];
document.body.dataset.probe = JSON.stringify({pictures: pictures.length,
broken: pictures.filter(p => !p.complete || !p.naturalWidth).length,
page: document.documentElement.scrollWidth, window: innerWidth}); });</script></body>"""


@dataclass(frozen=True)
class Seen:
    pictures: int
    broken: int
    page: int
    window: int
    console: list[str]


def browse(page: Path, folder: Path, width: int) -> Seen:
    """Open a page in headless Chromium, without a network, and say what it shows."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium here: apt-get install chromium opens the report in a browser")
    text = page.read_text()
    probed = folder / "probed.html"
    probed.write_text(text.replace("</body>", PROBE))
    command = [
        *(browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}"),
        *("--virtual-time-budget=3000", "--dump-dom", probed.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    found = re.search(r'data-probe="([^"]*)"', done.stdout)
    assert found is not None, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Seen(**json.loads(found[1].replace("&quot;", '"')), console=console)


class Addresses(HTMLParser):
    """Everything that a page fetches, and the places that it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        if tag in ("img", "script", "iframe", "source") and found.get("src"):
            self.fetched.append(str(found["src"]))
        if tag == "link":
            self.fetched.append(str(found.get("href")))
        if tag == "a":
            self.links.append(str(found.get("href")))


@pytest.mark.parametrize("width", [1280, 500])  # a headless window is never narrower than 500
def test_a_browser_shows_every_picture_and_has_nothing_to_complain_of(width: int, tmp_path: Path) -> None:
    seen = browse(COMMITTED, tmp_path, width)
    assert seen.pictures >= 7
    assert seen.broken == 0
    assert seen.console == []
    assert seen.page <= seen.window, "the page is wider than the window; only tables may scroll"


def test_the_browser_check_sees_what_is_broken(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<body><img src="nowhere.png"><div style="width:3000px">x</div><script>nothing()</script></body>')
    seen = browse(page, tmp_path, 800)
    assert (seen.pictures, seen.broken) == (1, 1)
    assert seen.page > seen.window
    assert any("nothing is not defined" in line for line in seen.console)


def test_the_page_fetches_nothing_and_its_links_lead_somewhere() -> None:
    addresses = Addresses(COMMITTED.read_text())
    assert addresses.fetched
    assert all(address.startswith("data:image/svg+xml;base64,") for address in addresses.fetched)
    assert "@import" not in COMMITTED.read_text()
    inner = [link for link in addresses.links if link.startswith("#")]
    assert len(inner) >= 7
    assert {link[1:] for link in inner} <= addresses.ids


def test_all_is_on_the_page_and_texts_are_escaped(tmp_path: Path) -> None:
    run = run_of("lora", "mrpc", 0, [0.7], model="<tiny>")
    audited = Audited.read(AUDIT)
    figures = [drawing.render() for drawing in drawings([])][:1]
    page = build([run], ["x.json: not a record"], all_tables([run], [], audited), audited, figures, AUDIT)
    assert "<tiny>" not in page
    assert "&lt;tiny&gt;" in page
    for expected in ("x.json: not a record", "recipe mini: lr 0.001, epochs 3", "0.7000", "Table 2.", "cccccccccc",
                     "Parameter audit", "alpha, RoBERTa base"):  # fmt: skip
        assert expected in page, expected
    without = build([], [], {}, Audited(()), [], tmp_path / "none.csv")
    assert "has not been run here" in without


def test_every_disagreement_that_was_collected_is_told(shared: Path) -> None:
    collected = json.loads((shared / "paper" / "recipes.json").read_text())["disagreements"]
    assert sorted(item.topic for item in DISAGREEMENTS) == sorted(item["topic"] for item in collected)
    assert all(item.paper and item.code and item.here for item in DISAGREEMENTS)


def test_every_record_has_its_line() -> None:
    found, _ = records.load_all(ROOT / "results" / "records")
    text = COMMITTED.read_text()
    assert all(f"<td>{record.identity}</td>" in text for record in found)

"""Tables as Markdown, LaTeX (booktabs) and CSV from the same cells."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lora_repro.records import write_atomically

_LATEX = {
    "±": r"$\pm$",
    "%": r"\%",
    "_": r"\_",
    "&": r"\&",
    "#": r"\#",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "^": r"\^{}",
    "|": r"$|$",
}


@dataclass(frozen=True)
class Table:
    """A title, what a reader must know before the numbers, and the cells as text.

    `bold` holds (row, column) of the cells to set in bold, counted from 0 without the header.
    """

    title: str
    notes: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: frozenset[tuple[int, int]] = field(default_factory=frozenset)

    def markdown(self) -> str:
        """GitHub's Markdown, columns aligned so that the source reads as well as the page."""
        cells = [[self._mark(r, c, _bars(text), "**") for c, text in enumerate(row)] for r, row in enumerate(self.rows)]
        widths = [max(len(text) for text in column) for column in zip(self.columns, *cells, strict=True)]
        lines = [f"### {self.title}", "", *(f"- {note}" for note in self.notes), ""]
        lines.append(_line(self.columns, widths))
        lines.append("|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)) + "|")
        lines += [_line(row, widths) for row in cells]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """A ``table`` environment; needs the package booktabs. The first note is in the caption, all are comments."""
        body = [
            " & ".join(
                rf"\textbf{{{_escape(text)}}}" if (r, c) in self.bold else _escape(text) for c, text in enumerate(row)
            )
            + r" \\"
            for r, row in enumerate(self.rows)
        ]
        return "\n".join(
            [
                *(f"% {note}" for note in self.notes),
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{_escape(self.title)}. {_escape(' '.join(self.notes[:1]))}}}",
                rf"\begin{{tabular}}{{l{'r' * (len(self.columns) - 1)}}}",
                r"\toprule",
                " & ".join(_escape(column) for column in self.columns) + r" \\",
                r"\midrule",
                *body,
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
                "",
            ]
        )

    def csv(self) -> str:
        """The cells, without notes."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return out.getvalue()

    def save(self, stem: Path) -> list[Path]:
        """Write ``stem.md``, ``stem.tex`` and ``stem.csv``."""
        written = []
        for suffix, text in ((".md", self.markdown()), (".tex", self.latex()), (".csv", self.csv())):
            path = stem.with_name(stem.name + suffix)
            write_atomically(path, text.encode())
            written.append(path)
        return written

    def _mark(self, row: int, column: int, text: str, mark: str) -> str:
        return f"{mark}{text}{mark}" if (row, column) in self.bold else text


def best_rows(values: Mapping[int, float], lower_is_better: bool = False) -> list[int]:
    """The rows with the best value of a column, for bold; none where there is nothing to compare it with."""
    best = (min if lower_is_better else max)(values.values(), default=None)
    return [row for row, value in values.items() if value == best and len(values) > 1]


def _bars(text: str) -> str:
    """A bar within a cell is not its end."""
    return text.replace("|", r"\|")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return "| " + " | ".join(padded) + " |"


def _escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)

"""Table 7, and the numbers behind the heat maps of phi."""

import statistics
from collections import defaultdict
from collections.abc import Sequence

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.analysis.results import Amplification, Amplifications, Subspaces
from lora_repro.report.analysis.places import middle, name_of, of, where
from lora_repro.report.layout import Table

PAPER_TABLE7 = (  # r, from dW, from W, random, ||W||, ||dW||, factor; W_q of block 48 of GPT-3 175B
    (4, "0.32", "21.67", "0.02", "61.95", "6.91", "21.5"),
    (64, "1.90", "37.71", "0.33", "61.95", "3.57", "about 2"),
)


def amplification_tables(records: Sequence[AnalysisRecord]) -> dict[str, Table]:
    """Table 7 for each backbone and task."""
    found: defaultdict[tuple[str, str], list[AnalysisRecord]] = defaultdict(list)
    for record in of(records, Amplifications):
        assert isinstance(record.result, Amplifications)
        found[record.result.backbone, record.result.adapter.task].append(record)
    return {
        "_".join(filter(None, ["table7", backbone, task])): _table7(own, backbone, task)
        for (backbone, task), own in found.items()
    }


def _table7(records: Sequence[AnalysisRecord], backbone: str, task: str) -> Table:
    columns = [
        "Adapter", "Matrix", "r", "From dW", "From W", "Random", "Random, expected", "||W||", "||dW||", "Factor",
        "Factor over blocks",
    ]  # fmt: skip
    rows = []
    results = [record.result for record in records if isinstance(record.result, Amplifications)]
    block = middle([line.layer for result in results for line in result.lines])
    for result in sorted(results, key=lambda own: (max(own.adapter.ranks.values()), own.adapter.source)):
        for weight in dict.fromkeys(line.weight for line in result.lines):
            own = [line for line in result.lines if line.weight == weight]
            shown = next((line for line in own if line.layer == block), own[0])
            factors = sorted(line.factor for line in own)
            over = f"{statistics.median(factors):.2f} ({factors[0]:.2f} to {factors[-1]:.2f})"
            rows.append([result.adapter.source.split("-")[0], *_line(shown), over])
    rows += [
        ["paper", "W_q", str(r), dW, W, random, "", norm_W, norm_dW, factor, ""]
        for r, dW, W, random, norm_W, norm_dW, factor in PAPER_TABLE7
    ]
    notes = [
        "|| U^T W V ||_F with the first r singular directions of dW, of W itself, or random ones; the factor is "
        "||dW|| / || U^T W V || with dW's own. dW includes alpha / r.",
        f"Block {block + 1} of {len({line.layer for result in results for line in result.lines})}, the factor also as "
        "median (least to largest) over blocks; the paper: block 48 of 96 of GPT-3 175B.",
        "Random, expected: r ||W|| / sqrt(d k).",
        where(records),
    ]
    return Table(f"Amplification (Table 7), {backbone}" + (f", {task}" if task else ""), notes, columns, rows)


def _line(line: Amplification) -> list[str]:
    numbers = (line.inside_dW, line.inside_W, line.inside_random, line.expected_random, line.norm_W, line.norm_dW)
    return [line.weight, str(line.r), *(f"{number:.3g}" for number in numbers), f"{line.factor:.2f}"]


def subspace_tables(records: Sequence[AnalysisRecord]) -> dict[str, Table]:
    """phi at a few sizes for each pair of adapters: the numbers behind the heat maps."""
    built = {}
    for record in of(records, Subspaces):
        result = record.result
        assert isinstance(result, Subspaces)
        p, q = (max(note.ranks.values()) for note in (result.first, result.second))
        sizes = list(dict.fromkeys([(1, 1), (1, q), (min(2, p), min(2, q)), (p, min(p, q)), (p, q)]))
        random = {(own.weight, own.matrix): own.phi for own in result.control}
        rows = []
        for own in result.pairs:
            cells = []
            for i, j in sizes:
                i, j = min(i, len(own.phi)), min(j, len(own.phi[0]))
                cells.append(f"{own.phi[i - 1][j - 1]:.2f} ({random[own.weight, own.matrix][i - 1][j - 1]:.2f})")
            rows.append([str(own.layer + 1), own.weight, own.matrix, *cells])
        notes = [
            f"i: {name_of(result.first)}; j: {name_of(result.second)}.",
            "phi(i, j) = || U_i^T U'_j ||_F^2 / min(i, j); in brackets that of random Gaussian matrices of the same "
            "shapes.",
            where([record]),
        ]
        columns = ["Block", "Matrix", "Of", *(f"phi({i}, {j})" for i, j in sizes)]
        built[f"subspaces_{record.name}_details"] = Table(f"Subspace similarity, {record.name}", notes, columns, rows)
    return built

"""Claims F: the subspaces of section 7 and appendix H."""

import statistics
from collections.abc import Sequence

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.analysis.results import Amplifications, Matrix, Similarity, Subspaces
from lora_repro.report.analysis.claim import FAILS, HOLDS, OPEN, Claim, Finding
from lora_repro.report.analysis.places import middle, of


def _subspaces(records: Sequence[AnalysisRecord], same_rank: bool) -> list[Subspaces]:
    results = [record.result for record in of(records, Subspaces) if isinstance(record.result, Subspaces)]
    return [own for own in results if (own.first.ranks == own.second.ranks) is same_rank]


def _setting(result: Subspaces) -> str:
    return ", ".join(filter(None, [result.first.backbone, result.first.task, f"{result.layers} blocks"]))


def _top_direction(records: Sequence[AnalysisRecord]) -> list[Finding]:
    found = []
    for result in _subspaces(records, same_rank=False):
        q, held, texts = max(result.second.ranks.values()), True, []
        for weight, own in _of_A(result.pairs).items():
            top = [phi[0][0] for phi in own]  # phi(1, 1) of each block
            whole = statistics.median(phi[0][-1] for phi in own)
            random = _of_A(result.control)[weight][0][0][-1]
            held &= statistics.median(top) > 0.5
            texts.append(
                f"{weight}: phi(1, 1) median {statistics.median(top):.2f}, over 0.5 in {sum(v > 0.5 for v in top)} of "
                f"{len(top)} blocks; phi(1, {q}) median {whole:.2f}, random {random:.2f}"
            )
        if texts:
            found.append(Finding(HOLDS if held else FAILS, "; ".join(texts), _setting(result)))
    return found


def _two_seeds(records: Sequence[AnalysisRecord]) -> list[Finding]:
    found = []
    for result in _subspaces(records, same_rank=True):
        shares: dict[str, float] = {}
        held, texts = True, []
        for weight, own in _of_A(result.pairs).items():
            k = min(10, len(own[0]))
            random = _of_A(result.control)[weight][0][k - 1][k - 1]
            shares[weight] = statistics.median(phi[k - 1][k - 1] for phi in own)
            held &= shares[weight] > 2 * random
            texts.append(f"{weight}: phi({k}, {k}) median {shares[weight]:.2f}, random {random:.2f}")
        if {"W_q", "W_v"} <= set(shares):
            held &= shares["W_q"] > shares["W_v"]
        if texts:
            found.append(Finding(HOLDS if held else FAILS, "; ".join(texts), _setting(result)))
    return found


def _of_A(entries: Sequence[Similarity]) -> dict[str, list[Matrix]]:
    """phi of the A matrices, by projection, one for each block."""
    found: dict[str, list[Matrix]] = {}
    for entry in entries:
        if entry.matrix == "A":
            found.setdefault(entry.weight, []).append(entry.phi)
    return found


def _amplifications(records: Sequence[AnalysisRecord]) -> list[Amplifications]:
    return [record.result for record in of(records, Amplifications) if isinstance(record.result, Amplifications)]


def _amplifies(records: Sequence[AnalysisRecord]) -> list[Finding]:
    found = []
    for result in _amplifications(records):
        lines = [line for line in result.lines if line.weight == "W_q"]
        if not lines:
            continue
        shown = next(line for line in lines if line.layer == middle([own.layer for own in lines]))
        above = sum(line.inside_dW > line.inside_random for line in lines)
        below = sum(line.inside_dW < line.inside_W / 2 for line in lines)
        numbers = (
            f"block {shown.layer + 1}: {shown.inside_dW:.3g}, random {shown.inside_random:.3g}, W's own "
            f"{shown.inside_W:.3g}; above random in {above}, under half of W's own in {below} of {len(lines)} blocks"
        )
        held = above == below == len(lines)
        found.append(Finding(HOLDS if held else FAILS, numbers, _place(result)))
    return found


def _factor(records: Sequence[AnalysisRecord]) -> list[Finding]:
    by_task: dict[tuple[str, str], dict[int, list[float]]] = {}
    for result in _amplifications(records):
        own = [line for line in result.lines if line.weight == "W_q"]
        if own:
            ranks = by_task.setdefault((result.backbone, result.adapter.task), {})
            ranks.setdefault(own[0].r, []).append(statistics.median(line.factor for line in own))
    found = []
    for (backbone, task), by_rank in by_task.items():
        text = ", ".join(f"r = {r}: {statistics.median(own):.2f}" for r, own in sorted(by_rank.items()))
        small, large = min(by_rank), max(by_rank)
        if small == large:
            found.append(Finding(OPEN, text + "; one r only", f"{backbone}, {task}"))
            continue
        held = statistics.median(by_rank[small]) > statistics.median(by_rank[large]) > 1
        found.append(Finding(HOLDS if held else FAILS, text + " (median over blocks)", f"{backbone}, {task}"))
    return found


def _not_the_top(records: Sequence[AnalysisRecord]) -> list[Finding]:
    found = []
    for result in _amplifications(records):
        lines = [line for line in result.lines if line.weight == "W_q"]
        if not lines:
            continue
        values = [line.phi_W[-1][min(3, line.r - 1)] for line in lines]
        random = [line.phi_random[-1][min(3, line.r - 1)] for line in lines]
        numbers = (
            f"phi(first tenth of W, first {min(4, lines[0].r)} of dW) median {statistics.median(values):.2f}, largest "
            f"{max(values):.2f}; random {statistics.median(random):.2f}"
        )
        found.append(Finding(HOLDS if statistics.median(values) <= 0.25 else FAILS, numbers, _place(result)))
    return found


def _place(result: Amplifications) -> str:
    r = max(result.adapter.ranks.values())
    return ", ".join(filter(None, [result.backbone, result.adapter.task, f"r = {r}", result.adapter.source[:2]]))


SECTION7_CLAIMS = (
    Claim("F1", "Figure 3", "The top directions of A at r = 8 and r = 64 overlap", "phi(1, 1) > 0.5",
          "median over blocks over 0.5 for every projection", _top_direction),
    Claim("F2", "Figure 4", "Two seeds share top directions, dW_q more than dW_v", "up to 0.5; random none",
          "phi(10, 10) over twice random, W_q over W_v", _two_seeds),
    Claim("F3", "Table 7", "dW amplifies directions that W has but does not emphasise", "0.32; random 0.02; top 21.67",
          "above random and under half of W's own, in every block", _amplifies),
    Claim("F4", "Table 7, H.4", "The amplification factor is large and falls with r", "21.5 at r = 4, 2 at r = 64",
          "falls from the least to the largest r and stays over 1", _factor),
    Claim("F5", "Figure 8", "dW's top directions are not W's top directions", "barely over 0.2",
          "phi of W's first tenth and dW's first four at most 0.25", _not_the_top),
)  # fmt: skip

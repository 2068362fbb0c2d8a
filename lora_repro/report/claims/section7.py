"""Rules of the claims F, about the subspaces of section 7 and appendix H, on the records of analyses.

phi and norms are computed, not sampled: what varies are blocks. A rule takes the median over blocks, and says in how
many blocks the statement is true.
"""

import statistics
from collections.abc import Sequence

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.analysis.results import Amplifications, Matrix, Similarity, Subspaces
from lora_repro.report.analysis.places import middle, of
from lora_repro.report.claims import Finding, Outcome
from lora_repro.report.claims.evidence import Evidence

SHARED = 0.5  # phi(1, 1) of Figure 3
TOP = 10  # directions of Figure 4's comparison
OVER_RANDOM = 2.0  # times the control
MOST_OVERLAP = 0.25  # Figure 8's "barely exceeds 0.2"


def top_direction(evidence: Evidence) -> list[Outcome]:
    """F1: phi(1, 1) over 0.5 in the median of blocks, for each projection."""
    found = []
    for result in _subspaces(evidence.analyses, same_rank=False):
        q, held, texts = max(result.second.ranks.values()), True, []
        control = _of_A(result.control)
        for weight, own in _of_A(result.pairs).items():
            top = [phi[0][0] for phi in own]  # phi(1, 1) of each block
            held &= statistics.median(top) > SHARED
            texts.append(
                f"{weight}: phi(1, 1) median {statistics.median(top):.2f}, over {SHARED} in "
                f"{sum(value > SHARED for value in top)} of {len(top)} blocks; phi(1, {q}) median "
                f"{statistics.median(phi[0][-1] for phi in own):.2f}, random {control[weight][0][0][-1]:.2f}"
            )
        if texts:
            found.append(Outcome(_where(result), _finding(held), "; ".join(texts)))
    return found


def two_seeds(evidence: Evidence) -> list[Outcome]:
    """F2: the first ten directions agree at least twice as well as random ones, more for W_q than for W_v."""
    found = []
    for result in _subspaces(evidence.analyses, same_rank=True):
        shares: dict[str, float] = {}
        held, texts = True, []
        control = _of_A(result.control)
        for weight, own in _of_A(result.pairs).items():
            k = min(TOP, len(own[0]))
            random = control[weight][0][k - 1][k - 1]
            shares[weight] = statistics.median(phi[k - 1][k - 1] for phi in own)
            held &= shares[weight] > OVER_RANDOM * random
            texts.append(f"{weight}: phi({k}, {k}) median {shares[weight]:.2f}, random {random:.2f}")
        if {"W_q", "W_v"} <= set(shares):
            held &= shares["W_q"] > shares["W_v"]
        if texts:
            found.append(Outcome(_where(result), _finding(held), "; ".join(texts)))
    return found


def other_layers(evidence: Evidence) -> list[Outcome]:
    """F6: what Figure 3 shows of the middle block is true of every block: phi(1, 1) over 0.5 in all or in none."""
    found = []
    for result in _subspaces(evidence.analyses, same_rank=False):
        texts, held = [], True
        for weight, own in _of_A(result.pairs).items():
            top = [phi[0][0] for phi in own]
            over = sum(value > SHARED for value in top)
            held &= over in (0, len(top))
            texts.append(f"{weight}: phi(1, 1) {min(top):.2f} to {max(top):.2f} over blocks")
        if texts:
            found.append(Outcome(_where(result), _finding(held), "; ".join(texts)))
    return found


def amplifies(evidence: Evidence) -> list[Outcome]:
    """F3: W_q's part in dW's directions lies above random and below half of W_q's own top part, in every block."""
    found = []
    for result in _amplifications(evidence.analyses):
        lines = [line for line in result.lines if line.weight == "W_q"]
        if not lines:
            continue
        shown = next(line for line in lines if line.layer == middle([own.layer for own in lines]))
        above = sum(line.inside_dW > line.inside_random for line in lines)
        below = sum(line.inside_dW < line.inside_W / 2 for line in lines)
        numbers = (
            f"block {shown.layer + 1}: {shown.inside_dW:.3g}, random {shown.inside_random:.3g}, W_q's own "
            f"{shown.inside_W:.3g}; above random in {above}, below half of W_q's own in {below} of {len(lines)} blocks"
        )
        found.append(Outcome(_place(result), _finding(above == below == len(lines)), numbers))
    return found


def factor_falls(evidence: Evidence) -> list[Outcome]:
    """F4: the factor (median over blocks, then over seeds) falls from the least to the largest r and stays over 1."""
    by_task: dict[tuple[str, str], dict[int, list[float]]] = {}
    for result in _amplifications(evidence.analyses):
        own = [line for line in result.lines if line.weight == "W_q"]
        if own:
            ranks = by_task.setdefault((result.backbone, result.adapter.task), {})
            ranks.setdefault(own[0].r, []).append(statistics.median(line.factor for line in own))
    found = []
    for place, by_rank in by_task.items():
        where = ", ".join(filter(None, place))
        text = ", ".join(f"r = {r}: {statistics.median(own):.2f}" for r, own in sorted(by_rank.items()))
        small, large = min(by_rank), max(by_rank)
        if small == large:
            found.append(Outcome(where, Finding.UNDECIDED, f"{text}; needs a second r"))
            continue
        held = statistics.median(by_rank[small]) > statistics.median(by_rank[large]) > 1
        found.append(Outcome(where, _finding(held), f"{text} (median over blocks)"))
    return found


def not_the_top(evidence: Evidence) -> list[Outcome]:
    """F5: phi between W_q's first tenth and dW's first four directions is at most 0.25 in the median of blocks."""
    found = []
    for result in _amplifications(evidence.analyses):
        lines = [line for line in result.lines if line.weight == "W_q"]
        if not lines:
            continue
        values = [line.phi_W[-1][min(3, line.r - 1)] for line in lines]
        random = [line.phi_random[-1][min(3, line.r - 1)] for line in lines]
        numbers = (
            f"W_q's first tenth and dW's first {min(4, lines[0].r)}: median {statistics.median(values):.2f}, largest "
            f"{max(values):.2f}; random {statistics.median(random):.2f}"
        )
        found.append(Outcome(_place(result), _finding(statistics.median(values) <= MOST_OVERLAP), numbers))
    return found


def _subspaces(records: Sequence[AnalysisRecord], same_rank: bool) -> list[Subspaces]:
    results = [record.result for record in of(records, Subspaces) if isinstance(record.result, Subspaces)]
    return [own for own in results if (own.first.ranks == own.second.ranks) is same_rank]


def _amplifications(records: Sequence[AnalysisRecord]) -> list[Amplifications]:
    return [record.result for record in of(records, Amplifications) if isinstance(record.result, Amplifications)]


def _of_A(entries: Sequence[Similarity]) -> dict[str, list[Matrix]]:
    """phi of the A matrices, by projection, one for each block."""
    found: dict[str, list[Matrix]] = {}
    for entry in entries:
        if entry.matrix == "A":
            found.setdefault(entry.weight, []).append(entry.phi)
    return found


def _where(result: Subspaces) -> str:
    seeds = f"{result.first.source.split('-')[0]} and {result.second.source.split('-')[0]}"
    return ", ".join(filter(None, [result.first.backbone, result.first.task, seeds]))


def _place(result: Amplifications) -> str:
    r = max(result.adapter.ranks.values())
    return ", ".join(filter(None, [result.backbone, result.adapter.task, f"r = {r}", result.adapter.source[:2]]))


def _finding(holds: bool) -> Finding:
    return Finding.HOLDS if holds else Finding.FAILS

"""Rules of the claims about latency (A), task switching (A6) and memory (E3), on the records of analyses."""

from collections.abc import Callable, Sequence

from lora_repro.analysis.results import MERGED, Latency, Memory, Switching, Timing
from lora_repro.report.analysis.places import GPT3, latency_groups, of
from lora_repro.report.analysis.slowdown import Slowdown, against, slowdown, within, within_against
from lora_repro.report.claims import Finding, Outcome, Rule
from lora_repro.report.claims.evidence import Evidence

ADAPTERS = ("adapter_l", "adapter_h")
TABLE1 = ((1, 128), (16, 256), (32, 512))
LEAST_RATIO = 1.5  # of FT's memory over LoRA's

Cells = dict[tuple[int, int], Latency]  # by batch and length


def on_latency(decide: Callable[[Cells], tuple[Finding, str] | None]) -> Rule:
    """Apply a test to the cells of each model on each machine; None says that a cell it needs is missing."""

    def rule(evidence: Evidence) -> list[Outcome]:
        found = []
        for own in latency_groups(evidence.analyses).values():
            cells = {(r.result.batch, r.result.length): r.result for r in own if isinstance(r.result, Latency)}
            settings, place = own[0].settings, own[0].environment
            where = f"{settings['model']}, {place.machine}, {settings['threads']} threads, {settings['precision']}"
            finding, numbers = decide(cells) or (Finding.UNDECIDED, "a cell of Table 1 is missing")
            found.append(Outcome(where, finding, numbers))
        return found

    return rule


def slow_online(cells: Cells) -> tuple[Finding, str] | None:
    """A1: both adapters' intervals at batch 1 and length 128 lie above 0."""
    both = [_largest(cells.get((1, 128)), method) for method in ADAPTERS]
    found = [own for own in both if own is not None]
    if len(found) < 2:
        return None
    holds, fails = all(own.low > 0 for own in found), any(own.high < 0 for own in found)
    return _finding(holds, fails), f"Adapter^L {found[0]}, Adapter^H {found[1]}"


def shrinks(cells: Cells) -> tuple[Finding, str] | None:
    """A2: the slow-down of the largest cell of Table 1 lies below that of the smallest."""
    sizes = [size for size in TABLE1 if size in cells]
    if len(sizes) < 2:
        return None
    inside = all(_inside(cells[size]) for size in sizes)
    holds, fails, texts = True, False, []
    for method in ADAPTERS:
        own = [_largest_timing(cells[size], method) for size in sizes]
        known = [timing for timing in own if timing is not None]
        if len(known) < len(own):
            return None
        found = [
            within(timing) if inside else slowdown(cells[size], timing)
            for size, timing in zip(sizes, known, strict=True)
        ]
        holds &= found[-1].high < found[0].low
        fails |= found[-1].low > found[0].high
        each = zip(found, sizes, known, strict=True)
        texts.append(f"{method}: " + ", ".join(f"{own} at {_size(size)} (r = {t.r})" for own, size, t in each))
    return _finding(holds, fails), _by(inside) + "; ".join(texts)


def H_slower(cells: Cells) -> tuple[Finding, str] | None:
    """A3: Adapter^H over Adapter^L, by sample, lies above 1 in every cell of Table 1 that was measured."""
    known = []
    sizes = [size for size in TABLE1 if size in cells]
    inside = all(_inside(cells[size]) for size in sizes)
    for size in sizes:
        L, H = (_largest_timing(cells[size], method) for method in ADAPTERS)
        if L is not None and H is not None:
            known.append((size, within_against(H, L) if inside else against(H, L)))
    if not known:
        return None
    holds, fails = all(own.low > 0 for _, own in known), any(own.high < 0 for _, own in known)
    return _finding(holds, fails), _by(inside) + "Adapter^H over Adapter^L: " + "; ".join(
        f"{_size(size)} {own}" for size, own in known
    )


def worst(cells: Cells) -> tuple[Finding, str] | None:
    """A4: the largest slow-down of the online cells, batch 1 and the least length measured, lies above 30 %."""
    length = min((length for batch, length in cells if batch == 1), default=None)
    if length is None:
        return None
    cell = cells[1, length]
    found = [(slowdown(cell, timing), timing) for timing in cell.timings if timing.variant in ADAPTERS]
    if not found:
        return None
    most, timing = max(found, key=lambda own: own[0].percent)
    return _finding(most.low > 30, most.high < 30), f"{timing.variant}, r = {timing.r}, {_size((1, length))}: {most}"


def merged_is_free(cells: Cells) -> tuple[Finding, str] | None:
    """A5: the profiler counts the base model's own operations; the times are company, not the test."""
    same = all(cell.same_operations for cell in cells.values())
    times = [
        f"{_size(size)}: {slowdown(cell, timing)}"
        for size, cell in sorted(cells.items()) for timing in cell.timings if timing.variant == MERGED
    ]  # fmt: skip
    operations = f"{'the same' if same else 'OTHER'} operations in {len(cells)} cells"
    return _finding(same, not same), f"{operations}; timed {'; '.join(times[:3])}"


def switched(evidence: Evidence) -> list[Outcome]:
    """A6: unmerging gives back every bit; what subtraction would lose stands beside it."""
    found = []
    for record in of(evidence.analyses, Switching):
        own = record.result
        assert isinstance(own, Switching)
        drifts = ", ".join(f"{drift.dtype} {drift.largest:.1e}" for drift in own.drift)
        numbers = f"unmerged: {'every bit is back' if own.exact else 'NOT the same weights'}"
        numbers += f"; by subtraction, {own.drift[0].rounds} rounds, a weight moves by up to {drifts}"
        tasks = f"{own.first.task} to {own.second.task}"
        found.append(Outcome(f"{own.backbone}, {tasks}", _finding(own.exact, not own.exact), numbers))
    return found


def training_memory(evidence: Evidence) -> list[Outcome]:
    """E3: FT's memory over LoRA's; the measured peak where there is one, else the prediction without activations."""
    found = []
    for record in of(evidence.analyses, Memory):
        result = record.result
        assert isinstance(result, Memory)
        by_name = {own.method: own for own in result.methods}
        if not {"ft", "lora"} <= set(by_name):
            continue
        ft, lora = by_name["ft"], by_name["lora"]
        parts = [own.predicted.total - own.predicted.activations for own in (ft, lora)]
        ratio = parts[0] / parts[1]
        numbers = f"weights, gradients and Adam {ratio:.2f} times"
        if result.model != GPT3:
            numbers += f", with activations {ft.predicted.total / lora.predicted.total:.2f} (predicted)"
        if ft.peak and lora.peak:
            ratio = ft.peak / lora.peak
            numbers += f"; measured peak {ratio:.2f} times"
        where = f"{result.model}, batch {result.batch} x {result.length}, {result.precision}"
        found.append(Outcome(where, _finding(ratio >= LEAST_RATIO, ratio < LEAST_RATIO), numbers))
    return found


def _largest(cell: Latency | None, method: str) -> Slowdown | None:
    """The slow-down of the largest adapter of one kind."""
    own = None if cell is None else _largest_timing(cell, method)
    return slowdown(cell, own) if cell is not None and own is not None else None


def _inside(cell: Latency) -> bool:
    """Whether the time within adapter layers was read in it."""
    return all(timing.inserted for timing in cell.timings if timing.variant in ADAPTERS)


def _by(inside: bool) -> str:
    return "within the pass, " if inside else ""


def _largest_timing(cell: Latency, method: str) -> Timing | None:
    own = [timing for timing in cell.timings if timing.variant == method]
    return max(own, key=lambda timing: timing.r) if own else None


def _finding(holds: bool, fails: bool) -> Finding:
    return Finding.HOLDS if holds else Finding.FAILS if fails else Finding.UNDECIDED


def _size(size: Sequence[int]) -> str:
    return f"{size[0]} x {size[1]}"

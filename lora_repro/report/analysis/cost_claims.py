"""Claims A (latency, task switching) and E (memory and checkpoints)."""

from collections.abc import Callable, Sequence

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.analysis.results import MERGED, Latency, Memory, MethodMemory, Switching
from lora_repro.report.analysis.claim import FAILS, HOLDS, OPEN, Claim, Finding
from lora_repro.report.analysis.places import GPT3, latency_groups, of
from lora_repro.report.analysis.slowdown import Slowdown, slowdown

ADAPTERS = ("adapter_l", "adapter_h")

_Cells = dict[tuple[int, int], Latency]


def _by_machine(decide: Callable[[_Cells], tuple[str, str]]) -> Callable[[Sequence[AnalysisRecord]], list[Finding]]:
    """Apply a test to each machine's cells; ("", "") says that a cell it needs is missing."""

    def over(records: Sequence[AnalysisRecord]) -> list[Finding]:
        found = []
        for own in latency_groups(records).values():
            cells = {(r.result.batch, r.result.length): r.result for r in own if isinstance(r.result, Latency)}
            verdict, numbers = decide(cells)
            settings = own[0].settings
            place = f"{settings['model']}, {own[0].environment.machine}, {settings['threads']} threads, "
            found.append(Finding(verdict or OPEN, numbers or "a cell is missing", place + settings["precision"]))
        return found

    return over


def _adapter(cell: Latency | None, method: str) -> Slowdown | None:
    """The slow-down of the largest adapter of one kind."""
    own = [] if cell is None else [timing for timing in cell.timings if timing.variant == method]
    return slowdown(cell, max(own, key=lambda timing: timing.r)) if cell is not None and own else None


def _slow_online(cells: _Cells) -> tuple[str, str]:
    both = [_adapter(cells.get((1, 128)), method) for method in ADAPTERS]
    found = [own for own in both if own is not None]
    if len(found) < 2:
        return "", ""
    return (HOLDS if all(own.low > 0 for own in found) else FAILS), f"L {found[0]}, H {found[1]}"


def _shrinks(cells: _Cells) -> tuple[str, str]:
    sizes = [size for size in ((1, 128), (16, 256), (32, 512)) if size in cells]
    if len(sizes) < 2:
        return "", ""
    ends = [{m: _adapter(cells[size], m) for m in ADAPTERS} for size in (sizes[0], sizes[-1])]
    verdicts, texts = [], []
    for method in ADAPTERS:
        small, large = ends[0][method], ends[1][method]
        if small is None or large is None:
            return "", ""
        verdicts.append(large.high < small.low)
        texts.append(f"{method[-1].upper()} {small} at {sizes[0]}, {large} at {sizes[-1]}")
    return (HOLDS if all(verdicts) else FAILS), "; ".join(texts)


def _H_slower(cells: _Cells) -> tuple[str, str]:
    sizes = [size for size in ((1, 128), (16, 256), (32, 512)) if size in cells]
    pairs = [(size, _adapter(cells[size], "adapter_l"), _adapter(cells[size], "adapter_h")) for size in sizes]
    found = [(size, low, high) for size, low, high in pairs if low is not None and high is not None]
    if not found:
        return "", ""
    text = "; ".join(f"{size}: H {high.percent:+.1f} %, L {low.percent:+.1f} %" for size, low, high in found)
    return (HOLDS if all(high.percent > low.percent for _, low, high in found) else FAILS), text


def _worst(cells: _Cells) -> tuple[str, str]:
    found = [
        (slowdown(cell, timing), size, timing)
        for size, cell in cells.items() for timing in cell.timings if timing.variant in ADAPTERS
    ]  # fmt: skip
    if not found:
        return "", ""
    worst, size, timing = max(found, key=lambda own: own[0].percent)
    return (HOLDS if worst.percent > 30 else FAILS), f"{timing.variant}, r = {timing.r}, {size}: {worst}"


def _merged_is_free(cells: _Cells) -> tuple[str, str]:
    same = all(cell.same_operations for cell in cells.values())
    texts = []
    for size, cell in sorted(cells.items()):
        own = next(timing for timing in cell.timings if timing.variant == MERGED)
        texts.append(f"{size}: {slowdown(cell, own)}")
    operations = "same operations" if same else "OTHER operations"
    return (HOLDS if same else FAILS), f"{operations} in {len(cells)} cells; timed " + "; ".join(texts[:3])


def _switch(records: Sequence[AnalysisRecord]) -> list[Finding]:
    found = []
    for record in of(records, Switching):
        own = record.result
        assert isinstance(own, Switching)
        drifts = ", ".join(f"{d.dtype} {d.largest:.1e}" for d in own.drift)
        numbers = f"unmerging exact: {own.exact}; by subtraction, {own.drift[0].rounds} rounds: largest change {drifts}"
        found.append(Finding(HOLDS if own.exact else FAILS, numbers, f"{own.backbone}, {own.first.task}"))
    return found


def _memories(records: Sequence[AnalysisRecord], gpt3: bool) -> list[tuple[Memory, MethodMemory, MethodMemory]]:
    found = []
    for record in of(records, Memory):
        result = record.result
        assert isinstance(result, Memory)
        by_name = {own.method: own for own in result.methods}
        if (result.model == GPT3) is gpt3 and {"ft", "lora"} <= set(by_name):
            found.append((result, by_name["ft"], by_name["lora"]))
    return found


def _checkpoint(records: Sequence[AnalysisRecord]) -> list[Finding]:
    found = []
    for memory, ft, lora in _memories(records, gpt3=True):
        ratio = ft.trainable / lora.trainable
        numbers = (
            f"fp16: {2 * ft.trainable / 1e9:.1f} GB and {2 * lora.trainable / 1e6:.1f} MB, {ratio:,.0f} times; 100 "
            f"tasks: {(2 * ft.trainable + 200 * lora.trainable) / 1e9:.0f} GB for {200 * ft.trainable / 1e12:.1f} TB; "
            f"|Theta| is {100 * lora.trainable / ft.trainable:.4f} %"
        )
        right = 0.9 < ratio / 10_000 < 1.1 or 0.9 < 350e9 / (2 * ft.trainable) < 1.1
        found.append(Finding(HOLDS if right else FAILS, numbers, f"{memory.model}, arithmetic"))
    for memory, ft, lora in _memories(records, gpt3=False):
        if ft.checkpoint and lora.checkpoint:
            numbers = f"{ft.checkpoint / 1e6:,.1f} MB and {lora.checkpoint / 1e6:.2f} MB: "
            numbers += f"{ft.checkpoint / lora.checkpoint:,.0f} times"
            found.append(Finding(HOLDS, numbers, f"{memory.model}, files on disk, {lora.settings}"))
    return found


def _training_memory(records: Sequence[AnalysisRecord]) -> list[Finding]:
    found = []
    for gpt3 in (True, False):
        for memory, ft, lora in _memories(records, gpt3):
            states = [own.predicted.weights + own.predicted.gradients + own.predicted.optimiser for own in (ft, lora)]
            numbers = f"weights, gradients, Adam: {states[0] / states[1]:.2f} times less"
            ratio = states[0] / states[1]
            numbers += f"; with activations predicted {ft.predicted.total / lora.predicted.total:.2f}"
            if ft.peak and lora.peak:
                ratio = ft.peak / lora.peak
                numbers += f"; measured peak {ratio:.2f}"
            place = f"{memory.model}, batch {memory.batch} x {memory.length}, {memory.precision}"
            found.append(Finding(HOLDS if ratio >= 2 else FAILS, numbers, place))
    return found


COST_CLAIMS = (
    Claim("A1", "Table 1", "Adapters slow down one short sequence", "L +20.7 %, H +30.3 % (GPT-2 medium, GPU)",
          "both intervals at batch 1, length 128 above 0", _by_machine(_slow_online)),
    Claim("A2", "Table 1", "The slow-down shrinks with batch x length", "+20.7 to +2.2 %, +30.3 to +3.0 %",
          "the largest cell's interval below the smallest one's", _by_machine(_shrinks)),
    Claim("A3", "Table 1", "Adapter^H is slower than Adapter^L", "3.0 > 2.2, 8.4 > 5.0, 30.3 > 20.7",
          "in every cell measured", _by_machine(_H_slower)),
    Claim("A4", "Figure 5", "At worst the slow-down is over 30 %", "> 30 %", "largest of all cells over 30 %",
          _by_machine(_worst)),
    Claim("A5", "Table 1, 4.1", "Merged LoRA adds no latency", "0 by construction",
          "the profiler counts the base model's own operations", _by_machine(_merged_is_free)),
    Claim("A6", "4.1", "Tasks are switched by taking B A out and putting B' A' in", "W0 is recovered",
          "unmerging gives back every bit", _switch),
    Claim("E1, E2, E5, E6", "4.2", "Checkpoints shrink by about 10,000 times", "350 GB to 35 MB; 100 tasks 354 GB",
          "GPT-3 by arithmetic, others as files", _checkpoint),
    Claim("E3", "4.2", "LoRA needs a third of the training memory", "1.2 TB to 350 GB",
          "at least halved (measured peak where there is one)", _training_memory),
)  # fmt: skip

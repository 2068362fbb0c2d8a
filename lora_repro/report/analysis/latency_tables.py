"""Table 1 in the paper's form, and every cell of a latency grid in detail."""

import statistics
from collections.abc import Sequence

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.analysis.results import BASE, BLOCK, SAMPLES, Latency
from lora_repro.report.analysis.places import VARIANTS, latency_groups, where
from lora_repro.report.analysis.slowdown import slowdown, within
from lora_repro.report.layout import Table

PAPER_TABLE1 = {  # (batch, length) -> variant -> printed; Quadro RTX8000, GPT-2 medium
    (32, 512): {BASE: "1449.4±0.8", "adapter_l": "1482.0±1.0 (+2.2%)", "adapter_h": "1492.2±1.0 (+3.0%)"},
    (16, 256): {BASE: "338.0±0.6", "adapter_l": "354.8±0.5 (+5.0%)", "adapter_h": "366.3±0.5 (+8.4%)"},
    (1, 128): {BASE: "19.8±2.7", "adapter_l": "23.9±2.1 (+20.7%)", "adapter_h": "25.8±2.2 (+30.3%)"},
}


def latency_tables(records: Sequence[AnalysisRecord]) -> dict[str, Table]:
    """Table 1 in the paper's form where its cells are there, and all cells with everything that was measured."""
    built = {}
    for name, own in latency_groups(records).items():
        cells = {(r.result.batch, r.result.length): r.result for r in own if isinstance(r.result, Latency)}
        tables = [(f"table1_{name}", _table1)] if set(cells) & set(PAPER_TABLE1) else []
        for key, make in [*tables, (f"latency_{name}_details", _latency_details)]:
            built[key] = make(list(cells.values()), own)
    return built


def _table1(cells: Sequence[Latency], records: Sequence[AnalysisRecord]) -> Table:
    by_size = {(cell.batch, cell.length): cell for cell in cells}
    columns, rows = ["Variant"], [[label] for label in VARIANTS.values()]
    for size, printed in PAPER_TABLE1.items():
        cell = by_size.get(size)
        columns += [f"b = {size[0]}, t = {size[1]} (ms)", "paper"]
        for variant, row in zip(VARIANTS, rows, strict=True):
            row += [_milliseconds(cell, variant), printed.get(variant, "")]
    model = cells[0].model
    notes = [
        "Median over n samples; slow-down over Fine-Tune: median of the ratios within a sample, with a 95 % interval "
        "(from 6 samples on by order statistics, of fewer Student's t, which is wide). A fine-tuned model is the base "
        "model with other values.",
        *_turns(cells),
        "The paper: mean ± standard deviation of 100 trials on a Quadro RTX8000. Milliseconds of two machines cannot "
        "be compared, slow-downs can.",
        _same_operations(cells),
        where(records),
    ]
    return Table(f"Latency of one forward pass (Table 1), {model}", notes, columns, rows)


def _milliseconds(cell: Latency | None, variant: str) -> str:
    timings = [] if cell is None else [timing for timing in cell.timings if timing.variant == variant]
    if cell is None or not timings:
        return "-- (0)"
    timing = max(timings, key=lambda own: own.r)
    median = f"{1000 * statistics.median(timing.seconds):,.1f}"
    size = f", r = {timing.r}" if variant.startswith("adapter") else ""
    if variant == BASE:
        return f"{median} (n = {len(timing.seconds)})"
    return f"{median} ({slowdown(cell, timing)}{size})"


def _latency_details(cells: Sequence[Latency], records: Sequence[AnalysisRecord]) -> Table:
    columns = [
        "Batch x length", "Variant", "r", "Parameters", "Median (ms)", "Quartiles (ms)", "Mean ± sd (ms)", "Slow-down",
        "Within the pass", "Samples", "Operations", "Busy",
    ]  # fmt: skip
    rows = []
    for cell in sorted(cells, key=lambda cell: (cell.length, cell.batch)):
        for timing in cell.timings:
            times = [1000 * second for second in timing.seconds]
            low, median, high = _quartiles(times)
            spread = f" ± {statistics.stdev(times):,.1f}" if len(times) > 1 else ""
            key = f"{timing.variant} {timing.r}" if timing.r else timing.variant
            rows.append(
                [
                    f"{cell.batch} x {cell.length}",
                    VARIANTS[timing.variant],
                    str(timing.r or ""),
                    f"{timing.parameters:,}",
                    f"{median:,.1f}",
                    f"{low:,.1f} to {high:,.1f}",
                    f"{statistics.mean(times):,.1f}{spread}",
                    "" if timing.variant == BASE else str(slowdown(cell, timing)),
                    str(within(timing)) if timing.inserted else "",
                    str(len(times)),
                    f"{cell.operations[key]:,}",
                    f"{cell.busy:.2f}",
                ]
            )
    notes = [
        "Operations: calls in one pass as PyTorch's profiler counts them. Busy: processor time over wall-clock time "
        "and threads; well below 1 means that the machine did other work too, and times are worth less.",
        "Slow-down: over the base model in the same sample. Within the pass: over the same pass without the time in "
        "the adapter layers and in adding what they compute, which drifts with the machine as the rest does; it leaves "
        "out what they do to their neighbours.",
        *_turns(cells),
        _same_operations(cells),
        where(records),
    ]
    return Table(f"Latency in detail, {cells[0].model}", notes, columns, rows)


def _turns(cells: Sequence[Latency]) -> list[str]:
    """What a sample is."""
    by_block = [f"{cell.batch} x {cell.length}" for cell in cells if cell.turns == BLOCK]
    if not by_block:
        return []
    return [
        f"A sample is one whole pass; at {', '.join(by_block)} a pass estimated from every {SAMPLES}th block, the "
        "variants taking turns by block, so that what is compared lies close in time."
    ]


def _same_operations(cells: Sequence[Latency]) -> str:
    same = sum(cell.same_operations for cell in cells)
    return (
        f"Merged LoRA runs exactly the base model's operations in {same} of {len(cells)} cells: what its row differs "
        "by is the measurement's own error."
    )


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high

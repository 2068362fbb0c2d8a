"""Section 4's costs: training memory by part, GPT-3's by convention, switching between tasks."""

import statistics
from collections.abc import Sequence

from lora_repro.analysis.conventions import CONVENTIONS, PAPER_FT, PAPER_LORA
from lora_repro.analysis.record import AnalysisRecord
from lora_repro.analysis.results import Bytes, Memory, Switching
from lora_repro.report.analysis.places import GPT3, of, where
from lora_repro.report.layout import Table


def memory_tables(records: Sequence[AnalysisRecord]) -> dict[str, Table]:
    """Memory by part for each model and batch; for GPT-3 the conventions beside the paper's numbers."""
    built = {}
    for record in of(records, Memory):
        result = record.result
        assert isinstance(result, Memory)
        stem = f"{result.model}_b{result.batch}_t{result.length}"
        built[f"memory_{stem}"] = _memory(result, record)
        if result.model == GPT3:
            built[f"memory_{result.model}_section42"] = _gpt3(result, record)
    return built


def _memory(result: Memory, record: AnalysisRecord) -> Table:
    columns = [
        "Method", "Settings", "Trainable", "Weights", "Gradients", "Adam", "Activations", "Total", "Measured parts",
        "Measured peak", "Peak / FT's", "Checkpoint",
    ]  # fmt: skip
    ft = next((own for own in result.methods if own.method == "ft"), None)
    rows = []
    for own in result.methods:
        p, m = own.predicted, own.measured
        share = "" if own.peak is None or ft is None or ft.peak is None else f"{own.peak / ft.peak:.2f}"
        rows.append(
            [
                own.method, own.settings, f"{own.trainable:,}",
                *map(_mega, (p.weights, p.gradients, p.optimiser, p.activations, p.total)),
                "--" if m is None else _mega(m.total), "--" if own.peak is None else _mega(own.peak), share,
                "--" if own.checkpoint is None else _mega(own.checkpoint),
            ]
        )  # fmt: skip
    notes = [
        f"MB = 10^6 bytes; batch {result.batch} x {result.length} tokens, {result.precision}, AdamW, dropout off, no "
        "activation checkpointing. Predicted from shapes: weights, gradients, Adam's moments, and what the forward "
        "pass keeps for the backward pass, counted on the meta device.",
        "Measured parts: the same four, of real training steps. Measured peak: of the whole process less what it held "
        "before the model; it holds temporary buffers too.",
        "GPT-2's tied output layer and every encoder's head are included; Trainable counts the head.",
        where([record]),
    ]
    return Table(f"Training memory (section 4.2), {result.model}", notes, columns, rows)


def _gpt3(result: Memory, record: AnalysisRecord) -> Table:
    ft, lora = (next((own for own in result.methods if own.method == name), None) for name in ("ft", "lora"))
    rows = []
    if ft is not None and lora is not None:
        for convention in CONVENTIONS:
            full = convention.bytes(ft.total, ft.trainable)
            small = convention.bytes(lora.total, lora.trainable)
            parts = [f"{convention.weight} + {convention.gradient} + {convention.state}"]
            rows.append([convention.name, *parts, _tera(full), _giga(small), f"{full.total / small.total:.2f}"])
    rows.append(["paper, section 4.2", "", f"{PAPER_FT / 1e12:.1f} TB", f"{PAPER_LORA / 1e9:.0f} GB", "3.43"])
    notes = [
        "Weights, gradients and Adam's states alone, without activations, from the parameter counts. Bytes: of a "
        "weight, + of a trained parameter's gradient, + of its optimiser state.",
        "The paper does not say how its 1.2 TB come about: they lie between the first two lines. Its 350 GB are the "
        "weights in fp16.",
        where([record]),
    ]
    columns = ["Convention", "Bytes per parameter", "Full fine-tuning", "LoRA", "Ratio"]
    return Table("GPT-3 175B, training memory by convention (section 4.2)", notes, columns, rows)


def switching_tables(records: Sequence[AnalysisRecord]) -> dict[str, Table]:
    """Task switching, one table."""
    rows = []
    own = of(records, Switching)
    for record in own:
        result = record.result
        assert isinstance(result, Switching)
        times = {key: 1000 * statistics.median(values) for key, values in result.seconds.items()}
        switch = sum(times[key] for key in ("read_adapter", "unmerge", "load", "merge"))
        drifts = ", ".join(f"{drift.dtype} {drift.largest:.1e}" for drift in result.drift)
        rows.append(
            [
                f"{result.first.task or result.first.source} to {result.second.task or result.second.source}",
                result.backbone, f"{switch:.1f}",
                " + ".join(f"{times[key]:.1f}" for key in ("read_adapter", "unmerge", "load", "merge")),
                f"{times['read_full_checkpoint']:.1f}", _mega(result.adapter_bytes), _mega(result.backbone_bytes),
                "yes" if result.exact else "NO", drifts,
            ]
        )  # fmt: skip
    if not rows:
        return {}
    columns = [
        "Switch", "Backbone", "Switch (ms)", "Read + unmerge + load + merge", "Full checkpoint (ms)", "Adapter (MB)",
        "Full (MB)", "Exact", "Drift by subtraction",
    ]  # fmt: skip
    notes = [
        "Medians. Full checkpoint: reading a whole fine-tuned model instead. Files were in the system's cache.",
        "Exact: after unmerging every bit of W0 is back, and the second task merged after the first is the second "
        "task merged alone. Drift: largest change of a weight after ten rounds of adding B A and subtracting it again "
        "in the given number type, which is the paper's own way (section 4.1).",
        where(own),
    ]
    return {"switching": Table("Task switching (section 4.1)", notes, columns, rows)}


def _mega(number: int) -> str:
    return f"{number / 1e6:,.1f}"


def _tera(parts: Bytes) -> str:
    return f"{parts.total / 1e12:.2f} TB"


def _giga(parts: Bytes) -> str:
    return f"{parts.total / 1e9:,.0f} GB"

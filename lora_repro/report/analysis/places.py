"""What the tables, figures and claims of the analyses share: choosing records, and saying where they come from."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.analysis.results import BASE, MERGED, UNMERGED, AdapterNote, Latency

VARIANTS = {
    BASE: "Fine-Tune",
    MERGED: "LoRA, merged",
    UNMERGED: "LoRA, not merged",
    "adapter_l": "Adapter^L",
    "adapter_h": "Adapter^H",
}
"""How latency's variants are called; the paper's Table 1 has one row for Fine-Tune and LoRA."""

GPT3 = "gpt3-175b"


def of(records: Sequence[AnalysisRecord], kind: type[object]) -> list[AnalysisRecord]:
    """The records whose result is of one kind."""
    return [record for record in records if isinstance(record.result, kind)]


def where(records: Sequence[AnalysisRecord]) -> str:
    """Machine, threads, precision, versions, commit and dates of some records, as one note."""
    places = [record.environment for record in records]
    parts = [
        joined(f"{p.machine} ({p.device}), {p.threads} threads, {p.precision}" for p in places),
        "PyTorch " + joined(p.versions.get("torch", "?") for p in places),
        "commit " + joined(p.commit[:10] + (" with changes" if p.dirty else "") for p in places),
        joined(record.finished[:10] for record in records),
    ]
    return "Machine: " + "; ".join(parts) + "."


def latency_groups(records: Sequence[AnalysisRecord]) -> dict[str, list[AnalysisRecord]]:
    """Latency records that belong in one table or figure: one model on one machine, in one way; by a short name.

    Of two records of one cell the later one counts.
    """
    found: defaultdict[tuple[object, ...], list[AnalysisRecord]] = defaultdict(list)
    newest = {
        str({key: own for key, own in record.settings.items() if key != "turns"}): record
        for record in sorted(of(records, Latency), key=lambda record: record.finished)
    }
    for record in newest.values():
        keys = ("model", "precision", "device", "threads", "machine")
        found[tuple(record.settings[key] for key in keys)].append(record)
    named: dict[str, list[AnalysisRecord]] = {}
    for (model, precision, device, threads, _), own in sorted(found.items(), key=lambda item: str(item[0])):
        name = f"{model}_{precision}_{device}{threads if device == 'cpu' else ''}"
        number = sum(other == name or other.startswith(f"{name}_machine") for other in named)
        named[f"{name}_machine{number + 1}" if number else name] = own
    return named


def middle(layers: Sequence[int]) -> int:
    """The block that stands for the paper's 48th of 96."""
    ordered = sorted(set(layers))
    return ordered[(len(ordered) - 1) // 2]


def name_of(note: AdapterNote) -> str:
    """An adapter in a note: its file, task, backbone and rank."""
    ranks = "/".join(map(str, sorted(set(note.ranks.values()))))
    return ", ".join(filter(None, [note.source, note.task, note.backbone, f"r = {ranks}"]))


def joined(texts: Iterable[str]) -> str:
    """Different texts, each once."""
    return " / ".join(dict.fromkeys(texts))

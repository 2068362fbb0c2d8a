"""Adapters as `read_updates` gives them, without the disk."""

from lora_repro.analysis.adapters import Updates
from lora_repro.analysis.results import AdapterNote
from lora_repro.methods.apply import Adapted
from lora_repro.methods.exchange.pairs import from_adapter
from tests.methods.exchange.adapters import file_of


def updates_of(adapted: Adapted) -> Updates:
    portable = from_adapter(file_of(adapted))
    ranks = {weight: pair.rank for (_, weight), pair in portable.pairs.items()}
    scaling = {weight: pair.scaling for (_, weight), pair in portable.pairs.items()}
    return Updates(portable.pairs, AdapterNote("mine", "ours", "f" * 12, "tiny", "mnli", ranks, scaling), None)

"""Every table of the analyses."""

from collections.abc import Sequence

from lora_repro.analysis.record import AnalysisRecord
from lora_repro.report.analysis.cost_tables import memory_tables, switching_tables
from lora_repro.report.analysis.latency_tables import latency_tables
from lora_repro.report.analysis.section7_tables import amplification_tables, subspace_tables
from lora_repro.report.layout import Table


def tables_of(records: Sequence[AnalysisRecord]) -> dict[str, Table]:
    """Every table that these records allow, by file name without its ending."""
    return {
        **latency_tables(records),
        **amplification_tables(records),
        **subspace_tables(records),
        **memory_tables(records),
        **switching_tables(records),
    }

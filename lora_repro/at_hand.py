"""Are data and backbone on this machine, or at least within reach? Answered before torch is imported.

The imports of a run take seconds; a compute node without network is told at once what it lacks.
"""

from collections.abc import Sequence
from contextlib import suppress

from lora_repro import records
from lora_repro.config import RunConfig
from lora_repro.errors import DataError
from lora_repro.models import locate
from lora_repro.tasks.data_to_text import DATA_TO_TEXT
from lora_repro.tasks.glue import GLUE
from lora_repro.tasks.load import require_splits
from lora_repro.tasks.load_text import require_text_splits


def require(config: RunConfig) -> None:
    """Refuse a run that has no record and cannot get its data or its backbone; reads and downloads nothing.

    Raises:
        OfflineError: the hub is needed and cannot be reached.
        DataError: the local folder has no such task or split.
        BackboneError: the backbone's folder lacks files.
    """
    if records.find(config) is None:
        _require_data(config)
        locate.require(config.model)


def require_for_all(configs: Sequence[RunConfig]) -> None:
    """Refuse a study of which some run cannot get what it needs from the hub, or which has no backbone.

    What is wrong with a local folder is left to the runs that read it: the others go on.

    Raises:
        OfflineError: the hub is needed and cannot be reached.
        BackboneError: the backbone's folder lacks files.
    """
    missing = [config for config in configs if records.find(config) is None]
    for config in {config.task.name: config for config in missing}.values():
        with suppress(DataError):
            _require_data(config)
    for config in {config.model.name: config for config in missing}.values():
        locate.require(config.model)


def _require_data(config: RunConfig) -> None:
    name = config.task.name
    if name in GLUE:
        require_splits(GLUE[name], config.data)
    else:
        require_text_splits(DATA_TO_TEXT[name], config.data)

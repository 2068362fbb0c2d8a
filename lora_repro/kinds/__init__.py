"""The kinds of task that a run can have: classification and data-to-text. `kind.Kind` says what a run asks of each."""

from lora_repro.config import RunConfig
from lora_repro.errors import ConfigError
from lora_repro.kinds.classification import Classification
from lora_repro.kinds.data_to_text import DataToText
from lora_repro.kinds.kind import Kind
from lora_repro.tasks.data_to_text import DATA_TO_TEXT
from lora_repro.tasks.glue import GLUE

KINDS = dict.fromkeys(GLUE, Classification) | dict.fromkeys(DATA_TO_TEXT, DataToText)


def read(config: RunConfig) -> Kind:
    """The run's task, its texts read.

    Raises:
        ConfigError: no such task.
        DataError: its data are not there, or damaged.
    """
    if config.task.name not in KINDS:
        raise ConfigError(f"no task {config.task.name!r}; there are {', '.join(KINDS)}")
    return KINDS[config.task.name](config)

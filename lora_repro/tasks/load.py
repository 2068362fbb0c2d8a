"""One split of one task from the first source that has it."""

import logging

from lora_repro.config import DataConfig
from lora_repro.errors import ConfigError
from lora_repro.tasks.examples import Examples, subset
from lora_repro.tasks.glue import GlueTask
from lora_repro.tasks.hub import read_hub, require, what
from lora_repro.tasks.local import find_local, read_local
from lora_repro.tasks.sources import data_folder, read_first, require_first

log = logging.getLogger(__name__)


def load_split(task: GlueTask, split: str, data: DataConfig, limit: int | None = None) -> Examples:
    """Read one split from the sources that ``data.sources`` names, in its order (see `read_first`).

    Args:
        split: ``"train"`` or one of ``task.eval_splits``.
        limit: keep the first so many after a fixed shuffle (see `subset`); None: all.

    Raises:
        ConfigError: unknown split or source, or a limit below 1.
        DataError: the local folder does not exist, lacks task or split, or holds a damaged file.
        OfflineError: the hub is the last resort and cannot be reached.
    """
    if split not in task.splits:
        raise ConfigError(f"task {task.name} has no labelled split {split!r}; it has {', '.join(task.splits)}")
    readers = {
        "local": lambda: read_local(task, split, data_folder(data, task.name)),
        "hub": lambda: read_hub(task, split),
    }
    examples = read_first(readers, data, what(task))
    official = task.rows[task.splits.index(split)]
    if len(examples) != official:  # scores on another split cannot stand beside the paper's
        log.warning("%s %s has %d examples here; the official split has %d", task.name, split, len(examples), official)
    return subset(examples, limit)


def require_splits(task: GlueTask, data: DataConfig) -> None:
    """Whether `load_split` has where to read every split of `task` from, without reading.

    Raises:
        DataError: the local folder does not exist, or lacks task or split.
        OfflineError: the hub is the last resort and cannot be reached.
    """
    for split in task.splits:
        finders = {
            "local": lambda split=split: find_local(task, split, data_folder(data, task.name)),
            "hub": lambda split=split: require(task, split),
        }
        require_first(finders, data, what(task))

"""Where a task is read from: the sources of ``data.sources``, in its order, and what is said when none has it."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from lora_repro.config import DataConfig
from lora_repro.errors import ConfigError, DataError, OfflineError, hub_unreachable

log = logging.getLogger(__name__)

Split = TypeVar("Split")


class NotHere(DataError):
    """This source has nothing of the task; the next one may have it."""


def read_first(readers: Mapping[str, Callable[[], Split]], data: DataConfig, wanted: str) -> Split:
    """Read from the first source of ``data.sources`` that has what is wanted.

    A source that does not have the task is passed over; one that has it, but damaged or without the split, is an
    error: nothing is silently replaced.

    Args:
        readers: how each source is read, under the name that it has in ``data.sources``.
        wanted: for messages, what is looked for, with its name on the hub.

    Raises:
        ConfigError: `data.sources` is empty, or names what is not in `readers`.
        NotHere: no source has it, and the hub was not asked.
        OfflineError: no source has it, and the hub cannot be reached.
        DataError: what the readers raise.
    """
    if not data.sources or not set(data.sources) <= set(readers):
        raise ConfigError(f"data.sources={list(data.sources)}: valid are {', '.join(readers)}, at least one of them")
    passed: list[NotHere | OfflineError] = []
    for source in data.sources:
        try:
            return readers[source]()
        except (NotHere, OfflineError) as error:
            log.info("%s", error)
            passed.append(error)
    if len(passed) > 1 and any(isinstance(error, OfflineError) for error in passed):
        reasons = "; ".join(str(error) for error in passed if isinstance(error, NotHere))
        raise hub_unreachable(f"{wanted} ({reasons})")
    raise passed[0]


def require_first(finders: Mapping[str, Callable[[], object]], data: DataConfig, wanted: str) -> None:
    """Whether `read_first` would find what is wanted; raises what it would.

    Args:
        finders: how a source is asked without reading it; a source without one is part of this package.
    """
    read_first({source: lambda: None for source in data.sources} | dict(finders), data, wanted)


def data_folder(data: DataConfig, task: str) -> Path:
    """The folder that ``data.dir`` names.

    Raises:
        NotHere: none is named.
    """
    if not data.dir:
        raise NotHere(f"data.dir is not set, so task {task} cannot be read from a local folder")
    return Path(data.dir)

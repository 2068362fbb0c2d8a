"""GLUE from the Hugging Face hub: its caches first, then, where the hub can be reached, a download."""

import logging
import os
from pathlib import Path

from lora_repro.errors import DataError, hub_unreachable
from lora_repro.hub import client_errors, hub_reachable
from lora_repro.tasks import saved
from lora_repro.tasks.examples import Examples
from lora_repro.tasks.glue import GlueTask

log = logging.getLogger(__name__)

REPO = "nyu-mll/glue"


def read_hub(task: GlueTask, split: str) -> Examples:
    """Read one split.

    Looked for in this order: the cache of ``datasets`` (a data set that was prepared before), the hub's file cache
    (``hf download --repo-type dataset nyu-mll/glue``), the hub. ``datasets`` is imported only where one of them has
    something to give, so that the answer "not here, and no network" takes three seconds at most.

    Raises:
        OfflineError: in no cache, and the hub cannot be reached.
        DataError: the hub, or the mirror that HF_ENDPOINT names, does not have the data set.
    """
    if _datasets_cache().is_dir():
        examples = _prepared(task, split)
        if examples:
            return examples
    folder = _snapshot_folder(task)
    path = saved.find(task, split, folder) if folder else None
    if path:
        return saved.read(task, split, path, source="hub")
    _require_hub(task)
    return _downloaded(task, split)


def require(task: GlueTask, split: str) -> None:
    """Whether `read_hub` has where to read from, without reading: a cache that looks right, or the hub's answer.

    Raises:
        OfflineError: in no cache, and the hub cannot be reached.
    """
    folder = _snapshot_folder(task)
    if not (_datasets_cache() / task.name).is_dir() and not (folder and saved.find(task, split, folder)):
        _require_hub(task)


def _require_hub(task: GlueTask) -> None:
    if _offline() or not hub_reachable():
        raise hub_unreachable(what(task))


def what(task: GlueTask) -> str:
    """For messages: the thing that is wanted from the hub."""
    return f"GLUE task {task.name} ({REPO})"


def _offline() -> bool:
    """HF_DATASETS_OFFLINE speaks for ``datasets`` alone; the other variables are `hub_reachable`'s."""
    return os.environ.get("HF_DATASETS_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{cache}/huggingface").expanduser()


def _datasets_cache() -> Path:
    """Where ``datasets`` keeps what it prepared from `REPO`."""
    root = Path(os.environ.get("HF_DATASETS_CACHE") or _home() / "datasets").expanduser()
    return root / REPO.replace("/", "___")


def _snapshot_folder(task: GlueTask) -> Path | None:
    """The task's folder in the hub's file cache, of the newest snapshot that has it."""
    root = Path(os.environ.get("HF_HUB_CACHE") or _home() / "hub").expanduser()
    folders = root.glob(f"datasets--{REPO.replace('/', '--')}/snapshots/*/{task.name}")
    return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)


def _prepared(task: GlueTask, split: str) -> Examples | None:
    """The split from the cache of ``datasets``, or None; never asks the network."""
    from datasets.packaged_modules.cache.cache import Cache

    cache = str(_datasets_cache().parent)
    try:
        builder = Cache(cache, REPO.split("/")[1], task.name, version="auto", hash="auto", repo_id=REPO)
        table = builder.as_dataset(split).data.table
    except (ValueError, OSError) as error:  # other tasks only, or a preparation that was interrupted
        log.info("%s, %s, %s: not in the cache of datasets (%s)", REPO, task.name, split, error)
        return None
    return saved.examples_of(task, table, f"{REPO}, {task.name}, {split}", "hub")


def _downloaded(task: GlueTask, split: str) -> Examples:
    import datasets
    from datasets.exceptions import FileNotFoundDatasetsError

    try:
        loaded = datasets.load_dataset(REPO, task.name, split=split)
    except FileNotFoundDatasetsError as error:
        raise DataError(f"the hub does not have GLUE task {task.name} under {REPO}: {error}") from error
    except client_errors() as error:
        raise hub_unreachable(what(task)) from error
    except ValueError as error:
        if "find cache" in str(error):  # lost too: `datasets` fell back to its cache, which holds other tasks only
            raise hub_unreachable(what(task)) from error
        raise DataError(f"GLUE task {task.name} on the hub ({REPO}): {error}") from error
    return saved.examples_of(task, loaded.data.table, f"{REPO}, {task.name}, {split}", "hub")

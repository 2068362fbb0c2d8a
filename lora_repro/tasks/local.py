"""GLUE from the folder that ``data.dir`` names: finds the task's folder and which layout its files have."""

from collections.abc import Callable
from pathlib import Path

from lora_repro.errors import DataError
from lora_repro.tasks import jsonlines, official, saved
from lora_repro.tasks.examples import Examples
from lora_repro.tasks.glue import GlueTask
from lora_repro.tasks.sources import NotHere

_GLUE_FOLDERS = ("glue", "GLUE", "glue_data")  # what the official zip and the scripts that fetch it call theirs

Reader = Callable[[GlueTask, str, Path], Examples]


def read_local(task: GlueTask, split: str, root: Path) -> Examples:
    """Read one split from a folder.

    Args:
        root: the GLUE folder, or the folder that holds it as ``glue/``. In it each task has its own folder, under its
            official name or the hub's, with TSV files (official zip), JSON-lines, Parquet files or what
            ``save_to_disk`` wrote; where a split is there in several forms, the first of these is read.

    Raises:
        NotHere: no folder of this task; the message lists those that are there.
        DataError: `root` does not exist, the task's folder lacks the split, or a file is damaged.
    """
    read, path = find_local(task, split, root)
    return read(task, split, path)


def find_local(task: GlueTask, split: str, root: Path) -> tuple[Reader, Path]:
    """The file or folder that `read_local` reads, and what reads it; raises what `read_local` does, but for damage."""
    folder = _task_folder(task, root)
    for form in (official, jsonlines, saved):
        path = form.find(task, split, folder)
        if path:
            return form.read, path
    stem = official.STEMS[split]
    there = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
    raise DataError(
        f"{folder}: expected split {split} of {task.name} as {stem}.tsv, {stem}.jsonl, {split}.parquet or the folder "
        f"{split}/ of save_to_disk, found {there}; add the file, or set data.sources=[hub]"
    )


def _task_folder(task: GlueTask, root: Path) -> Path:
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing there"
        raise DataError(f"data.dir={root}: expected a folder with glue/ or the GLUE task folders, found {found}")
    bases = [*(root / name for name in _GLUE_FOLDERS if (root / name).is_dir()), root]
    names = (task.folder.lower(), task.name)
    for base in bases:
        matches = [entry for entry in base.iterdir() if entry.is_dir() and entry.name.lower() in names]
        if matches:  # RTE/ of the official zip before rte/ of the hub, where both are there
            return max(matches, key=lambda entry: (entry.name == task.folder, entry.name))
    there = ", ".join(sorted(entry.name for entry in bases[0].iterdir() if entry.is_dir())) or "none"
    raise NotHere(f"data.dir={root} has no folder {task.folder} for task {task.name}; folders there: {there}")

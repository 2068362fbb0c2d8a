"""One split of a data-to-text task from the first source that has it."""

import logging
from pathlib import Path

from lora_repro.config import DataConfig
from lora_repro.errors import ConfigError, DataError
from lora_repro.tasks import dart, e2e, samsum, webnlg, wikisql
from lora_repro.tasks.data_to_text import SPLITS, DataToTextExamples, DataToTextTask
from lora_repro.tasks.embedded import restaurants
from lora_repro.tasks.sources import NotHere, data_folder, read_first, require_first
from lora_repro.tasks.text_hub import read_hub, require, what

log = logging.getLogger(__name__)

READERS = {"e2e": e2e, "webnlg": webnlg, "dart": dart, "samsum": samsum, "wikisql": wikisql}
FOLDERS = {
    "e2e": ("e2e", "e2e-dataset"),
    "webnlg": ("webnlg", "webnlg_challenge_2017"),
    "dart": ("dart",),
    "samsum": ("samsum", "samsum-corpus", "SAMSum"),
    "wikisql": ("wikisql", "WikiSQL"),
}
"""What the official repositories and their archives call the task's folder."""


def load_text_split(
    task: DataToTextTask, split: str, data: DataConfig, *, pairs: int | None = None, inputs: int | None = None
) -> DataToTextExamples:
    """Read one split from the sources that ``data.sources`` names, in its order (see `read_first`).

    Args:
        split: ``"train"``, ``"validation"`` or ``"test"``.
        pairs: keep so many training pairs (`DataToTextExamples.first_pairs`); None: all. Of the embedded data so many
            are generated; None: their default size.
        inputs: keep so many distinct inputs (`DataToTextExamples.first_inputs`); None: all.

    Raises:
        ConfigError: unknown split or source, or a number below 1.
        DataError: the local folder does not exist, lacks task or split, or holds a damaged file.
        OfflineError: the hub is the last resort and cannot be reached.
    """
    if split not in SPLITS:
        raise ConfigError(f"task {task.name} has no split {split!r}; it has {', '.join(SPLITS)}")
    readers = {
        "local": lambda: READERS[task.name].read(find_local(task, split, data_folder(data, task.name))),
        "hub": lambda: read_hub(task, split),
        "embedded": lambda: _generated(task, split, pairs, inputs),
    }
    examples = read_first(readers, data, what(task))
    official = task.pairs[SPLITS.index(split)]
    if len(examples) != official and not data.generated:  # scores on another split cannot stand beside the paper's
        log.warning("%s %s has %d texts here; the official split has %d", task.name, split, len(examples), official)
    return examples.first_pairs(pairs).first_inputs(inputs)


def _generated(task: DataToTextTask, split: str, pairs: int | None, inputs: int | None) -> DataToTextExamples:
    _require_generated(task)
    return restaurants.read(split, pairs, inputs)


def _require_generated(task: DataToTextTask) -> None:
    if task.name != "e2e":
        raise NotHere(f"there is no embedded task {task.name}: data.sources=[embedded] has e2e")


def require_text_splits(task: DataToTextTask, data: DataConfig) -> None:
    """Whether `load_text_split` has where to read every split of `task` from, without reading.

    Raises:
        DataError: the local folder does not exist, or lacks task or split.
        OfflineError: the hub is the last resort and cannot be reached.
    """
    for split in SPLITS:
        finders = {
            "local": lambda split=split: find_local(task, split, data_folder(data, task.name)),
            "hub": lambda split=split: require(task, split),
            "embedded": lambda split=split: _require_generated(task),
        }
        require_first(finders, data, what(task))


def find_local(task: DataToTextTask, split: str, root: Path) -> Path:
    """The file (WebNLG: or folder) of a split below ``data.dir``, in the task's folder or in ``data.dir`` itself.

    Raises:
        NotHere: no folder of this task.
        DataError: `root` does not exist, or the task's folder lacks the split.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing there"
        raise DataError(f"data.dir={root}: expected a folder with {task.folder}/, found {found}")
    folders = [root / name for name in FOLDERS[task.name] if (root / name).is_dir()]
    for folder in folders:
        path = READERS[task.name].find(split, folder)
        if path:
            return path
    if folders:
        there = ", ".join(sorted(entry.name for entry in folders[0].iterdir())) or "nothing"
        raise DataError(
            f"{folders[0]}: expected the {split} split of {task.name}, found {there}; see data.sources=[hub]"
        )
    if root.name in FOLDERS[task.name]:
        path = READERS[task.name].find(split, root)
        if path:
            return path
    there = ", ".join(sorted(entry.name for entry in root.iterdir() if entry.is_dir())) or "none"
    raise NotHere(f"data.dir={root} has no folder {task.folder} for task {task.name}; folders there: {there}")

"""Trackers: Weights & Biases, or nothing. Records are the truth; a tracker only shows it.

wandb is imported when a run asks for it, never before. Its files go into the run's folder, not into the home folder.
"""

import os
from pathlib import Path
from typing import Any, Protocol

from lora_repro.config import RunConfig
from lora_repro.errors import ConfigError
from lora_repro.records import identity, place, science

PAPER_TABLES = {"roberta-base": "table2", "roberta-large": "table2", "deberta-v2-xxlarge": "table2"}
"""The paper's table that a backbone's GLUE runs belong to; other backbones stand in none."""

TEXT_TABLES = {"e2e": "table3", "webnlg": "table14", "dart": "table13"}
"""The paper's table of each data-to-text task; it has GPT-2 medium and large."""


class Tracker(Protocol):
    """What the loop and the run tell."""

    def log(self, step: int, values: dict[str, float]) -> None:
        """Values at an optimiser step."""

    def finish(self, summary: dict[str, float], exit_code: int) -> None:
        """The run's end: its selected values; exit code 1 when it failed."""


class NoTracker:
    """Says nothing."""

    def log(self, step: int, values: dict[str, float]) -> None:
        """Nothing."""

    def finish(self, summary: dict[str, float], exit_code: int) -> None:
        """Nothing."""


class WandbTracker:
    """One W&B run, with a stable id from the run's identity.

    A run that was interrupted logs under the same id again (offline: in a folder of its own; ``wandb sync`` joins
    them). W&B's own step restarts then, so every point carries `global_step`, which does not.
    """

    def __init__(self, config: RunConfig, folder: Path) -> None:
        mode = wandb_mode(config.tracker.mode)
        for variable in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):  # else they go into the home folder
            os.environ.setdefault(variable, str(Path(config.runs).resolve() / "wandb"))
        try:
            import wandb
        except ImportError as error:
            raise ConfigError(
                "tracker=wandb needs the package wandb, which is not installed; pip install 'lora-repro[wandb]', "
                "or tracker=none"
            ) from error
        self._run = wandb.init(
            project=config.tracker.project,
            entity=config.tracker.entity,
            id=identity(config),
            name=str(place(config)),
            group=config.study,
            job_type="train",
            tags=tags(config),
            config=science(config),
            dir=str(folder),
            mode=mode,
            resume="allow" if mode == "online" else None,
        )
        self._run.define_metric("global_step")
        self._run.define_metric("*", step_metric="global_step")

    def log(self, step: int, values: dict[str, float]) -> None:
        """Values at an optimiser step."""
        self._run.log({**values, "global_step": step})

    def finish(self, summary: dict[str, float], exit_code: int) -> None:
        """Write the summary and close the run."""
        self._run.summary.update(summary)
        self._run.finish(exit_code=exit_code)


def wandb_mode(asked: str) -> Any:
    """``auto`` -> online with a key, offline without; ``online`` without a key is offline too, never a hang."""
    if asked in ("offline", "disabled"):
        return asked
    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        return os.environ["WANDB_MODE"]
    if os.environ.get("WANDB_API_KEY") or _key_in_netrc():
        return "online"
    if asked == "online":
        print("warning: tracker.mode=online but there is no W&B key (WANDB_API_KEY or wandb login); logging offline")
    return "offline"


def tags(config: RunConfig) -> list[str]:
    """Paper table, method, task, recipe source."""
    model, task = config.model.name, config.task.name
    table = TEXT_TABLES.get(task) if model in ("gpt2-medium", "gpt2-large") else PAPER_TABLES.get(model)
    return [*([f"paper:{table}"] if table else []), config.method.name, config.task.name, config.recipe.source]


def start(config: RunConfig, folder: Path) -> Tracker:
    """The tracker that the configuration names."""
    return WandbTracker(config, folder) if config.tracker.name == "wandb" else NoTracker()


def _key_in_netrc() -> bool:
    path = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    return path.is_file() and "api.wandb.ai" in path.read_text(errors="replace")

"""The resumable state of a run: written atomically, read without executing anything, two generations kept."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lora_repro.errors import CheckpointError

State = dict[str, Any]


@dataclass(frozen=True)
class Saver:
    """Keeps the last two states of one run in its folder.

    `identity` says what the state belongs to (run, backbone, data, precision): a state of something else is refused.
    """

    folder: Path
    identity: Mapping[str, str]

    @property
    def current(self) -> Path:
        """The newest state."""
        return self.folder / "resume.pt"

    @property
    def previous(self) -> Path:
        """The one before: used when the newest cannot be read."""
        return self.folder / "resume.previous.pt"

    def save(self, state: State) -> None:
        """Write a state. Killed at any moment, at least one whole state is left.

        Raises:
            CheckpointError: it cannot be written (a full disk); the earlier states are as they were.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / "resume.tmp"
        try:
            with temporary.open("wb") as file:
                torch.save({"identity": dict(self.identity), "state": state}, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:  # torch wraps the disk's error in one of its own
            temporary.unlink(missing_ok=True)  # half a state would only keep the disk full
            free = shutil.disk_usage(self.folder).free / 2**20
            raise CheckpointError(
                f"the run's state cannot be written to {self.folder} ({free:.0f} MiB free there): "
                f"{_cause(error)}; make room or set runs=FOLDER, then the same command goes on from the state before"
            ) from error
        if self.current.exists():
            self.current.replace(self.previous)
        temporary.replace(self.current)

    def load(self) -> State | None:
        """The newest whole state, or None when there is none to go on from.

        Raises:
            CheckpointError: a state is there but belongs to other settings, data, backbone or precision.
        """
        for path in (self.current, self.previous):
            if not path.exists():
                continue
            try:
                content = torch.load(path, map_location="cpu", weights_only=True)
                found, state = content["identity"], content["state"]
            except Exception as error:  # torch.load's errors have no common base: any means "not whole"
                print(f"warning: {path} is damaged ({type(error).__name__}); trying the state before it")
                continue
            for key, wanted in self.identity.items():
                if found.get(key) != wanted:
                    raise CheckpointError(
                        f"{path} was written with {key} {found.get(key)}, this run has {wanted}; "
                        f"go on with the former, or delete the folder to start again"
                    )
            return dict(state)
        return None

    def clear(self) -> None:
        """Forget the states: the run is done."""
        for path in (self.current, self.previous, self.folder / "resume.tmp"):
            path.unlink(missing_ok=True)


def _cause(error: BaseException) -> str:
    """The disk's own words, where torch's hide them."""
    inner = error.__context__
    return f"{error}, {inner}" if isinstance(error, RuntimeError) and isinstance(inner, OSError) else str(error)

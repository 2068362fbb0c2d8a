"""What has been decoded so far, kept so that whoever is killed loses a batch at most."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Batch:
    """One batch of inputs, decoded. Lists run parallel."""

    number: int  # its place in the plan
    inputs: list[int]  # positions of the inputs
    texts: list[str]
    tokens: list[int]  # written for each text, the stop token counted
    scores: list[float]  # log p / length^length_penalty
    finished: list[bool]  # whether a stop token was written
    seconds: float


@dataclass(frozen=True)
class Journal:
    """Files of JSON lines in a run's folder, one per process: a line that says what they belong to, then the batches.

    `belongs_to` names everything that decides the texts (weights, inputs, search): a file of anything else is ignored
    and written over. A last line that was cut off by the end of its process is ignored.
    """

    folder: Path
    name: str  # e.g. "last": the checkpoint
    belongs_to: str

    def path(self, rank: int) -> Path:
        """The file of one process."""
        return self.folder / f"{self.name}.outputs.{rank}.jsonl"

    def read(self) -> dict[int, Batch]:
        """The batches of all files, by number."""
        found: dict[int, Batch] = {}
        for path in sorted(self.folder.glob(f"{self.name}.outputs.*.jsonl")):
            lines = self._lines(path)
            if lines:
                found |= {batch.number: batch for batch in (Batch(**line) for line in lines[1:])}
        return found

    def append(self, rank: int, batch: Batch) -> None:
        """Write a batch down; it is on disk when this returns."""
        path = self.path(rank)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self._lines(path):
            path.write_text(_line({"belongs_to": self.belongs_to}), encoding="utf-8")
        with path.open("r+b") as file:
            content = file.read()
            file.seek(content.rfind(b"\n") + 1)  # over a line that was cut off
            file.truncate()
            file.write(_line(asdict(batch)).encode())
            file.flush()
            os.fsync(file.fileno())

    def _lines(self, path: Path) -> list[dict[str, Any]]:
        """The whole lines of a file; none when it belongs to something else."""
        if not path.exists():
            return []
        text = path.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return lines if lines and lines[0].get("belongs_to") == self.belongs_to else []


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=True) + "\n"

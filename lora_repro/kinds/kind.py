"""What a run asks of its task, whatever kind it is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lora_repro.methods.apply import Adapted
from lora_repro.models.load import Backbone
from lora_repro.records import Decoding, Epoch, Split
from lora_repro.training.distributed import World
from lora_repro.training.evaluate import Evaluation
from lora_repro.training.loop import Progress
from lora_repro.training.problem import Problem


@dataclass(frozen=True)
class Setting:
    """Where a run takes place."""

    folder: Path  # the run's
    precision: str
    world: World
    stop_requested: Callable[[], bool]


@dataclass(frozen=True)
class Result:
    """What a finished training comes to, as the record keeps it."""

    epochs: list[Epoch]
    best: Epoch
    last: Epoch
    decodings: list[Decoding] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)  # checkpoint -> its texts: kept beside the record


class Work(Protocol):
    """A task ready for one backbone: its data are encoded."""

    @property
    def problem(self) -> Problem[Any]:
        """Batches and their loss."""

    @property
    def train(self) -> Any:
        """The training data, as `problem` takes them."""

    @property
    def baseline(self) -> float:
        """Headline metric of the constant prediction."""

    @property
    def fingerprint(self) -> str:
        """Of all data that training and validation see."""

    def evaluate(self, adapted: Adapted, precision: str, world: World) -> Evaluation:
        """One look at the development data, after each epoch."""

    def finish(self, adapted: Adapted, progress: Progress, setting: Setting) -> Result:
        """What is left to do when training has ended."""


class Kind(Protocol):
    """A task of a run: its texts are read."""

    name: str
    headline: str  # name of the headline metric
    labels: tuple[str, ...]  # () for scores and texts
    splits: dict[str, Split]  # what the record says of the data

    def load_backbone(self) -> Backbone:
        """The run's backbone, with the head that the task needs."""

    def encode(self, backbone: Backbone, precision: str) -> Work:
        """The data as the backbone's tokens, in batches that suit the precision."""

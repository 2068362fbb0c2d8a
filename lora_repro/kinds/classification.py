"""Classification and regression: the GLUE tasks in a run."""

from dataclasses import dataclass
from pathlib import Path

from lora_repro.config import RunConfig
from lora_repro.kinds.kind import Result, Setting
from lora_repro.methods.apply import Adapted
from lora_repro.models.load import Backbone, load_backbone
from lora_repro.records import Split
from lora_repro.tasks.encode import Encoded, PlainForm, encode
from lora_repro.tasks.glue import GLUE, GlueTask
from lora_repro.tasks.load import load_split
from lora_repro.training.distributed import World
from lora_repro.training.evaluate import Evaluation, constant_baseline, evaluate
from lora_repro.training.loop import Progress
from lora_repro.training.precision import LENGTH_STEP
from lora_repro.training.problem import SequenceClassification


class Classification:
    """One GLUE task, read."""

    def __init__(self, config: RunConfig):
        self._config = config
        self.task = task = GLUE[config.task.name]
        self.name, self.headline, self.labels = task.name, task.headline, task.labels
        self._texts = {"train": load_split(task, "train", config.data, config.task.train_examples)}
        self._texts |= {
            name: load_split(task, name, config.data, config.task.eval_examples) for name in task.eval_splits
        }
        self.splits = {name: Split(len(text), text.source, text.fingerprint) for name, text in self._texts.items()}

    def load_backbone(self) -> Backbone:
        """A backbone with a head of one output per class, or one for a score."""
        recipe = self._config.recipe
        return load_backbone(
            self._config.model,
            max(1, len(self.labels)),
            problem="classification" if self.labels else "regression",
            classifier_dropout=recipe.classifier_dropout,
            dropout=recipe.backbone_dropout,
            seed=self._config.seed,
        )

    def encode(self, backbone: Backbone, precision: str) -> "ClassificationWork":
        """Token ids of every split, from the cache where they are there; on a decoder as plain text."""
        recipe, cache, pad = self._config.recipe, Path(self._config.data.cache), backbone.pad_token_id
        plain = PlainForm(self.task.columns, pad) if backbone.architecture.decoder else None
        data = {
            name: encode(text, backbone.tokenizer, recipe.max_length, cache, plain)
            for name, text in self._texts.items()
        }
        problem = SequenceClassification(
            regression=not self.labels,
            max_length=recipe.max_length,
            pad_token_id=pad,
            pad_to_max_length=recipe.pad_to_max_length,
            length_step=LENGTH_STEP[precision],
        )
        train = data.pop("train")
        return ClassificationWork(self.task, problem, train, data, constant_baseline(self.task, train, data))


@dataclass(frozen=True)
class ClassificationWork:
    """One GLUE task, encoded."""

    task: GlueTask
    problem: SequenceClassification
    train: Encoded
    dev: dict[str, Encoded]
    baseline: float

    @property
    def fingerprint(self) -> str:
        """Of training and development data."""
        return "+".join([self.train.fingerprint, *(split.fingerprint for split in self.dev.values())])

    def evaluate(self, adapted: Adapted, precision: str, world: World) -> Evaluation:
        """The task's metrics on its development splits."""
        return evaluate(adapted.model, self.problem, self.task, self.dev, precision, world)

    def finish(self, adapted: Adapted, progress: Progress, setting: Setting) -> Result:
        """Nothing: every epoch has been scored."""
        return Result(progress.epochs, progress.best, progress.epochs[-1])

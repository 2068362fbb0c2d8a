"""Data-to-text in a run: train on pairs, validate by loss, then write texts for the test inputs and score them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from lora_repro.config import RecipeConfig, RunConfig
from lora_repro.decoding.write import Written, search_of, weights_fingerprint, write_texts
from lora_repro.kinds.kind import Result, Setting
from lora_repro.methods.apply import Adapted
from lora_repro.methods.checkpoint import load_into
from lora_repro.metrics.text import java
from lora_repro.metrics.text.score import TextScores, score_groups
from lora_repro.models.load import Backbone, load_backbone
from lora_repro.records import Decoding, Epoch, Split, write_atomically
from lora_repro.tasks.data_to_text import DATA_TO_TEXT, DataToTextExamples, DataToTextTask
from lora_repro.tasks.encode_pairs import EncodedPairs, encode_pairs
from lora_repro.tasks.load_text import load_text_split
from lora_repro.training.completion import CompletionModelling, validate
from lora_repro.training.distributed import World
from lora_repro.training.evaluate import Evaluation
from lora_repro.training.loop import Progress
from lora_repro.training.precision import LENGTH_STEP

NO_SKILL = 0.001  # a headline below this (0.1 in the paper's tables) is a collapsed run's

KEPT = 4  # encoded splits in memory: training and validation of two tasks
_encoded: dict[tuple[str, Any, int, str], EncodedPairs] = {}  # a process that runs a study encodes each split once


class DataToText:
    """One data-to-text task, read."""

    labels: tuple[str, ...] = ()

    def __init__(self, config: RunConfig):
        self._config = config
        self.task = task = DATA_TO_TEXT[config.task.name]
        self.name, self.headline = task.name, task.headline
        limits = config.task
        self._texts = {
            "train": load_text_split(task, "train", config.data, pairs=limits.train_examples),
            "validation": load_text_split(task, "validation", config.data, pairs=limits.validation_examples),
            task.scored_as: load_text_split(task, task.scored, config.data, inputs=limits.eval_examples),
        }
        self.splits = {name: Split(len(text), text.source, text.fingerprint) for name, text in self._texts.items()}

    def load_backbone(self) -> Backbone:
        """A decoder with its output layer."""
        dropout = self._config.recipe.backbone_dropout
        return load_backbone(self._config.model, 0, problem="generation", dropout=dropout, seed=self._config.seed)

    def encode(self, backbone: Backbone, precision: str) -> "DataToTextWork":
        """Token ids of the pairs of the training and the validation split."""
        recipe = self._config.recipe
        problem = CompletionModelling(
            backbone.architecture,
            recipe.max_length,
            recipe.pad_to_max_length,
            recipe.label_smoothing,
            LENGTH_STEP[precision],
        )
        train, dev = (
            _encode(self._texts[name], backbone, recipe.max_length, self.task) for name in ("train", "validation")
        )
        return DataToTextWork(self.task, recipe, problem, train, dev, self._texts[self.task.scored_as])


@dataclass(frozen=True)
class DataToTextWork:
    """One data-to-text task, encoded."""

    task: DataToTextTask
    recipe: RecipeConfig
    problem: CompletionModelling
    train: EncodedPairs
    dev: EncodedPairs
    test: DataToTextExamples  # what is decoded: the task's `scored` split
    baseline: float = 0.0  # no text fits every input

    @property
    def fingerprint(self) -> str:
        """Of training and validation data."""
        return f"{self.train.fingerprint}+{self.dev.fingerprint}"

    def evaluate(self, adapted: Adapted, precision: str, world: World) -> Evaluation:
        """The validation loss."""
        return validate(adapted.model, self.problem, self.dev, precision, world)

    def finish(self, adapted: Adapted, progress: Progress, setting: Setting) -> Result:
        """Decode the last checkpoint and, where the recipe asks for the best one, that as well; score the texts."""
        epochs, last, decodings, files = list(progress.epochs), progress.epochs[-1], [], {}
        for checkpoint in ("last", "best") if self.recipe.decode == "best" and progress.best is not last else ("last",):
            if checkpoint == "best":
                load_into(adapted, setting.folder / "best.safetensors")
            written = self._write(adapted, checkpoint, setting)
            mine = score(self.task, self.test, written.texts) if setting.world.leads else None
            scores = setting.world.from_leader(mine)
            epoch = progress.best if checkpoint == "best" else last
            decodings.append(self._decoding(checkpoint, epoch, written, scores))
            files[checkpoint] = written.content()
            epochs[epoch.epoch - 1] = with_scores(epoch, scores, written.texts, self.task.headline)
        best = progress.best if self.recipe.decode == "best" else last
        return Result(epochs, epochs[best.epoch - 1], epochs[-1], decodings, files)

    def _write(self, adapted: Adapted, checkpoint: str, setting: Setting) -> Written:
        tokenizer = adapted.backbone.tokenizer
        written = write_texts(
            adapted.model,
            tokenizer,
            self.test.inputs,
            search_of(self.recipe, tokenizer),
            max_length=self.recipe.max_length,
            precision=setting.precision,
            world=setting.world,
            folder=setting.folder,
            name=checkpoint,
            weights=weights_fingerprint(adapted.backbone.fingerprint, adapted.trainable_state()),
            stop_requested=setting.stop_requested,
        )
        if setting.world.leads:
            write_atomically(setting.folder / f"{checkpoint}.outputs.txt", written.content())
        return written

    def _decoding(self, checkpoint: str, epoch: Epoch, written: Written, scores: dict[str, TextScores]) -> Decoding:
        return Decoding(
            checkpoint=checkpoint,
            epoch=epoch.epoch,
            inputs=len(written.texts),
            references=sum(map(len, self.test.references)),
            empty=written.texts.count(""),
            unfinished=written.unfinished,
            scores=cast(dict[str, dict[str, float | str]], scores),
            seconds=written.seconds,
            tokens=written.tokens,
            tokens_per_second=written.tokens / written.seconds,
            outputs_sha256=hashlib.sha256(written.content()).hexdigest(),
        )


def _encode(examples: DataToTextExamples, backbone: Backbone, max_length: int, task: DataToTextTask) -> EncodedPairs:
    # one tokenizer object per backbone and process
    key = (examples.fingerprint, backbone.tokenizer, max_length, task.cut)
    if key not in _encoded:
        while len(_encoded) >= KEPT:
            del _encoded[next(iter(_encoded))]  # the oldest
        _encoded[key] = encode_pairs(examples, backbone.tokenizer, max_length, cut=task.cut)
    return _encoded[key]


def score(task: DataToTextTask, test: DataToTextExamples, texts: Sequence[str]) -> dict[str, TextScores]:
    """Scores by group of inputs. Empty texts are scored as what they are: a collapsed run is shown, not hidden."""
    return score_groups(
        texts,
        test.references,
        test.groups(),
        protocol=task.protocol,
        java_text=java.shared(),
        allow_empty=True,
    )


def with_scores(epoch: Epoch, scores: Mapping[str, TextScores], texts: Sequence[str], headline: str) -> Epoch:
    """The epoch with the numbers of its decoding: of all inputs by the metric's name, of a group ``seen/BLEU``."""
    metrics: dict[str, float] = {}
    for group, values in scores.items():
        prefix = "" if group == "all" else f"{group}/"
        metrics |= {f"{prefix}{name}": value for name, value in values.items() if isinstance(value, float)}
    constant = len(texts) > 1 and len(set(texts)) == 1
    collapsed = constant or metrics[headline] < NO_SKILL
    return replace(epoch, metrics=metrics, headline=metrics[headline], collapsed=collapsed)

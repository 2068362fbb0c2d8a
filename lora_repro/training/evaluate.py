"""Predictions on a split, dealt out to the processes, and what the record keeps of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from lora_repro.metrics import collapsed, glue_scores
from lora_repro.tasks.encode import Encoded
from lora_repro.tasks.glue import GlueTask
from lora_repro.training.batches import evaluation_batches
from lora_repro.training.distributed import World
from lora_repro.training.precision import compute
from lora_repro.training.problem import SequenceClassification

EVAL_BATCH = 64  # examples; only speed depends on it


@dataclass(frozen=True)
class Evaluation:
    """One look at the development data."""

    metrics: dict[str, float]
    headline: float | None  # None: it takes texts that are not written yet
    loss: float
    collapsed: bool


@torch.inference_mode()
def predict(
    model: nn.Module, problem: SequenceClassification, data: Encoded, precision: str, world: World
) -> tuple[np.ndarray, float]:
    """Predictions in the order of the data, (n,), and the mean loss."""
    model.eval()
    mine: list[tuple[np.ndarray, np.ndarray]] = []
    loss = 0.0
    for batch in evaluation_batches(data.lengths(), EVAL_BATCH)[world.rank :: world.size]:
        tensors = {name: tensor.to(world.device) for name, tensor in problem.collate(data, batch).items()}
        with compute(precision, world.device):
            logits = problem.logits(model, tensors)
        loss += problem.loss_of(logits, tensors["labels"]).item()
        mine.append((batch, problem.predictions(logits).cpu().numpy()))
    shares = world.gather((mine, loss))
    predictions = np.empty(len(data), dtype=np.float32 if problem.regression else np.int64)
    for share, _ in shares:
        for batch, values in share:
            predictions[batch] = values
    return predictions, sum(loss for _, loss in shares) / len(data)


def evaluate(
    model: nn.Module,
    problem: SequenceClassification,
    task: GlueTask,
    splits: Mapping[str, Encoded],
    precision: str,
    world: World,
) -> Evaluation:
    """Score every evaluation split; with several (MNLI's m and mm) the headline is over all their examples."""
    results = {name: predict(model, problem, data, precision, world) for name, data in splits.items()}
    labels = np.concatenate([splits[name].labels for name in results])
    predictions = np.concatenate([predicted for predicted, _ in results.values()])
    overall = glue_scores(task, predictions, labels)
    metrics = dict(overall)
    if len(splits) > 1:
        for name, (predicted, _) in results.items():
            metrics |= {
                f"{name}/{key}": value for key, value in glue_scores(task, predicted, splits[name].labels).items()
            }
    loss = sum(loss * len(splits[name]) for name, (_, loss) in results.items()) / len(labels)
    return Evaluation(metrics, overall[task.headline], loss, collapsed(task, predictions))


def constant_baseline(task: GlueTask, train: Encoded, dev: Mapping[str, Encoded]) -> float:
    """Headline metric of always answering the training data's most frequent class, or its mean score."""
    dev_labels = np.concatenate([split.labels for split in dev.values()])
    if task.labels:
        answer = np.bincount(train.labels).argmax()
        predictions = np.full(len(dev_labels), answer, dtype=np.int64)
    else:
        predictions = np.full(len(dev_labels), train.labels.mean(), dtype=np.float32)
    return glue_scores(task, predictions, dev_labels)[task.headline]

"""The verb ``rescore``: score a record's texts anew, for a machine that has Java or a scorer that has changed.

lora-repro rescore results/records/e2e/gpt2-medium/lora/s0-0123456789ab.json --data FOLDER

Nothing is trained or decoded: the texts are read from the compressed file beside the record, which is written again
with their scores.
"""

import argparse
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from lora_repro import records
from lora_repro.config import DataConfig
from lora_repro.errors import DataError
from lora_repro.records import Decoding, Epoch, Record
from lora_repro.tasks.data_to_text import DataToTextExamples, task_named
from lora_repro.tasks.load_text import load_text_split


def main(argv: Sequence[str]) -> int:
    """Rescore each record that is named.

    Returns:
        0.

    Raises:
        DataError: a record has no texts, the file of its texts is missing or another one, or the test data are others.
    """
    parser = argparse.ArgumentParser(
        prog="lora-repro rescore", description="Score the texts of finished data-to-text runs anew, into their records."
    )
    parser.add_argument("records", type=Path, nargs="+", metavar="RECORD", help="JSON file of a run")
    parser.add_argument("--data", help="folder with the task's data; else the hub")
    arguments = parser.parse_args(argv)
    data = DataConfig(dir=arguments.data, sources=["local"] if arguments.data else ["hub"])
    for path in arguments.records:
        record = rescored(path, data)
        records.save(path, record)
        print(records.describe(record))
    return 0


def rescored(path: Path, data: DataConfig) -> Record:
    """The record in `path` with new scores for the texts beside it."""
    record = records.load(path)
    if not record.decodings:
        raise DataError(f"{path}: a record of task {record.task} without texts; only data-to-text runs can be rescored")
    task = task_named(record.task)
    examples = load_text_split(task, task.scored, data, inputs=record.config["task"]["eval_examples"])
    written_for = record.splits[task.scored_as].fingerprint
    if examples.fingerprint != written_for:
        raise DataError(
            f"{path}: its texts were written for {task.scored} data {written_for}, these are "
            f"{examples.fingerprint}; give the folder that the run had"
        )
    best, epochs, decodings = record.best.epoch, list(record.epochs), []
    for decoding in record.decodings:
        new, epochs[decoding.epoch - 1] = _again(path, record, decoding, examples)
        decodings.append(new)
    return replace(record, epochs=epochs, best=epochs[best - 1], last=epochs[-1], decodings=decodings)


def _again(path: Path, record: Record, decoding: Decoding, examples: DataToTextExamples) -> tuple[Decoding, Epoch]:
    from lora_repro.kinds.data_to_text import score, with_scores  # imports torch: only when all is known to be right

    texts = _texts(records.outputs_path(path, decoding.checkpoint), decoding)
    scores = score(task_named(record.task), examples, texts)
    epoch = with_scores(record.epochs[decoding.epoch - 1], scores, texts, record.headline_metric)
    return replace(decoding, scores=cast(dict[str, Any], scores)), epoch


def _texts(file: Path, decoding: Decoding) -> list[str]:
    try:
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError) as error:
        raise DataError(f"{file}: expected the compressed texts of the run, found {error}") from None
    if hashlib.sha256(content).hexdigest() != decoding.outputs_sha256:
        raise DataError(f"{file}: these are not the texts of which the record tells (another SHA-256)")
    return content.decode().split("\n")[:-1]

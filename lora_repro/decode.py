"""The verb ``decode``: write texts with a trained adapter once more, with any search, and score them.

lora-repro decode runs/e2e/gpt2-medium/lora/s0-.../last.safetensors --data FOLDER
lora-repro decode ADAPTER --model gpt2-medium --model-path FOLDER --data FOLDER --length-penalty 0.9 --out FILE

So one step of the pipeline can be changed alone: nothing is trained. Interrupted, the same command goes on.
torch is imported only after the arguments are known to be right.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lora_repro.checks import did_you_mean
from lora_repro.config import DATA_TO_TEXT_TASKS, DEVICES, PRECISIONS, DataConfig, ModelConfig
from lora_repro.errors import BackboneError, CheckpointError, ConfigError, OfflineError
from lora_repro.exchange import model_config

if TYPE_CHECKING:
    from lora_repro.methods.apply import Adapted
    from lora_repro.methods.checkpoint import AdapterMeta
    from lora_repro.tasks.data_to_text import DataToTextExamples, DataToTextTask

DESCRIPTION = "Write texts with a trained adapter, keep them in a file, and score them. Nothing is trained."
SPLITS = ("validation", "test")


def main(argv: Sequence[str]) -> int:
    """Decode, write the file of outputs, print their scores.

    Returns:
        0.

    Raises:
        CheckpointError: the adapter is damaged, or its backbone is missing or another one.
        UserError: data or arguments are wrong.
    """
    arguments = _parser().parse_args(argv)
    for name in ("beams", "max_new_tokens", "inputs"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise ConfigError(f"--{name.replace('_', '-')} {value} must be at least 1")
    if arguments.no_repeat_ngram < 0 or arguments.no_repeat_ngram == 1:
        raise ConfigError(f"--no-repeat-ngram {arguments.no_repeat_ngram} must be 2 or more, or 0 for no such rule")
    if arguments.max_new_tokens >= arguments.max_length:
        raise ConfigError(
            f"--max-new-tokens {arguments.max_new_tokens} leaves no room for an input in --max-length "
            f"{arguments.max_length}"
        )
    from lora_repro.methods.checkpoint import read_adapter
    from lora_repro.tasks.data_to_text import task_named
    from lora_repro.tasks.load_text import load_text_split

    meta = read_adapter(arguments.adapter).meta
    task = task_named(_task(arguments.task or meta.task, arguments.adapter))
    data = DataConfig(dir=arguments.data, sources=["local"] if arguments.data else ["hub"])
    split = arguments.split or task.scored
    examples = load_text_split(task, split, data, inputs=arguments.inputs)
    adapted = _with_backbone(arguments.adapter, meta, _model(arguments, meta))
    out: Path = arguments.out or arguments.adapter.with_name(f"{arguments.adapter.stem}.{split}.txt")
    _write(arguments, adapted, task, examples, out)
    return 0


def _write(
    arguments: argparse.Namespace, adapted: Adapted, task: DataToTextTask, examples: DataToTextExamples, out: Path
) -> None:
    from lora_repro.decoding.beam import Search
    from lora_repro.decoding.write import stop_tokens, weights_fingerprint, write_texts
    from lora_repro.kinds.data_to_text import score
    from lora_repro.metrics.text.score_file import table
    from lora_repro.records import write_atomically
    from lora_repro.training import precision as precisions
    from lora_repro.training.distributed import World, local_device

    device = local_device(arguments.device)
    precision = precisions.resolve(arguments.precision, device)
    weights = weights_fingerprint(adapted.backbone.fingerprint, adapted.trainable_state())
    precisions.prepare(adapted.model, precision)
    tokenizer = adapted.backbone.tokenizer
    written = write_texts(
        adapted.model.to(device),
        tokenizer,
        examples.inputs,
        Search(
            arguments.beams,
            arguments.length_penalty,
            arguments.no_repeat_ngram,
            arguments.max_new_tokens,
            stop_tokens(tokenizer),
        ),
        max_length=arguments.max_length,
        precision=precision,
        world=World(device=device),
        folder=out.parent,
        name=out.stem,
        weights=weights,
    )
    write_atomically(out, written.content())
    empty = written.texts.count("")
    print(
        f"{out}: {len(written.texts)} outputs, {empty} of them empty, {written.unfinished} cut off at "
        f"{arguments.max_new_tokens} tokens; {written.tokens / written.seconds:.1f} tokens per second"
    )
    sizes = {name: len(positions) for name, positions in examples.groups().items()}
    print(table(score(task, examples, written.texts), sizes))


def _task(name: str, adapter: Path) -> str:
    if name not in DATA_TO_TEXT_TASKS:
        raise ConfigError(
            f"adapter {adapter} is for task {name}, which has no texts to write: decode takes adapters of "
            f"{', '.join(DATA_TO_TEXT_TASKS)}{did_you_mean(name, DATA_TO_TEXT_TASKS)}"
        )
    return name


def _model(arguments: argparse.Namespace, meta: AdapterMeta) -> ModelConfig:
    """The backbone that is asked for, else the one that the adapter names."""
    if arguments.model is not None:
        return model_config(arguments.model, arguments.model_path)
    named = ModelConfig(meta.backbone, meta.architecture, meta.hub_id, meta.revision)
    return replace(named, path=arguments.model_path)


def _with_backbone(adapter: Path, meta: AdapterMeta, model: ModelConfig) -> Adapted:
    from lora_repro.methods.checkpoint import load_adapter

    try:
        return load_adapter(adapter, model)[0]
    except (BackboneError, OfflineError) as error:
        raise CheckpointError(
            f"adapter {adapter} holds what method {meta.method['name']} trained and nothing else: without its backbone "
            f"{meta.backbone} its texts would be noise (BLEU 0). Give the folder with --model-path. ({error})"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lora-repro decode", description=DESCRIPTION)
    parser.add_argument(
        "adapter", type=Path, help="adapter of this suite: best.safetensors or last.safetensors of a run"
    )
    parser.add_argument("--model", help="backbone: one of conf/model, or a folder (default: the adapter's)")
    parser.add_argument("--model-path", help="folder with the backbone; else the hub's cache, else the hub")
    parser.add_argument("--data", help="folder with the task's data; else the hub")
    parser.add_argument("--task", help="default: the one that the adapter was trained on")
    parser.add_argument("--split", choices=SPLITS, help="default: the one that the paper scores (WikiSQL: validation)")
    parser.add_argument("--inputs", type=int, help="so many inputs after a fixed shuffle (default: all)")
    parser.add_argument("--out", type=Path, help="file of outputs (default: ADAPTER's name, .SPLIT.txt)")
    parser.add_argument("--beams", type=int, default=10, help="1: greedy (default: %(default)s)")
    parser.add_argument("--length-penalty", type=float, default=0.8, help="paper, E2E: 0.9 (default: %(default)s)")
    parser.add_argument("--no-repeat-ngram", type=int, default=4, help="0: no such rule (default: %(default)s)")
    parser.add_argument("--max-new-tokens", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--max-length", type=int, default=512, help="input and text together (default: %(default)s)")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="default: %(default)s")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: %(default)s")
    return parser

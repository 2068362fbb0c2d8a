"""Texts for a list of inputs: in batches of inputs of like length, resumable, dealt out to processes."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from lora_repro.config import RecipeConfig
from lora_repro.decoding.beam import Search, beam_search
from lora_repro.decoding.journal import Batch, Journal
from lora_repro.errors import Interrupted
from lora_repro.tasks.data_to_text import as_scored
from lora_repro.tasks.encode_pairs import encode_prompts, end_of_text
from lora_repro.training.distributed import World
from lora_repro.training.precision import compute

ROWS = 320  # hypotheses searched at once: inputs of a batch x beams; speed and memory depend on it


@dataclass(frozen=True)
class Written:
    """Texts, in the order of the inputs, and what they cost."""

    texts: list[str]  # one line each; a text without a word is ""
    tokens: int
    unfinished: int  # texts that were cut off at max_new_tokens
    seconds: float  # of decoding, earlier sittings included; of several processes their mean

    def content(self) -> bytes:
        """The file of outputs: one line per input."""
        return "".join(f"{text}\n" for text in self.texts).encode()


def search_of(recipe: RecipeConfig, tokenizer: Any) -> Search:
    """The search that a recipe asks for."""
    return Search(
        recipe.beams, recipe.length_penalty, recipe.no_repeat_ngram, recipe.max_new_tokens, stop_tokens(tokenizer)
    )


def stop_tokens(tokenizer: Any) -> tuple[int, ...]:
    """Texts end at the end-of-text token, or at an empty line where the tokenizer has a token for it (GPT-2: 628), as
    the official commands have it."""
    empty_line = tokenizer("\n\n", add_special_tokens=False)["input_ids"]
    return tuple(sorted({end_of_text(tokenizer), *(empty_line if len(empty_line) == 1 else [])}))


def write_texts(
    model: nn.Module,
    tokenizer: Any,
    inputs: Sequence[str],
    search: Search,
    *,
    max_length: int,
    precision: str,
    world: World,
    folder: Path,
    name: str,
    weights: str,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Written:
    """Decode every input once, going on from what `folder` holds of the same decoding.

    Args:
        model: a decoder, adapted; on the world's device.
        inputs: distinct ones.
        max_length: tokens of an input and its text together; a longer input loses tokens at its beginning.
        folder: where the journal is kept.
        name: of the journal.
        weights: fingerprint of all weights (`weights_fingerprint`).

    Raises:
        Interrupted: a stop was requested; what is done is kept.
    """
    model.eval()
    ids, offsets = encode_prompts(inputs, tokenizer, max_length - search.max_new_tokens)
    plan = batches(np.diff(offsets), search.beams)
    settings = {"search": asdict(search), "weights": weights, "precision": precision, "inputs": list(inputs)}
    digest = hashlib.sha256(json.dumps([settings, ids.tolist(), plan]).encode()).hexdigest()[:16]
    journal = Journal(folder, name, digest)
    done: dict[int, Batch] = world.from_leader(journal.read())
    missing = [number for number in range(len(plan)) if number not in done]
    mine = missing[world.rank :: world.size]
    fresh: dict[int, Batch] = {}
    with tqdm(total=len(inputs), unit="input", desc="decoding", disable=None if world.leads else True) as bar:
        bar.update(sum(len(batch.inputs) for batch in done.values()))
        for turn in range(-(-len(missing) // world.size)):
            if turn < len(mine):
                positions = plan[mine[turn]]
                started = time.perf_counter()
                rows = [ids[offsets[i] : offsets[i + 1]].astype(np.int64) for i in positions]
                prompts = [torch.from_numpy(row).to(world.device) for row in rows]
                with compute(precision, world.device):
                    found = beam_search(model, prompts, search)
                batch = Batch(
                    mine[turn],
                    positions,
                    [_text(tokenizer, h.tokens[:-1] if h.finished else h.tokens) for h in found],
                    [len(h.tokens) for h in found],
                    [h.score for h in found],
                    [h.finished for h in found],
                    time.perf_counter() - started,
                )
                journal.append(world.rank, batch)
                fresh[batch.number] = batch
                bar.update(len(positions))
            left = len(missing) - (turn + 1) * world.size
            if world.agree(int(stop_requested())) and left > 0:
                raise Interrupted(f"stopped while decoding, some {left} batches from the end; the same command goes on")
    for share in world.gather(fresh):
        done |= share
    return _collect(done, len(inputs), world.size)


def batches(lengths: np.ndarray, beams: int) -> list[list[int]]:
    """Positions of inputs, sorted by length and cut into lists.

    Args:
        lengths: (n,) tokens of each prompt.
    """
    size = max(1, ROWS // beams)
    order = np.argsort(-lengths, kind="stable").tolist()  # the longest, which take most memory, first
    return [order[start : start + size] for start in range(0, len(order), size)]


def weights_fingerprint(backbone: str, state: Mapping[str, Tensor]) -> str:
    """16 hex digits of the backbone's fingerprint and the trained tensors."""
    digest = hashlib.sha256(backbone.encode())
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _text(tokenizer: Any, tokens: list[int]) -> str:
    """Tokens as one line: cut as the official ``gpt2_decode.py`` does; a line end inside becomes a space."""
    text = tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return re.sub(r"\s*[\r\n]+\s*", " ", as_scored(text))


def _collect(done: Mapping[int, Batch], inputs: int, processes: int) -> Written:
    texts = [""] * inputs
    for batch in done.values():
        for position, text in zip(batch.inputs, batch.texts, strict=True):
            texts[position] = text
    return Written(
        texts,
        sum(sum(batch.tokens) for batch in done.values()),
        sum(batch.finished.count(False) for batch in done.values()),
        sum(batch.seconds for batch in done.values()) / processes,
    )

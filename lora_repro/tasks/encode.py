"""Text to token ids, once: encodings are kept in a cache whose keys are made of contents, not of names or dates."""

import hashlib
import json
import logging
import uuid
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lora_repro.errors import ConfigError
from lora_repro.tasks.encode_plain import CUE, plain_ids
from lora_repro.tasks.examples import Examples

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

FORMAT = 1
"""Part of every cache key: raise it when what stands in a cache file, or how text is encoded, changes."""


@dataclass(frozen=True)
class PlainForm:
    """Asks for examples as plain text (`encode_plain`), for decoders."""

    columns: tuple[str, ...]  # names of the texts
    pad_token_id: int  # of the batches that they will stand in


_CHUNK = 8192  # examples tokenised at once: enough for the tokenizer's threads, little memory for Python lists


@dataclass(frozen=True)
class Encoded:
    """A split as token ids, ragged: example i is ``input_ids[offsets[i] : offsets[i + 1]]``.

    Attributes:
        input_ids: (sum of lengths,) int32, special tokens included, no padding.
        token_type_ids: the same shape, int32; None where the backbone has none (RoBERTa).
        offsets: (n + 1,) int64, from 0.
        labels: (n,) int64 class ids, or float32 scores.
        fingerprint: 16 hex digits: the cache key, a hash of examples, tokenizer and max_length.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray | None
    offsets: np.ndarray
    labels: np.ndarray
    fingerprint: str

    def __len__(self) -> int:
        return len(self.labels)

    def lengths(self) -> np.ndarray:
        """(n,) int64, tokens of each example."""
        return np.diff(self.offsets)


def encode(
    examples: Examples,
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
    cache_dir: Path | None = None,
    plain: PlainForm | None = None,
) -> Encoded:
    """Token ids of every example, as ``tokenizer(text_a, text_b, truncation=True, max_length=max_length)`` gives them.

    A pair that is too long loses tokens from its longer text first ("longest_first"), with `plain` too.

    Args:
        max_length: tokens per example at most, special tokens included.
        cache_dir: where encodings are kept (created when needed); None: no cache. A cache file that is damaged is
            encoded anew, with a warning; a cache that cannot be written is no error either. Tokenizers without a fast
            backend are not cached, since their content cannot be read off reliably.
        plain: encode as plain text instead, without the tokenizer's special tokens for pairs.

    Raises:
        ConfigError: max_length leaves no room for text.
        BackboneError: as `plain_ids`.
    """
    special = tokenizer.num_special_tokens_to_add(pair=examples.text_b is not None)
    if plain is None and max_length <= special:
        raise ConfigError(f"recipe.max_length={max_length} leaves no room for text beside {special} special tokens")
    key = _key(examples, tokenizer, max_length, plain)
    path = cache_dir / f"{key}.safetensors" if cache_dir is not None and tokenizer.is_fast else None
    arrays = _load(path) if path else None
    if arrays is None:
        arrays = _tokenise(examples, tokenizer, max_length, plain)
        if path:
            _store(path, arrays)
    return Encoded(arrays["input_ids"], arrays.get("token_type_ids"), arrays["offsets"], arrays["labels"], key)


def _tokenise(
    examples: Examples, tokenizer: "PreTrainedTokenizerBase", max_length: int, plain: PlainForm | None
) -> dict[str, np.ndarray]:
    columns: dict[str, list[np.ndarray]] = {"input_ids": [], "token_type_ids": []}
    lengths: list[int] = []
    for start in range(0, len(examples), _CHUNK):
        part = slice(start, start + _CHUNK)
        texts, pairs = examples.text_a[part], examples.text_b[part] if examples.text_b is not None else None
        if plain is None:
            batch = tokenizer(texts, pairs, truncation=True, max_length=max_length, return_attention_mask=False)
        else:
            ids = plain_ids(texts, pairs, plain.columns, tokenizer, max_length, plain.pad_token_id)
            batch = {"input_ids": ids}
        lengths += map(len, batch["input_ids"])
        for name, chunks in columns.items():
            if name in batch:
                chunks.append(np.fromiter(chain.from_iterable(batch[name]), dtype=np.int32))
    arrays = {name: np.concatenate(chunks) for name, chunks in columns.items() if chunks}
    arrays["offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    scores = isinstance(examples.labels[0], float)
    arrays["labels"] = np.asarray(examples.labels, dtype=np.float32 if scores else np.int64)
    return arrays


def _key(examples: Examples, tokenizer: "PreTrainedTokenizerBase", max_length: int, plain: PlainForm | None) -> str:
    parts = [FORMAT, examples.fingerprint, max_length, tokenizer.truncation_side, tokenizer.model_input_names]
    if plain is not None:
        parts += [CUE, *plain.columns]
    digest = hashlib.sha256(json.dumps(parts).encode())
    if tokenizer.is_fast:
        import tokenizers

        content = tokenizer.backend_tokenizer.to_str()
        # what stands before is the state that the last call left: its truncation and padding
        digest.update(content[max(content.find('"added_tokens"'), 0) :].encode())
        digest.update(tokenizers.__version__.encode())
    else:
        digest.update(json.dumps([type(tokenizer).__name__, sorted(tokenizer.get_vocab().items())]).encode())
    return digest.hexdigest()[:16]


def _load(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a cache file, or None when there is none or it is damaged."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            checksum = (file.metadata() or {}).get("sha256")
    except (SafetensorError, OSError, ValueError) as error:
        log.warning("%s: damaged cache file (%s); encoding anew", path, error)
        return None
    if checksum != _checksum(arrays):
        log.warning("%s: damaged cache file (its checksum does not fit its content); encoding anew", path)
        return None
    return arrays


def _store(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write under another name, then rename: a reader sees the whole file or none, whoever else writes it too."""
    from safetensors.numpy import save

    content = save(arrays, metadata={"sha256": _checksum(arrays)})
    temporary = path.with_name(f"{path.stem}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)  # there only where writing failed
    except OSError as error:
        log.warning("%s: cannot keep the encoding (%s); the next run encodes again", path, error.strerror)


def _checksum(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()

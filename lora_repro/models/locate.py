"""The folder that a backbone is loaded from: the user's own, the hub cache's, or one downloaded from the hub."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from lora_repro.config import ModelConfig
from lora_repro.errors import BackboneError, hub_unreachable
from lora_repro.hub import client_errors, hub_reachable

GGUF = ".gguf"
"""Ending of llama.cpp's files: one file holds configuration, weights and tokenizer."""

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Weight files, best first: a folder is read from the first that it holds. A .bin is read with weights_only=True."""

TOKENIZERS = (("tokenizer.json",), ("vocab.txt",), ("vocab.json", "merges.txt"), ("spm.model",), ("tokenizer.model",))
"""Sets of files that make up a tokenizer; one set is enough."""

PACKAGE = "package://"
"""What model.path begins with when the backbone comes with the suite: the rest is a place in the package's folder."""

_DOWNLOAD = ["config.json", "generation_config.json", "tokenizer*", "vocab*", "merges.txt", "spm.model", "special_*"]
_TIMEOUT = 2.0  # seconds for the hub's first answer; with the probe's two and a half it stays below five


def locate(config: ModelConfig) -> Path:
    """The folder with config, weights and tokenizer of `config`: model.path, else the hub cache, else the hub.

    ``model.path`` may also name a GGUF file, or a folder whose only backbone is one: the file is returned then; or, as
    ``package://minis/roberta-mini``, a folder of the installed package, wherever that lies.

    Raises:
        BackboneError: the folder lacks files, or the hub has no such repository or revision.
        OfflineError: the hub is needed and cannot be reached; within five seconds.
    """
    here = _here(config)
    if here is not None:
        return here
    require(config)
    assert config.hub_id is not None  # `_here` refuses a backbone with neither path nor hub_id
    return _download(config.hub_id, config.revision, _what(config))


def require(config: ModelConfig) -> None:
    """Whether `locate` has where to take the backbone from, without downloading it.

    Raises:
        BackboneError: model.path lacks files, or there is neither path nor hub_id.
        OfflineError: the hub is needed and cannot be reached.
    """
    if _here(config) is None and not hub_reachable():
        raise hub_unreachable(_what(config))


def _here(config: ModelConfig) -> Path | None:
    """The backbone's folder where it is on this machine: model.path, else the hub's cache."""
    if config.path:
        folder = _given(config.path)
        gguf = gguf_file(folder)
        if gguf is not None:
            return gguf
        if not folder.is_dir():
            maker = "; experiments/pretrain_mini.py makes it" if config.path.startswith(PACKAGE) else ""
            raise BackboneError(
                f"model.path={config.path} is not a folder; it should hold the files of {config.name}{maker}"
            )
        missing = missing_files(folder)
        if missing:
            raise BackboneError(f"model.path={config.path} lacks {' and '.join(missing)}; {_inventory(folder)}")
        return folder
    if not config.hub_id:
        raise BackboneError(f"backbone {config.name} is not on the hub; set model.path to the folder that holds it")
    return _from_cache(config.hub_id, config.revision)


def _what(config: ModelConfig) -> str:
    return f"backbone {config.name} ({config.hub_id})"


def _given(path: str) -> Path:
    """The folder that model.path names."""
    if path.startswith(PACKAGE):
        return Path(__file__).resolve().parents[1] / path.removeprefix(PACKAGE)
    return Path(path).expanduser()


def missing_files(folder: Path) -> list[str]:
    """What `folder` lacks to be a backbone's, in words; empty when it is complete."""
    missing = []
    if not (folder / "config.json").is_file():
        missing.append("config.json")
    if not any((folder / name).is_file() for name in WEIGHTS):
        missing.append("the weights (model.safetensors, or its index and shards)")
    else:
        missing += [path.name for path in weight_files(folder) if not path.is_file()]  # shards of an index
    if not any(all((folder / name).is_file() for name in names) for names in TOKENIZERS):
        missing.append("a tokenizer (" + " or ".join("+".join(names) for names in TOKENIZERS) + ")")
    return missing


def gguf_file(path: Path) -> Path | None:
    """The GGUF file that a path means: itself, or the only one in a folder without a config.json; else None.

    Raises:
        BackboneError: a folder holds several and nothing else to go by.
    """
    if path.is_file():
        return path if path.suffix == GGUF else None
    if not path.is_dir() or (path / "config.json").is_file():
        return None
    files = sorted(path.glob(f"*{GGUF}"))
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise BackboneError(f"model.path={path} holds several GGUF files ({names}); name one of them")
    return files[0] if files else None


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights of a folder, in the order in which they are hashed; some may lack."""
    if folder.suffix == GGUF and folder.is_file():
        return [folder]
    name = next(name for name in WEIGHTS if (folder / name).is_file())
    if not name.endswith(".index.json"):
        return [folder / name]
    try:
        shards = set(json.loads((folder / name).read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackboneError(f"{folder / name} is not an index of weight files: {error!r}") from error
    return [folder / shard for shard in sorted(shards)]


def fingerprint(folder: Path) -> str:
    """First 16 hex digits of the SHA-256 of the weight file(s): two folders with equal weights have equal ones."""
    stats = [(path, path.stat()) for path in weight_files(folder)]
    return _sha256(tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats))


@lru_cache(maxsize=32)
def _sha256(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _size, _mtime in files:  # size and time are part of the cache's key only
        with Path(path).open("rb") as stream:
            while chunk := stream.read(1 << 22):
                digest.update(chunk)
    return digest.hexdigest()[:16]


def _inventory(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    return f"it holds {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}" if names else "it is empty"


def _from_cache(hub_id: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(hub_id, revision=revision, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    return Path(folder) if not missing_files(Path(folder)) else None  # an interrupted download leaves half a folder


def _download(hub_id: str, revision: str | None, what: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().model_info(hub_id, revision=revision, timeout=_TIMEOUT)
        names = {sibling.rfilename for sibling in info.siblings or []}
        weights = next((name for name in WEIGHTS if name in names), None)
        if weights is None:
            raise BackboneError(f"{what} has no weights that can be read safely: none of {', '.join(WEIGHTS)} there")
        if weights.endswith(".index.json"):
            weights = weights.removesuffix(".index.json").replace(".", "*.") + "*"  # the index and its shards
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=[*_DOWNLOAD, weights]))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        at = f" at revision {revision}" if revision else ""
        raise BackboneError(
            f"{what} is not on the hub{at}, or is private: check model.hub_id, or set model.path"
        ) from error
    except client_errors() as error:
        raise hub_unreachable(what) from error

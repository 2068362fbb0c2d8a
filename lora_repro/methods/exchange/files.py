"""Files of other libraries: what they hold, read without running any of it; and writing that leaves nothing half."""

import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lora_repro.errors import CheckpointError
from lora_repro.methods.exchange.peft import CONFIG, OLD_WEIGHTS, WEIGHTS

_NOTES = "lora_repro_export"  # key in the metadata of the safetensors files that we export
_WRAPPER = "model_state_dict"  # the authors' GPT-2 code saves its state dict inside another dict


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a safetensors file or of a pickle, and what our own export noted in it (else {}).

    A pickle is read with ``weights_only=True``: one that holds more than tensors is refused, not run.

    Raises:
        CheckpointError: absent, damaged, or not a state dict.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist or is not a file")
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as stream:
                notes = _notes(stream.metadata() or {})
                return {name: stream.get_tensor(name) for name in stream.keys()}, notes  # noqa: SIM118  (not a dict)
        except SafetensorError as error:
            raise CheckpointError(f"{path} is damaged or not a safetensors file: {error}") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is no pickle of tensors alone, and is not read because its content could run code: "
            f"{str(error).splitlines()[0]}; save the bare state dict, best as .safetensors"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or not a file of torch.save: {error}") from error
    if isinstance(content, dict) and isinstance(content.get(_WRAPPER), dict):
        content = content[_WRAPPER]
    strange = [] if isinstance(content, dict) else [type(content).__name__]
    if isinstance(content, dict):
        strange = [f"{key}: {type(value).__name__}" for key, value in content.items() if not isinstance(value, Tensor)]
    if strange:
        raise CheckpointError(f"{path} is not a state dict, it holds {strange[0]}; save model.state_dict() alone")
    return content, {}


def read_peft(source: Path) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Any]]:
    """Configuration, tensors and notes of a PEFT folder (or of the folder that a weight file lies in)."""
    folder = source if source.is_dir() else source.parent
    if not (folder / CONFIG).is_file():
        raise CheckpointError(f"{source} is no PEFT adapter: {CONFIG} is not in {folder}")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{folder / CONFIG} holds a {type(config).__name__}, not a configuration")
    name = next((name for name in (WEIGHTS, OLD_WEIGHTS) if (folder / name).is_file()), None)
    if name is None:
        raise CheckpointError(f"{folder} holds neither {WEIGHTS} nor {OLD_WEIGHTS}")
    state, notes = read_tensors(folder / name)
    return config, state, notes


def write_tensors(path: Path, state: Mapping[str, Tensor], notes: dict[str, Any], safe: bool = True) -> None:
    """Write safetensors with `notes` in the metadata, or (`safe` off) a pickle of the state dict alone."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    if safe:
        save_file(tensors, path, metadata={"format": "pt", _NOTES: json.dumps(notes, sort_keys=True)})
        path.chmod(0o644)  # save_file makes it 0600
    else:
        torch.save(tensors, path)


def write_whole(out: Path, write: Callable[[Path], None], folder: bool) -> None:
    """Let `write` make a file or folder, which is at `out` when all of it is there, and not at all when it fails."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        if folder:
            partial.mkdir()
        write(partial)
        partial.replace(out)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


def _notes(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Our notes as far as they have the right types; the file may be anybody's, and a wrong note says nothing."""
    try:
        notes = json.loads(metadata.get(_NOTES, "{}"))
    except ValueError:
        return {}
    return {key: value for key, value in notes.items() if _right(key, value)} if isinstance(notes, dict) else {}


def _right(key: str, value: Any) -> bool:
    if key == "alpha":
        return isinstance(value, int | float)
    if key == "task":
        return isinstance(value, str)
    return isinstance(value, list) and all(isinstance(item, str) for item in value)

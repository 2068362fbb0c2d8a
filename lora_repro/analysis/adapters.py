"""LoRA pairs out of any checkpoint (ours, PEFT's, loralib's) and the matrices W beside which they stand."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from lora_repro.analysis.results import AdapterNote
from lora_repro.config import WEIGHT_TYPES
from lora_repro.errors import CheckpointError, ConfigError
from lora_repro.methods.checkpoint import AdapterMeta, entry_for, read_adapter
from lora_repro.methods.exchange.files import read_peft, read_tensors
from lora_repro.methods.exchange.loralib import from_loralib
from lora_repro.methods.exchange.pairs import Pair, from_adapter
from lora_repro.methods.exchange.peft import CONFIG, from_peft
from lora_repro.models.architectures import Architecture, architecture
from lora_repro.models.sites import projection

_RUN = re.compile(r"s\d+-[0-9a-f]{12}")
_OURS = "lora_repro"  # key in the metadata of our own files


@dataclass(frozen=True)
class Updates:
    """An adapter's updates dW = (alpha / r) B A."""

    pairs: dict[tuple[int, str], Pair]  # by block and projection
    note: AdapterNote
    meta: AdapterMeta | None  # of our own files

    @property
    def weights(self) -> list[str]:
        """The projections, in the paper's order."""
        present = {weight for _, weight in self.pairs}
        return [weight for weight in WEIGHT_TYPES if weight in present]

    @property
    def layers(self) -> list[int]:
        """The blocks, lowest first."""
        return sorted({layer for layer, _ in self.pairs})


def read_updates(path: Path, arch: Architecture | None = None, alpha: float | None = None) -> Updates:
    """Read an adapter; its format is seen from the file.

    Args:
        path: one of our adapters, a folder of PEFT (or the weight file in it), or a state dict of loralib.
        arch: of the backbone; only our own files say it themselves.
        alpha: for files that do not say it (loralib's).

    Raises:
        CheckpointError: absent, damaged, not LoRA, no pair in it.
        ConfigError: `arch` is needed and None.
    """
    if not path.exists():
        raise CheckpointError(f"adapter {path} does not exist")
    meta = None
    if (path if path.is_dir() else path.parent).joinpath(CONFIG).is_file():
        kind, (config, state, notes) = "peft", read_peft(path)
        arch = entry_for(_needed(arch, path).name, state)
        portable = from_peft(config, state, arch, f"PEFT adapter {path}", alpha)
        backbone = str(config.get("base_model_name_or_path") or "")
    elif _is_ours(path):
        file = read_adapter(path)
        kind, meta, notes = "ours", file.meta, {"task": file.meta.task}
        portable, backbone = from_adapter(file), file.meta.backbone
    else:
        state, notes = read_tensors(path)
        alpha = notes.get("alpha") if alpha is None else alpha
        arch = entry_for(_needed(arch, path).name, state)
        portable = from_loralib(state, arch, f"loralib file {path}", alpha, notes.get("targets"))
        kind, backbone = "loralib", ""
    if not portable.pairs:
        raise CheckpointError(f"adapter {path} holds no LoRA pair: no key has lora_A or lora_B in it")
    first = {weight: pair for (_, weight), pair in sorted(portable.pairs.items(), reverse=True)}
    note = AdapterNote(
        _source(path),
        kind,
        _fingerprint(portable.pairs),
        Path(backbone).name,
        str(notes.get("task") or ""),
        {weight: first[weight].rank for weight in WEIGHT_TYPES if weight in first},
        {weight: first[weight].scaling for weight in WEIGHT_TYPES if weight in first},
    )
    return Updates(portable.pairs, note, meta)


def frozen_weight(model: nn.Module, arch: Architecture, layer: int, weight: str) -> Tensor:
    """W0 of one projection, (out, in), whatever the module's layout; a view."""
    site = projection(model, arch, layer, weight)
    matrix = site.module.get_parameter("weight").detach()
    matrix = matrix.T if arch.fan_in_fan_out else matrix  # (out of the module, in)
    return matrix.chunk(site.slice.parts)[site.slice.part]


def svd_of_update(pair: Pair) -> tuple[Tensor, Tensor, Tensor]:
    """Singular value decomposition of dW = scaling B A through two thin QRs; dW itself is never formed.

    Returns:
        U (d, r), singular values (r,), largest first, V (k, r); float64.
    """
    Q_B, R_B = torch.linalg.qr(pair.B.double())  # (d, r), (r, r)
    Q_A, R_A = torch.linalg.qr(pair.A.double().T)  # (k, r), (r, r)
    U, values, Vh = torch.linalg.svd(pair.scaling * R_B @ R_A.T)  # (r, r)
    return Q_B @ U, values, Q_A @ Vh.T


def _needed(arch: Architecture | None, path: Path) -> Architecture:
    if arch is None:
        raise ConfigError(f"{path} does not say what backbone it is for; give it by --model, e.g. --model roberta-base")
    return arch


def _is_ours(path: Path) -> bool:
    if path.suffix != ".safetensors":
        return False
    try:
        with safe_open(path, framework="pt") as stream:
            return _OURS in (stream.metadata() or {})
    except SafetensorError as error:
        raise CheckpointError(f"adapter {path} is damaged or not a safetensors file: {error}") from error


def _source(path: Path) -> str:
    return f"{path.parent.name}/{path.name}" if _RUN.fullmatch(path.parent.name) else path.name


def _fingerprint(pairs: dict[tuple[int, str], Pair]) -> str:
    digest = hashlib.sha256()
    for key in sorted(pairs):
        pair = pairs[key]
        digest.update(f"{key} {pair.scaling:.9g}".encode())
        for matrix in (pair.A, pair.B):
            digest.update(matrix.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def architecture_of(updates: Updates) -> Architecture | None:
    """The architecture that the file itself names."""
    return None if updates.meta is None else architecture(updates.meta.architecture)

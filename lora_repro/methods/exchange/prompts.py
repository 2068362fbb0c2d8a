"""Virtual tokens in the format of Hugging Face PEFT: ``PREFIX_TUNING`` and ``PROMPT_TUNING``.

PEFT keeps one matrix, ``prompt_embeddings``, with a row per virtual token:

- `prefix_kv` is prefix tuning: the key and the value of block 1, of block 2, and so on, (l_p, 2 L d). An MLP that makes
  them is left behind: what it puts out is what is exported, as PEFT's own saving has it.
- `pre_embed` without an infix is prompt tuning on a decoder: word embeddings, (l_p, d).

On an encoder PEFT hands the prefix over as a filled cache, and so numbers [CLS] l_p where we leave it 0. No other
token has that number, so the exported folder carries the position table with the row of number 0 in the place of row
l_p. An adapter of PEFT's own making has no such row: it computes another function, and is refused.

What PEFT cannot hold is refused with the reason; `CANNOT` says which.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lora_repro.config import MethodConfig, PreEmbedConfig, PrefixKVConfig
from lora_repro.errors import CheckpointError
from lora_repro.methods.checkpoint import AdapterFile
from lora_repro.methods.exchange.pairs import refuse_unexpected, split_head, times
from lora_repro.methods.virtual_tokens import NAME
from lora_repro.models.architectures import Architecture

TYPES = {"PREFIX_TUNING": "prefix_kv", "PROMPT_TUNING": "pre_embed"}
CANNOT = {
    "infix": "PEFT has prefix tokens only, and these have l_i={l_i} infix tokens; train with method.l_i=0",
    "encoder": "PEFT puts prompt tokens before [CLS], and its head reads the first of them instead of [CLS]",
    "classifying": "PEFT hands prompt tokens over as embeddings, in which a decoder's head cannot tell the padding",
    "deberta-v2": "PEFT hands a prefix over as a filled cache, which DeBERTa-v2 does not take",
    "llama": "PEFT's keys are not turned by their positions, which Llama's attention does to ours",
    "other": "PEFT has no form for it; only lora, prefix_kv and pre_embed can be exported",
}
_PREFIX = "base_model."
_TABLE = "prompt_embeddings"
_POSITIONS = "embeddings.position_embeddings"


def needs_positions(file: AdapterFile) -> bool:
    """Whether `to_peft_prompt` wants the backbone's position table; CheckpointError when PEFT cannot hold `file`."""
    _refuse_what_peft_cannot_hold(file)
    return not file.architecture.decoder


def position_table(arch: Architecture) -> str:
    """The full name of an encoder's position table."""
    return f"{arch.base}.{_POSITIONS}.weight"


def row_of_zero(arch: Architecture, pad_token_id: int | None) -> int:
    """The row of the position table that number 0 has: RoBERTa leaves the first ones, up to the padding's, unused."""
    return (pad_token_id or 0) + 1 if arch.name == "roberta" else 0


def to_peft_prompt(
    file: AdapterFile, positions: Tensor | None = None, first: int = 0
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """PEFT's configuration (as JSON values) and state dict.

    Args:
        positions: (rows, d) position table of the backbone, for an encoder.
        first: its `row_of_zero`.

    Raises:
        CheckpointError: PEFT cannot hold the adapter.
    """
    arch = file.architecture
    head, own = split_head(file.state, arch)
    tensors = {name.removeprefix(f"{arch.base}.{NAME}."): file.state[name].float() for name in own}
    state = {_PREFIX + name: tensor for name, tensor in head.items()}
    saved = list(arch.heads)
    if needs_positions(file):
        assert positions is not None  # the caller asked `needs_positions`
        state[_PREFIX + position_table(arch)] = _moved(positions.float(), first, file.meta.method["l_p"])
        saved.append(f"{arch.base}.{_POSITIONS}")
    config: dict[str, Any] = {
        "peft_type": next(kind for kind, method in TYPES.items() if method == file.meta.method["name"]),
        "task_type": "SEQ_CLS" if arch.heads else "CAUSAL_LM",
        "base_model_name_or_path": file.meta.hub_id or file.meta.backbone,
        "revision": file.meta.revision,
        "inference_mode": True,
        "num_virtual_tokens": file.meta.method["l_p"],
        "num_transformer_submodules": 1,
        "modules_to_save": saved or None,
    }
    if config["peft_type"] == "PROMPT_TUNING":
        state[_TABLE] = tensors["prefix"]
        return config | {"prompt_tuning_init": "RANDOM", "token_dim": state[_TABLE].shape[1]}, state
    keys_values = _keys_values(tensors, file)  # (L, 2, l_p, d)
    layers, _, l_p, d = keys_values.shape
    state[_TABLE] = keys_values.permute(2, 0, 1, 3).reshape(l_p, layers * 2 * d)
    return config | {"prefix_projection": False, "num_layers": layers, "token_dim": d, "encoder_hidden_size": d}, state


def from_peft_prompt(
    config: Mapping[str, Any], state: Mapping[str, Tensor], arch: Architecture, layers: int, first: int, what: str
) -> tuple[MethodConfig, dict[str, Tensor]]:
    """The method's settings and the tensors of one of our adapters.

    Args:
        layers: blocks of the backbone.
        first: `row_of_zero` of its position table.
        what: the adapter's name in messages.

    Raises:
        CheckpointError: another function than ours, or tensors that lack, are too many or do not fit.
    """
    plain = {key.removeprefix(_PREFIX).replace(".modules_to_save.", "."): tensor for key, tensor in state.items()}
    if _TABLE not in plain:
        raise CheckpointError(f"{what} lacks {_TABLE}, the matrix that PEFT keeps virtual tokens in")
    table = plain.pop(_TABLE).float()
    method = TYPES[config["peft_type"]]
    positions = plain.pop(position_table(arch), None)
    if method == "prefix_kv" and arch.name in CANNOT:
        raise CheckpointError(f"{what} cannot be imported for {arch.name}: {CANNOT[arch.name]}")
    l_p = table.shape[0]
    if arch.heads and method == "pre_embed":
        reason = CANNOT["classifying" if arch.decoder else "encoder"]
        raise CheckpointError(f"{what} cannot be imported for {arch.name}: {reason}")
    if not arch.decoder and (positions is None or not torch.equal(positions, _moved(positions, first, l_p))):
        raise CheckpointError(
            f"{what} cannot be imported for {arch.name}: PEFT numbers [CLS] {l_p}, here it has number 0, and so "
            "the functions differ; only what this suite exported, with its own position table, comes back"
        )
    head, others = split_head(plain, arch)
    refuse_unexpected(what, others, len(state))
    prefix = f"{arch.base}.{NAME}"
    if method == "pre_embed":
        return (
            PreEmbedConfig(name=method, l_p=l_p, l_i=0, prefix_init="random"),
            head | {f"{prefix}.prefix": table},
        )
    if table.shape[1] % (2 * layers):
        raise CheckpointError(
            f"{what}: {_TABLE} is {times(table.shape)}; {table.shape[1]} columns are no key and value for each of "
            f"{layers} blocks; choose the --model that it was trained on"
        )
    keys_values = table.view(l_p, layers, 2, -1).permute(1, 2, 0, 3).contiguous()
    return PrefixKVConfig(name=method, l_p=l_p, prefix_init="random"), head | {f"{prefix}.keys_values": keys_values}


def _refuse_what_peft_cannot_hold(file: AdapterFile) -> None:
    name, arch = file.meta.method["name"], file.architecture
    reason = None
    if name not in TYPES.values():
        reason = "other"
    elif file.meta.method.get("l_i"):
        reason = "infix"
    elif arch.heads and name == "pre_embed":
        reason = "classifying" if arch.decoder else "encoder"
    elif name == "prefix_kv" and arch.name in CANNOT:
        reason = arch.name
    if reason:
        why = CANNOT[reason].format(l_i=file.meta.method.get("l_i"))
        raise CheckpointError(f"adapter {file.path} of method {name} on {arch.name} cannot go to PEFT: {why}")


def _keys_values(tensors: Mapping[str, Tensor], file: AdapterFile) -> Tensor:
    """(L, 2, l_p, d): as trained, or as the MLP of a reparametrised prefix puts them out."""
    if "keys_values" in tensors:
        return tensors["keys_values"]
    words, d = tensors["words"], tensors["words"].shape[1]  # (l_p, d)
    hidden = torch.tanh(words @ tensors["down.weight"].T + tensors["down.bias"])
    flat = hidden @ tensors["up.weight"].T + tensors["up.bias"]  # (l_p, L 2 d)
    return flat.view(len(words), -1, 2, d).permute(1, 2, 0, 3)


def _moved(positions: Tensor, first: int, l_p: int) -> Tensor:
    """The position table for PEFT: number l_p, which [CLS] gets there and nothing else, means what 0 means here."""
    moved = positions.clone()
    moved[first + l_p] = positions[first]
    return moved

"""Hugging Face PEFT: ``adapter_config.json`` and ``adapter_model.safetensors``.

PEFT puts one pair beside one module. Where a module computes one projection that is ours too. GPT-2's ``c_attn``
computes three, and our separate pairs (A_q, B_q) and (A_v, B_v) become one of rank r_q + r_v:

    A = [A_q]      B = [B_q   0 ]  <- W_q rows      B A = [B_q A_q]
        [A_v]          [ 0    0 ]  <- W_k rows            [   0   ]
                       [ 0   B_v]  <- W_v rows            [B_v A_v]

PEFT divides its alpha by that rank, so the alpha of the module is scaling * (r_q + r_v); where the pairs have scalings
of their own, the first one's is kept and the others take the difference into B. The function is the same; training on
in PEFT would fill the zeros.

The way back: columns of B that meet one projection only are taken apart again, whatever their order. Any other pair of
PEFT's is (W_q, W_k, W_v) sharing one A: it becomes a pair for each projection with rows that are not 0, with a copy of
A. Again the same function; training on here would move the copies apart.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lora_repro.errors import CheckpointError
from lora_repro.methods.checkpoint import AdapterMeta
from lora_repro.methods.exchange.pairs import (
    KNOWN_ALPHAS,
    Pair,
    Portable,
    locate_module,
    matrices,
    modules,
    most_common,
    refuse_unexpected,
    split_head,
    tidy,
    times,
)
from lora_repro.models.architectures import Architecture

CONFIG, WEIGHTS, OLD_WEIGHTS = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
_PREFIX = "base_model.model."  # PeftModel holds LoraModel as base_model, that holds the Transformer as model

_UNDERSTOOD = {"r", "lora_alpha", "lora_dropout", "rank_pattern", "alpha_pattern", "use_rslora", "bias", "peft_type"}
_HARMLESS = {  # they say how the adapter came about, or are to be seen in the tensors
    "alora_invocation_string",
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "init_lora_weights",  # its values are looked at
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_ga_config",
    "megatron_core",
    "modules_to_save",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
}
_PLAIN_INITS = (True, False, None, "gaussian", "eva", "orthogonal")  # the others change the backbone's weights


def to_peft(portable: Portable, arch: Architecture, meta: AdapterMeta) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """PEFT's configuration (as JSON values) and state dict."""
    state, ranks, alphas = {}, {}, {}
    for name, pairs in modules(portable, arch).items():
        pair = _joined(pairs, arch)
        ranks[name], alphas[name] = pair.rank, tidy(pair.scaling * pair.rank)
        state[f"{_PREFIX}{name}.lora_A.weight"] = pair.A.contiguous()
        state[f"{_PREFIX}{name}.lora_B.weight"] = pair.B.contiguous()
    state |= {_PREFIX + name: tensor.contiguous() for name, tensor in portable.head.items()}
    r, alpha = most_common(ranks.values()), most_common(alphas.values())
    config = {
        "peft_type": "LORA",
        "task_type": "SEQ_CLS" if arch.heads else "CAUSAL_LM",
        "base_model_name_or_path": meta.hub_id or meta.backbone,
        "revision": meta.revision,
        "inference_mode": True,
        "r": r,
        "lora_alpha": _whole(alpha),
        "lora_dropout": portable.dropout,
        "bias": "none",
        "target_modules": sorted(ranks),  # full names: "output.dense" would match attention.output.dense too
        "rank_pattern": {name: rank for name, rank in ranks.items() if rank != r},
        "alpha_pattern": {name: _whole(own) for name, own in alphas.items() if own != alpha},
        "fan_in_fan_out": arch.fan_in_fan_out,
        "modules_to_save": list(arch.heads) or None,
        "init_lora_weights": True,
    }
    return config, state


def from_peft(
    config: Mapping[str, Any], state: Mapping[str, Tensor], arch: Architecture, what: str, alpha: float | None = None
) -> Portable:
    """Read PEFT's configuration and state dict.

    Args:
        what: its name in messages.
        alpha: for a configuration that does not say it; refused beside one that says another.

    Raises:
        CheckpointError: not plain LoRA, no alpha, ranks that do not fit, keys that lack or are too many.
    """
    _refuse_other_methods(config, what)
    alpha = _alpha(config, what, alpha)
    plain = {key.removeprefix(_PREFIX).replace(".modules_to_save.", "."): tensor for key, tensor in state.items()}
    by_module, others = matrices(plain, ".weight", what)
    head, unexpected = split_head({key: plain[key] for key in others}, arch)
    fused: dict[str, dict[int, Pair]] = {}
    pairs: dict[tuple[int, str], Pair] = {}
    for name, (A, B) in by_module.items():
        place = locate_module(name, arch)
        if place is None:
            unexpected.append(f"{name}.lora_A.weight")
            continue
        rank = _pattern(config, "rank_pattern", name, config.get("r"), what)
        if not A.shape[0] == B.shape[1] == rank:
            raise CheckpointError(
                f"{what}: {CONFIG} gives {name} the rank {rank}, but lora_A is {times(A.shape)} and lora_B "
                f"{times(B.shape)}, so rank {A.shape[0]} and {B.shape[1]}; set r or rank_pattern in {CONFIG} to what "
                "the weights have, if they belong together"
            )
        own_alpha = _pattern(config, "alpha_pattern", name, alpha, what)
        pair = Pair(A, B, own_alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))
        layer, weights = place
        if len(weights) == 1:
            pairs[layer, weights[0]] = pair
        else:
            fused.setdefault(arch.weights[weights[0]].module, {})[layer] = pair
    refuse_unexpected(what, sorted(unexpected), len(state))
    for module, layers in fused.items():
        pairs |= _taken_apart(layers, module, arch, what)
    return Portable(pairs, head, float(config.get("lora_dropout") or 0.0))


def _joined(pairs: dict[str, Pair], arch: Architecture) -> Pair:
    """One pair for a module that computes several projections (see the top of this file)."""
    first = next(iter(pairs.values()))
    parts = arch.weights[next(iter(pairs))].parts
    if parts == 1:
        return first
    width, rank = first.B.shape[0], sum(pair.rank for pair in pairs.values())
    B = torch.zeros(parts * width, rank)
    column = 0
    for weight, pair in pairs.items():
        row = arch.weights[weight].part * width
        B[row : row + width, column : column + pair.rank] = pair.with_scaling(first.scaling).B
        column += pair.rank
    return Pair(torch.cat([pair.A for pair in pairs.values()]), B, first.scaling)


def _taken_apart(layers: dict[int, Pair], module: str, arch: Architecture, what: str) -> dict[tuple[int, str], Pair]:
    """One pair for each projection of a fused module, the same columns in all blocks (see the top of this file)."""
    by_part = {site.part: weight for weight, site in arch.weights.items() if site.module == module}
    weights = [by_part[part] for part in sorted(by_part)]
    ranks = {pair.rank for pair in layers.values()}
    outputs = {pair.B.shape[0] for pair in layers.values()}
    if len(ranks) > 1:
        raise CheckpointError(f"{what} has ranks {min(ranks)} and {max(ranks)} for {module} in different blocks; "
                              "here a projection has one rank in all blocks: merge it with PEFT instead")  # fmt: skip
    if len(outputs) > 1 or min(outputs) % len(weights):
        raise CheckpointError(
            f"{what}: lora_B of {module} has {' and '.join(map(str, sorted(outputs)))} rows; they should be "
            f"{len(weights)} times the model's width, one part for each of {', '.join(weights)}"
        )
    used = torch.stack([pair.B.reshape(len(weights), -1, pair.rank).ne(0).any(1) for pair in layers.values()]).any(0)
    apart = bool((used.sum(0) == 1).all())  # used: (projections, rank)
    everything = torch.ones(used.shape[1], dtype=torch.bool)
    found = {}
    for part, weight in enumerate(weights):
        if used.any() and not used[part].any():
            continue  # rows that are 0 in every block
        columns = used[part] if apart else everything
        for layer, pair in layers.items():
            rows = pair.B.chunk(len(weights))[part]
            found[layer, weight] = Pair(pair.A[columns], rows[:, columns], pair.scaling)
    return found


def _refuse_other_methods(config: Mapping[str, Any], what: str) -> None:
    if config.get("peft_type") != "LORA":
        raise CheckpointError(
            f"{what} is of PEFT's type {config.get('peft_type')}, only LORA, PREFIX_TUNING and PROMPT_TUNING can be "
            "imported"
        )
    extra = sorted(key for key, value in config.items() if value and key not in _UNDERSTOOD | _HARMLESS)
    if extra:
        key = extra[0]
        raise CheckpointError(
            f"{what} has {key}={json.dumps(config[key])}: that is not plain LoRA, and would be lost here; "
            "merge it with PEFT instead, or train without it"
        )
    if config.get("bias", "none") != "none":
        raise CheckpointError(f"{what} has bias={config['bias']}: LoRA here trains no bias; train with bias=none")
    start = config.get("init_lora_weights", True)
    if not isinstance(start, bool | str | None) or start not in _PLAIN_INITS:
        raise CheckpointError(
            f"{what} has init_lora_weights={json.dumps(start)}, which changes the backbone's weights too; convert it "
            "with PEFT (save_pretrained(..., path_initial_model_for_weight_conversion=...)) first"
        )


def _alpha(config: Mapping[str, Any], what: str, given: float | None) -> float:
    own = config.get("lora_alpha")
    if own is None and given is None:
        raise CheckpointError(f"{what} does not say its alpha; give the one it was trained with by --alpha "
                              f"({KNOWN_ALPHAS})")  # fmt: skip
    if own is not None and given is not None and own != given:
        raise CheckpointError(f"{what} says lora_alpha={own}, but --alpha {given:g} was given; leave --alpha out")
    value = given if own is None else own
    return _number(value, "lora_alpha", what)


def _pattern(config: Mapping[str, Any], key: str, module: str, default: Any, what: str) -> Any:
    """PEFT's rule: the first pattern that matches the end of the module's name, a dot before it."""
    for pattern, value in (config.get(key) or {}).items():
        try:
            if re.match(rf"(.*\.)?({pattern})$", module):
                return _number(value, key, what)
        except re.error as error:
            raise CheckpointError(f"{what}: {key} has '{pattern}', not a regular expression: {error}") from error
    return _number(default, "r" if key == "rank_pattern" else "lora_alpha", what)


def _number(value: Any, key: str, what: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise CheckpointError(f"{what} has {key}={json.dumps(value)}; it must be a number greater than 0")
    return value


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value

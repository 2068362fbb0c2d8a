"""The common ground of all formats: an adapter as pairs (A, B, scaling), one per block and projection, and the head."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from torch import Tensor

from lora_repro.config import WEIGHT_TYPES, LoRAConfig
from lora_repro.errors import CheckpointError
from lora_repro.methods.checkpoint import AdapterFile
from lora_repro.models.architectures import Architecture, Slice

_Value = TypeVar("_Value", int, float)

KNOWN_ALPHAS = "16 in the authors' GLUE scripts, 8 in the paper's appendix (Table 9) for RoBERTa base"


@dataclass(frozen=True)
class Pair:
    """One update: scaling * B A."""

    A: Tensor  # (r, in)
    B: Tensor  # (out, r)
    scaling: float

    @property
    def rank(self) -> int:
        return self.A.shape[0]

    def with_scaling(self, scaling: float) -> "Pair":
        """The same update with another factor before it: B takes the difference. The bits stay when there is none."""
        ratio = self.scaling / scaling
        return Pair(self.A, self.B if abs(ratio - 1) < 1e-12 else self.B * ratio, scaling)


@dataclass(frozen=True)
class Portable:
    """A LoRA adapter in no format in particular; all tensors fp32."""

    pairs: dict[tuple[int, str], Pair]  # by block and the paper's name of the projection
    head: dict[str, Tensor] = field(default_factory=dict)  # by full name in Transformers' model
    dropout: float = 0.0


def from_adapter(file: AdapterFile) -> Portable:
    """One of our adapters; CheckpointError when its method is not LoRA."""
    if file.meta.method["name"] != "lora":
        raise CheckpointError(
            f"adapter {file.path} was trained with method {file.meta.method['name']}; only method lora can be exported"
        )
    config, arch = file.meta.method_config(), file.architecture
    assert isinstance(config, LoRAConfig)
    state = dict(file.state)
    pairs = {}
    for weight in (weight for weight in WEIGHT_TYPES if weight in config.targets):
        scaling = config.alpha / config.ranks.get(weight, config.r)
        for layer in layers_of(state, arch, arch.weights[weight]):
            A, B = (state.pop(own_name(arch, layer, weight, matrix), None) for matrix in "AB")
            if A is None or B is None:
                raise CheckpointError(f"adapter {file.path} lacks the pair of {weight} in block {layer}")
            pairs[layer, weight] = Pair(A.float(), B.float(), scaling)
    head, others = split_head(state, arch)
    refuse_unexpected(f"adapter {file.path}", others, len(file.state))
    return Portable(pairs, head, config.dropout)


def to_adapter(portable: Portable, arch: Architecture, what: str) -> tuple[LoRAConfig, dict[str, Tensor]]:
    """The method's settings and the tensors of one of our adapters.

    We have one alpha for the whole adapter and one rank per projection: the alpha is the one that most pairs have, and
    pairs with another scaling take the difference into B.

    Args:
        what: the name of the thing in messages, e.g. ``"PEFT adapter FOLDER"``.

    Raises:
        CheckpointError: no pair at all, or a projection has different ranks in different blocks.
    """
    if not portable.pairs:
        raise CheckpointError(f"{what} holds no LoRA pair: no key has lora_A or lora_B in it")
    ranks = _rank_per_weight(portable.pairs, what)
    r = most_common(pair.rank for pair in portable.pairs.values())
    alpha = most_common(tidy(pair.scaling * pair.rank) for pair in portable.pairs.values())
    if alpha <= 0:
        raise CheckpointError(f"{what} has alpha = {alpha:g}; it must be greater than 0")
    config = LoRAConfig(
        name="lora",
        r=r,
        alpha=alpha,
        dropout=portable.dropout,
        targets=list(ranks),
        ranks={weight: rank for weight, rank in ranks.items() if rank != r},
        init="kaiming",  # how it was drawn is not known, and no longer matters
    )
    state = dict(portable.head)
    for (layer, weight), pair in portable.pairs.items():
        own = pair.with_scaling(alpha / pair.rank)
        state[own_name(arch, layer, weight, "A")] = own.A
        state[own_name(arch, layer, weight, "B")] = own.B
    return config, state


def module_name(arch: Architecture, layer: int, weight: str) -> str:
    """Full name of the module that computes a projection, e.g. ``roberta.encoder.layer.0.attention.self.query``."""
    return f"{arch.base}.{arch.blocks}.{layer}.{arch.weights[weight].module}"


def own_name(arch: Architecture, layer: int, weight: str, matrix: str) -> str:
    """Our name of ``lora_A`` or ``lora_B``: with the projection behind it where one module computes several."""
    tail = f".{weight}" if arch.weights[weight].parts > 1 else ""
    return f"{module_name(arch, layer, weight)}.lora_{matrix}{tail}"


def modules(portable: Portable, arch: Architecture) -> dict[str, dict[str, Pair]]:
    """The pairs by module: ``{module name: {weight: pair}}``, projections in the order of their outputs."""
    found: dict[str, dict[str, Pair]] = {}
    for layer, weight in sorted(portable.pairs, key=lambda key: (key[0], WEIGHT_TYPES.index(key[1]))):
        found.setdefault(module_name(arch, layer, weight), {})[weight] = portable.pairs[layer, weight]
    return found


def locate_module(name: str, arch: Architecture) -> tuple[int, tuple[str, ...]] | None:
    """Block and projections (in the order of the outputs) of a module by its full name; None when it has none."""
    match = re.fullmatch(rf"{re.escape(f'{arch.base}.{arch.blocks}')}\.(\d+)\.(.+)", name)
    weights = tuple(weight for weight, site in arch.weights.items() if match and site.module == match[2])
    return (int(match[1]), weights) if match and weights else None


def layers_of(names: Iterable[str], arch: Architecture, site: Slice) -> list[int]:
    """Numbers of the blocks that have a LoRA tensor on the module of `site`, ascending."""
    pattern = re.compile(rf"{re.escape(f'{arch.base}.{arch.blocks}')}\.(\d+)\.{re.escape(site.module)}\.lora_[AB]")
    return sorted({int(match[1]) for name in names if (match := pattern.match(name))})


def matrices(state: Mapping[str, Tensor], tail: str, what: str) -> tuple[dict[str, tuple[Tensor, Tensor]], set[str]]:
    """Collect ``MODULE.lora_A`` + tail and ``MODULE.lora_B`` + tail of a foreign state dict.

    Returns:
        (A, B) by module, in fp32, and the keys that are no such matrix.

    Raises:
        CheckpointError: a matrix without its partner, not two-dimensional, or the two disagree about the rank.
    """
    found: dict[str, dict[str, Tensor]] = {}
    others = set()
    for key, tensor in state.items():
        match = re.fullmatch(rf"(.+)\.lora_([AB]){re.escape(tail)}", key)
        if match:
            found.setdefault(match[1], {})[match[2]] = tensor.float()
        else:
            others.add(key)
    for module, own in found.items():
        if len(own) < 2:
            lacking = "B" if "A" in own else "A"
            raise CheckpointError(f"{what} lacks {module}.lora_{lacking}{tail}, the partner of a matrix that it holds")
        if any(matrix.ndim != 2 for matrix in own.values()):
            raise CheckpointError(
                f"{what}: {module}.lora_A is {times(own['A'].shape)} and lora_B {times(own['B'].shape)}; "
                "LoRA on a projection has matrices, this may be LoRA on a convolution, which is not in the paper"
            )
    return {module: (own["A"], own["B"]) for module, own in found.items()}, others


def split_head(state: Mapping[str, Tensor], arch: Architecture) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of the head, in fp32, and the names of those that are not the head's."""
    prefixes = tuple(f"{head}." for head in arch.heads)
    head = {name: tensor.float() for name, tensor in state.items() if prefixes and name.startswith(prefixes)}
    return head, sorted(set(state) - set(head))


def refuse_unexpected(what: str, names: Sequence[str], count: int) -> None:
    """CheckpointError naming the first of `names`, when there are any."""
    if names:
        raise CheckpointError(
            f"{what} has unexpected {shortened(names)}: {len(names)} of its {count} tensors are neither a LoRA pair on "
            f"a projection of the paper nor the head; choose the --model that it was trained on, or drop them"
        )


def shortened(names: Sequence[str]) -> str:
    """The first three names and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def tidy(value: float) -> float:
    """Without the last bits that a division and a multiplication left: 16 / 3 * 3 is 16."""
    return float(f"{value:.12g}")


def most_common(values: Iterable[_Value]) -> _Value:
    """The value that occurs most often; of several the first."""
    return Counter(values).most_common(1)[0][0]


def _rank_per_weight(pairs: Mapping[tuple[int, str], Pair], what: str) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for weight in WEIGHT_TYPES:
        own = {layer: pair.rank for (layer, name), pair in sorted(pairs.items()) if name == weight}
        if len(set(own.values())) > 1:
            first, other = min(own), next(layer for layer in own if own[layer] != own[min(own)])
            raise CheckpointError(
                f"{what} has rank {own[first]} for {weight} in block {first} and {own[other]} in block {other}; here "
                "a projection has one rank in all blocks: train it so, or merge it with its own library"
            )
        if own:
            ranks[weight] = next(iter(own.values()))
    return ranks

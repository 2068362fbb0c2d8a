"""LoRA (section 4.1): h = W0 x + (alpha / r) B A x, with W0 (d x k) frozen, A (r x k) and B (d x r) trained.

B starts at zero, so the output is unchanged at step 0. A starts

- ``kaiming``: uniform in +-1/sqrt(k), as the authors' loralib has it (`nn.init.kaiming_uniform_` with a = sqrt 5);
- ``gaussian``: "a random Gaussian initialization for A" says the paper, without its width. N(0, 0.02^2) is taken, the
  width with which the authors' DeBERTa code draws A again.

Dropout acts on LoRA's input, as in loralib. Merging is a verb: see `lora_repro.methods.merging`.
"""

from torch import Generator, nn

from lora_repro.config import WEIGHT_TYPES, LoRAConfig
from lora_repro.errors import BackboneError, ConfigError
from lora_repro.methods.lora_layers import LoRALayer, LoRALinear, LoRASlices
from lora_repro.methods.merging import merge, unmerge
from lora_repro.methods.method import Method
from lora_repro.models.architectures import Architecture
from lora_repro.models.dims import Dims
from lora_repro.models.sites import block_names, projection


def insert(model: nn.Module, architecture: Architecture, config: LoRAConfig, stream: Generator) -> None:
    """Put LoRA beside the target projections of every block; random numbers in the order of blocks and WEIGHT_TYPES."""
    ranks = target_ranks(config, architecture)
    for layer in range(len(block_names(model, architecture))):
        by_module: dict[str, dict[str, int]] = {}  # module -> {weight: rank}; GPT-2's c_attn holds up to three
        for weight, rank in ranks.items():
            by_module.setdefault(projection(model, architecture, layer, weight).name, {})[weight] = rank
        for name, wanted in by_module.items():
            _replace(model, architecture, layer, name, wanted, config, stream)


def trainable(model: nn.Module, _architecture: Architecture, _config: LoRAConfig) -> set[str]:
    return {
        f"{name}.{parameter}"
        for name, module in model.named_modules()
        if isinstance(module, LoRALayer)
        for parameter in module.trained_names()
    }


def theta(config: LoRAConfig, dims: Dims) -> int:
    """|Theta| = 2 L d r for each square target, L r (k + d) in general; RoBERTa base, W_q and W_v, r = 8: 294,912."""
    return sum(dims.layers * rank * sum(dims.shape(weight)) for weight, rank in _ranks(config).items())


def target_ranks(config: LoRAConfig, architecture: Architecture) -> dict[str, int]:
    """The rank of each target, in the order of WEIGHT_TYPES; ConfigError when a target is not to be found."""
    unknown = [target for target in config.targets if target not in architecture.weights]
    if unknown:
        sites = ", ".join(f"{weight} ({where.module})" for weight, where in architecture.weights.items())
        raise BackboneError(f"targets {unknown} match no module of {architecture.name}; its projections are {sites}")
    if not config.targets:
        raise ConfigError(f"method.targets is empty; choose some of {', '.join(WEIGHT_TYPES)}")
    stray = sorted(set(config.ranks) - set(config.targets))
    if stray:
        raise ConfigError(f"method.ranks gives a rank to {stray}, but method.targets is {list(config.targets)}")
    ranks = _ranks(config)
    wrong = {weight: rank for weight, rank in ranks.items() if rank < 1}
    if wrong:
        raise ConfigError(f"ranks must be at least 1, got {wrong}; leave a projection out of method.targets instead")
    return ranks


def _ranks(config: LoRAConfig) -> dict[str, int]:
    return {weight: config.ranks.get(weight, config.r) for weight in WEIGHT_TYPES if weight in config.targets}


def _replace(
    model: nn.Module,
    architecture: Architecture,
    layer: int,
    name: str,
    wanted: dict[str, int],
    config: LoRAConfig,
    stream: Generator,
) -> None:
    """Put a LoRA layer in the place of module `name`, which computes the projections `wanted` of block `layer`."""
    base = model.get_submodule(name)
    sites = {weight: projection(model, architecture, layer, weight).slice for weight in wanted}
    parent, _, leaf = name.rpartition(".")
    adapted: LoRALayer
    if all(site.parts == 1 for site in sites.values()):
        (rank,) = wanted.values()
        adapted = LoRALinear(base, rank, config, stream)
    else:
        adapted = LoRASlices(base, sites, wanted, config, stream)
    setattr(model.get_submodule(parent), leaf, adapted)


METHOD = Method("lora", "4.1", LoRAConfig, trainable, theta, insert, ("dropout", "init"), merge, unmerge)

"""LoRA together with another method (appendix E, Table 15): both insert, both train, |Theta| is the sum.

Merging takes LoRA's update into the weights; what the other method added stays, and with it its cost at inference.
"""

from typing import Any

from torch import Generator, nn

from lora_repro.config import LoRAConfig
from lora_repro.methods import lora
from lora_repro.methods.method import Method
from lora_repro.models.architectures import Architecture
from lora_repro.models.dims import Dims


def with_lora(other: Method, name: str, config: type[LoRAConfig]) -> Method:
    """The pair of `other` and LoRA as a method.

    Args:
        config: has the settings of both.
    """

    def insert(model: nn.Module, architecture: Architecture, settings: Any, stream: Generator) -> None:
        other.insert(model, architecture, settings, stream)  # first: it may read activations of the plain backbone
        lora.insert(model, architecture, settings, stream)

    def trainable(model: nn.Module, architecture: Architecture, settings: Any) -> set[str]:
        return lora.trainable(model, architecture, settings) | other.trainable(model, architecture, settings)

    def theta(settings: Any, dims: Dims) -> int:
        return lora.theta(settings, dims) + other.theta(settings, dims)

    both = (*lora.METHOD.training_only, *other.training_only)
    return Method(name, "E", config, trainable, theta, insert, both, lora.METHOD.merge, lora.METHOD.unmerge)

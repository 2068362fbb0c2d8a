"""What a method has to tell about itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lora_repro.config import MethodConfig
from lora_repro.models.architectures import Architecture
from lora_repro.models.dims import Dims

Insert = Callable[[nn.Module, Architecture, Any, torch.Generator], None]
Declare = Callable[[nn.Module, Architecture, Any], set[str]]
Theta = Callable[[Any, Dims], int]
Turn = Callable[[nn.Module], None]


def insert_nothing(
    _model: nn.Module, _architecture: Architecture, _config: MethodConfig, _stream: torch.Generator
) -> None:
    """For methods that train what is there already."""


@dataclass(frozen=True)
class Method:
    """How a backbone is adapted. The functions take the method's own configuration class."""

    name: str
    section: str  # of the paper, or its appendix
    config: type[MethodConfig]
    trainable: Declare  # full names of the parameters that train, the head's excluded
    theta: Theta  # the paper's |Theta|, the head excluded
    insert: Insert = insert_nothing  # adds modules; draws random numbers from the generator only
    training_only: tuple[str, ...] = ()  # settings that do not change what trained weights compute, e.g. dropout
    merge: Turn | None = None  # takes the update into the backbone's weights; None: the method has no such thing
    unmerge: Turn | None = None

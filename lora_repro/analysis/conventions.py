"""How many bytes a trained and a frozen parameter cost, and what section 4.2 says of GPT-3 175B. No torch needed."""

from dataclasses import dataclass

from lora_repro.analysis.results import Bytes


@dataclass(frozen=True)
class Convention:
    """How many bytes a parameter costs; papers and frameworks differ, so the choice is named.

    Attributes:
        weight: of each parameter of the model, trained or not.
        gradient: of each trained one.
        state: of each trained one, Adam's two moments (and a master copy of the weight) together.
    """

    name: str
    weight: int
    gradient: int
    state: int

    def bytes(self, total: int, trained: int, activations: int = 0) -> Bytes:
        """Of a model with so many parameters."""
        return Bytes(self.weight * total, self.gradient * trained, self.state * trained, activations)


CONVENTIONS = (
    Convention("fp16 weights and moments, gradients not kept", 2, 0, 4),
    Convention("fp16 weights, gradients and moments", 2, 2, 4),
    Convention("fp16 weights and gradients, fp32 moments", 2, 2, 8),
    Convention("mixed precision: fp32 moments and master copy", 2, 2, 12),
    Convention("fp32 throughout", 4, 4, 8),
)
"""The first is the arithmetic behind section 4.2's "up to 2/3": weights are a third, Adam's moments two thirds."""

PAPER_FT, PAPER_LORA = 1.2e12, 350e9
"""Section 4.2: "we reduce the VRAM consumption during training from 1.2TB to 350GB", GPT-3 175B."""

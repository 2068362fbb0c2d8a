"""What each analysis finds, as plain data: JSON on disk, no tensors, no torch.

Layers count from 0, the lowest block; singular directions count from 1 in the paper and stand at index i - 1 here.
"""

from dataclasses import dataclass, field

Matrix = list[list[float]]

BASE, MERGED, UNMERGED = "base", "lora_merged", "lora_unmerged"
"""Variants of a latency beside the adapters: the backbone (as fine-tuned), LoRA in its weights, LoRA beside them."""

PASS, BLOCK = "pass", "block"
"""What variants take turns by while a latency is measured."""

SAMPLES = 6
"""Estimates of a pass's time from one pass in turns by block, each from every sixth block."""


@dataclass(frozen=True)
class AdapterNote:
    """What is known of an adapter that was analysed; no path of the machine it lies on."""

    source: str  # "s<seed>-<identity>/best.safetensors" of one of our runs, else the file's own name
    format: str  # ours | peft | loralib
    fingerprint: str  # of all A and B, 12 hex digits
    backbone: str  # "" where the file does not say
    task: str  # "" where the file does not say
    ranks: dict[str, int]  # by projection
    scaling: dict[str, float]  # alpha / r, by projection


# -- section 7.2, appendices G and H.1, H.2 ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Similarity:
    """phi(i, j) between two sets of singular directions of one projection of one block (Figures 3, 4, 6 and 7)."""

    layer: int
    weight: str  # W_q ...
    matrix: str  # A | B | dW
    phi: Matrix  # phi[i - 1][j - 1], 0 to 1


@dataclass(frozen=True)
class Subspaces:
    """Two adapters compared."""

    first: AdapterNote  # its directions are i
    second: AdapterNote  # its directions are j
    layers: int  # of the backbone that hold LoRA
    widths: dict[str, list[int]]  # projection -> [inputs k, outputs d]
    pairs: list[Similarity]
    control: list[Similarity]  # two random Gaussian matrices of the same shapes, once per projection; layer is -1


# -- section 7.3, appendices H.3 and H.4 -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Amplification:
    """One projection of one block: a line of Table 7, the spectra, and a panel of Figure 8."""

    layer: int
    weight: str
    r: int
    norm_W: float  # ||W||_F
    norm_dW: float  # ||dW||_F, alpha / r included
    inside_dW: float  # ||U^T W V||_F, U and V the first r singular directions of dW
    inside_W: float  # the same of W itself: the norm of its r largest singular values
    inside_random: float  # the same of random subspaces, root mean square over the draws
    expected_random: float  # in closed form: r ||W||_F / sqrt(d k)
    factor: float  # norm_dW / inside_dW
    spectrum_dW: list[float]  # the r singular values, alpha / r included
    spectrum_W: list[float]  # all singular values of W
    phi_W: Matrix  # Figure 8: right-singular directions of W (i, the first tenth) against dW's (j)
    phi_random: Matrix  # the same against random directions


@dataclass(frozen=True)
class Amplifications:
    """One adapter against the backbone that it was trained on."""

    adapter: AdapterNote
    backbone: str
    draws: int  # random subspaces behind `inside_random`
    lines: list[Amplification]


# -- section 3, appendix B ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """One variant's forward passes; all variants of a cell were timed in turn."""

    variant: str  # base | lora_merged | lora_unmerged | adapter_l | adapter_h
    r: int  # 0 for base
    parameters: int  # that the method adds or trains; 0 for base
    seconds: list[float]  # samples: one per round, or where turns were by block several, each from a part of the blocks
    inserted: list[float] = field(default_factory=list)  # of each sample, those in adapter layers; empty: not measured


@dataclass(frozen=True)
class Latency:
    """One cell of Table 1 or Figure 5: one batch size and sequence length."""

    model: str
    batch: int
    length: int  # tokens
    warmup: int  # untimed passes per variant
    timings: list[Timing]
    same_operations: bool  # the merged model runs the base model's operations, as the profiler counts them
    operations: dict[str, int]  # profiler's count of all operations of one pass, by variant
    busy: float  # share of the wall-clock time that this process's threads computed: 1.0 on a quiet machine
    turns: str = PASS  # pass | block: what the variants took turns by


# -- section 4.2 -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bytes:
    """Training memory in its four parts."""

    weights: int
    gradients: int
    optimiser: int
    activations: int  # what the forward pass keeps for the backward pass

    @property
    def total(self) -> int:
        """The four parts together."""
        return self.weights + self.gradients + self.optimiser + self.activations


@dataclass(frozen=True)
class MethodMemory:
    """One method's training step."""

    method: str
    settings: str
    trainable: int  # parameters, the head included
    total: int
    predicted: Bytes
    measured: Bytes | None  # None where the model was not built
    peak: int | None  # largest memory of the process during the steps, less what it held before there was a model
    checkpoint: int | None  # bytes of the file with what the method trains


@dataclass(frozen=True)
class Memory:
    """The methods on one backbone, one batch."""

    model: str
    batch: int
    length: int
    precision: str
    methods: list[MethodMemory]


@dataclass(frozen=True)
class Drift:
    """How far W is from W0 after merging and taking the update away again by subtraction, in one number type."""

    dtype: str
    largest: float  # |W - W0|, over all adapted weights
    relative: float  # ||W - W0||_F / ||W0||_F
    rounds: int  # task switches


@dataclass(frozen=True)
class Switching:
    """From task A to task B on one backbone (section 4.1: subtract B A, add B' A')."""

    first: AdapterNote
    second: AdapterNote
    backbone: str
    adapter_bytes: int  # of task B's file
    backbone_bytes: int  # of a full fine-tuned checkpoint of it
    seconds: dict[str, list[float]]  # read_adapter | unmerge | merge | read_full_checkpoint, one per trial
    exact: bool  # unmerge gave back every bit of W0, and B merged after A is B merged alone
    drift: list[Drift] = field(default_factory=list)


KINDS = {
    "subspaces": Subspaces,
    "amplification": Amplifications,
    "latency": Latency,
    "memory": Memory,
    "switching": Switching,
}
"""Kind of record -> class of its result."""

Result = Subspaces | Amplifications | Latency | Memory | Switching

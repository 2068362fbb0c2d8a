"""The schema of a run: types here, values and their sources in ``conf/``.

Hydra composes ``conf/`` against these dataclasses, so an unknown key or a wrong type is refused before anything
starts; `lora_repro.checks` holds the rules that need more than a type. Below `lora_repro.run` nobody sees a DictConfig.
This file imports neither torch nor transformers: help and configuration errors must answer at once.
"""

from dataclasses import dataclass, field
from typing import Any, Optional  # `Optional`, not `X | None`: OmegaConf 2.3 reads the annotations at run time

from omegaconf import MISSING

WEIGHT_TYPES = ("W_q", "W_k", "W_v", "W_o", "W_fc1", "W_fc2")
"""The paper's names of a block's projections (section 1, "Terminologies"), and the two of its MLP."""

DATA_SOURCES = ("local", "hub", "embedded")
INITS = ("kaiming", "gaussian")
ADAPTER_ACTIVATIONS = ("relu", "gelu", "swish")
PREFIX_INITS = ("vocabulary", "random")
PRECISIONS = ("auto", "fp32", "bf16")
DEVICES = ("auto", "cpu", "cuda")
TRACKERS = ("none", "wandb")
TRACKER_MODES = ("auto", "online", "offline", "disabled")
DATA_TO_TEXT_TASKS = ("e2e", "webnlg", "dart", "samsum", "wikisql")
CHECKPOINTS = ("last", "best")


@dataclass
class ModelConfig:
    """A backbone: what it is called, how it is built, where its weights come from."""

    name: str = MISSING  # name in records and tables, e.g. "roberta-base"
    architecture: str = MISSING  # a key of models.ARCHITECTURES: bert, roberta, deberta-v2, gpt2, llama
    hub_id: Optional[str] = None  # e.g. "FacebookAI/roberta-base"; None: only from a folder
    revision: Optional[str] = None  # commit on the hub
    path: Optional[str] = None  # folder with config, tokenizer and safetensors (package://: of ours); wins over the hub
    dims: dict[str, Any] = field(default_factory=dict)  # arguments of the Transformers config class, for the audit


@dataclass
class MethodConfig:
    """What every method has; each method's own dataclass adds its keys."""

    name: str = MISSING


@dataclass
class FTConfig(MethodConfig):
    """Full fine-tuning: every parameter trains."""


@dataclass
class BitFitConfig(MethodConfig):
    """Every bias trains, the LayerNorms' too (Zaken et al. 2021; section 5.1)."""


@dataclass
class LoRAConfig(MethodConfig):
    """LoRA (section 4.1): h = W0 x + (alpha / r) B A x."""

    r: int = MISSING
    alpha: float = MISSING
    dropout: float = MISSING  # on LoRA's input
    targets: list[str] = MISSING  # subset of WEIGHT_TYPES
    ranks: dict[str, int] = field(default_factory=dict)  # own rank for some targets, e.g. {W_q: 4}; others use r
    init: str = MISSING  # of A: "kaiming" (official code) or "gaussian" (paper's text); B is zero


@dataclass
class FTTop2Config(MethodConfig):
    """The last two blocks train (Li & Liang 2021; section 5.1)."""


@dataclass
class AdapterConfig(MethodConfig):
    """Adapter layers (section 5.1): x + W_up f(W_down x + b_down) + b_up."""

    r: int = MISSING  # units of the bottleneck
    activation: str = MISSING  # f: relu | gelu | swish
    init_std: float = MISSING  # W_up and W_down start at N(0, init_std^2), near the identity; biases at 0


@dataclass
class AdapterDropConfig(AdapterConfig):
    """Adapters in the upper layers only (Rücklé et al. 2021)."""

    dropped: int = MISSING  # lowest blocks without an adapter


@dataclass
class PreEmbedConfig(MethodConfig):
    """The word embeddings of virtual tokens train (section 5.1, "Prefix-embedding tuning")."""

    l_p: int = MISSING  # prefix tokens
    l_i: int = MISSING  # infix tokens
    prefix_init: str = MISSING  # start of the trained vectors: "vocabulary" (words drawn from it) or "random"


@dataclass
class PreLayerConfig(MethodConfig):
    """The activations of virtual tokens train, after every block (section 5.1, "Prefix-layer tuning")."""

    l_p: int = MISSING
    l_i: int = MISSING
    prefix_init: str = MISSING


@dataclass
class PrefixKVConfig(MethodConfig):
    """A key and a value per virtual token and block train (Li & Liang 2021)."""

    l_p: int = MISSING
    prefix_init: str = MISSING
    reparametrisation: Optional[int] = None  # width of the MLP that makes keys and values; None: they train directly


@dataclass
class LoRAPreEmbedConfig(LoRAConfig):
    """LoRA and PreEmbed together (Table 15, LoRA+PE)."""

    l_p: int = MISSING
    l_i: int = MISSING
    prefix_init: str = MISSING


@dataclass
class LoRAPreLayerConfig(LoRAConfig):
    """LoRA and PreLayer together (Table 15, LoRA+PL)."""

    l_p: int = MISSING
    l_i: int = MISSING
    prefix_init: str = MISSING


@dataclass
class TaskConfig:
    """A data set. The limits cut a split to its first n after a fixed shuffle (None: all)."""

    name: str = MISSING
    train_examples: Optional[int] = None  # data-to-text: pairs of input and text
    eval_examples: Optional[int] = None  # data-to-text: distinct inputs of the test split, which are decoded
    validation_examples: Optional[int] = None  # data-to-text only: pairs of the validation split


@dataclass
class RecipeConfig:
    """Hyperparameters of (backbone, method, task) from a named source."""

    source: str = MISSING  # paper | official | mini
    lr: float = MISSING
    head_lr: Optional[float] = None  # None: lr
    epochs: int = MISSING
    batch_size: int = MISSING  # examples per optimiser step, over all processes and accumulation steps
    grad_accumulation: int = 1  # micro-batches per optimiser step and process
    warmup_ratio: Optional[float] = None  # of all steps; exactly one of warmup_ratio and warmup_steps
    warmup_steps: Optional[int] = None
    weight_decay: float = MISSING  # none on biases and LayerNorms (official exclusions)
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_eps: float = 1e-8
    max_grad_norm: float = 1.0  # 0: no clipping
    max_length: int = MISSING  # tokens, special tokens included
    pad_to_max_length: bool = False  # the official GLUE code pads every example to max_length
    classifier_dropout: Optional[float] = None  # None: the backbone's own
    backbone_dropout: Optional[float] = None  # of embeddings, attention and residuals; None: the backbone's own
    adam_eps_uncorrected: bool = False  # eps joins sqrt(v) before v's bias correction (official GPT-2 code), not after
    # data-to-text only
    label_smoothing: float = 0.0  # spread over the whole vocabulary; in training alone
    beams: int = 10  # 1: greedy
    length_penalty: float = 1.0  # a text's score is its log probability / length^length_penalty
    no_repeat_ngram: int = 4  # no n-gram of so many tokens twice in a text; 0: no such rule
    max_new_tokens: int = 64
    decode: str = "last"  # the checkpoint that is decoded: last (official code) | best (lowest validation loss)


@dataclass
class DataConfig:
    """Where data come from. Of this only one thing is part of a run's identity: whether the data are generated."""

    dir: Optional[str] = None  # folder with glue/, e2e/, webnlg/ and so on, or the GLUE task folders themselves
    sources: list[str] = field(default_factory=lambda: ["local", "hub"])  # tried in this order; or embedded, alone
    cache: str = ".cache/encodings"

    @property
    def generated(self) -> bool:
        """Whether the suite's own generated data are asked for."""
        return list(self.sources) == ["embedded"]


@dataclass
class TrackerConfig:
    """Weights & Biases, or nothing."""

    name: str = MISSING  # none | wandb
    mode: str = "auto"  # auto: online with a key, offline without | online | offline | disabled
    project: str = "lora-repro"
    entity: Optional[str] = None


@dataclass
class RunConfig:
    """One training and evaluation. The science settings (model, method, task, recipe, seed, precision, init_from)
    make the run's identity; the rest says where and how it is executed."""

    model: ModelConfig = MISSING
    method: MethodConfig = MISSING
    task: TaskConfig = MISSING
    recipe: RecipeConfig = MISSING
    tracker: TrackerConfig = MISSING
    data: DataConfig = field(default_factory=DataConfig)
    seed: int = 0
    precision: str = "auto"  # auto: bf16 where the processor has matrix units for it, else fp32 | fp32 | bf16
    init_from: Optional[str] = None  # adapter checkpoint to start from (MNLI initialisation, section 5.2)
    device: str = "auto"  # auto | cpu | cuda
    threads: Optional[int] = None  # None: PyTorch's own choice
    records: str = "results/records"  # finished runs: one JSON each
    runs: str = "runs"  # work folders: checkpoints, logs, tracker files; safe to delete when nothing runs
    study: Optional[str] = None  # W&B group and table this run belongs to
    save_every_minutes: float = 5.0  # between resumable checkpoints

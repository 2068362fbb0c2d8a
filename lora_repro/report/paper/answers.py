"""Which of our runs answer a row of the paper: backbone, method, and the settings that make it that row."""

from dataclasses import dataclass, field
from typing import Any

from lora_repro.report.paper import PaperRow

MODELS = {
    "RoBERTa base": "roberta-base",
    "RoBERTa large": "roberta-large",
    "DeBERTa XXL": "deberta-v2-xxlarge",
    "GPT-2 medium": "gpt2-medium",
    "GPT-2 large": "gpt2-large",
}
"""Our names of the backbones that can be had. A small backbone is in no row of the paper."""

TASKS = {"2": ("mnli", "sst2", "mrpc", "cola", "qnli", "qqp", "rte", "stsb"), "3": ("e2e",), "13": ("dart",),
         "14": ("webnlg",), "18": ("e2e",)}  # fmt: skip
"""Tasks of the tables that runs can answer."""

FROM_MNLI = ("mrpc", "rte", "stsb")
"""Tasks whose LoRA runs start from the method's own MNLI run (section 5.2), but in the restricted setting."""

_RESTRICTED: dict[tuple[str, str], dict[str, Any]] = {  # Table 9: what the † rows change in their method's recipe
    ("LoRA†", "stsb"): {"max_length": 128, "batch_size": 4, "epochs": 10},
    **{("LoRA†", task): {"max_length": 128, "batch_size": 4} for task in TASKS["2"] if task != "stsb"},
    ("Adapter^P (0.8M)", "mnli"): {"lr": 3e-4, "epochs": 5},
    ("Adapter^P (0.8M)", "sst2"): {"lr": 3e-4},
    ("Adapter^H (0.8M)", "mnli"): {"lr": 3e-4},
}


@dataclass(frozen=True)
class Answer:
    """How a row of the paper reads in our words.

    Attributes:
        model: file of conf/model.
        method: file of conf/method.
        settings: method settings that make it this row and no other.
        recipe: recipe settings of the row that its recipe in conf/ does not have (the restricted setting).
        from_mnli: tasks that start from an MNLI run.
    """

    model: str
    method: str
    settings: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    from_mnli: tuple[str, ...] = ()


_GPT2 = {
    "FT": ("ft", {}),
    "Fine-Tune": ("ft", {}),
    "FT^Top2": ("ft_top2", {}),
    "Adapter^L (0.37M)": ("adapter_l", {"r": 6}),
    "Adapter^L (11.09M)": ("adapter_l", {"r": 224}),
    "Adapter^L (11M)": ("adapter_l", {"r": 224}),
    "Adapter^H (11.09M)": ("adapter_h", {"r": 112}),
    "Adapter^L (0.88M)": ("adapter_l", {"r": 8}),
    "Adapter^L (23.00M)": ("adapter_l", {"r": 248}),
    "Adapter^L (23M)": ("adapter_l", {"r": 248}),
    # cited from Li & Liang: their prefix is keys and values, not the activations of section 5.1
    "PreLayer": ("prefix_kv", {}),
    "PrefLayer": ("prefix_kv", {}),
    "Prefix": ("prefix_kv", {}),
    "LoRA": ("lora", {"r": 4}),
}

_ENCODERS = {
    "FT": ("ft", {}),
    "BitFit": ("bitfit", {}),
    "Adapter^D (0.3M)": ("adapter_d", {"r": 48, "dropped": 8}),
    "Adapter^D (0.9M)": ("adapter_d", {"r": 48, "dropped": 0}),
    "Adapter^P (3.0M)": ("adapter_p", {"r": 64}),
    "Adapter^P (0.8M)": ("adapter_p", {"r": 16}),
    "Adapter^H (6.0M)": ("adapter_h", {"r": 64}),
    "Adapter^H (0.8M)": ("adapter_h", {"r": 8}),
    "LoRA": ("lora", {}),
    "LoRA†": ("lora", {}),
}


def answer(number: str, row: PaperRow, task: str) -> Answer | None:
    """What answers `row` of Table `number` on `task`; None where its backbone is not public."""
    model = MODELS.get(row.model)
    if model is None or number not in TASKS:
        return None
    if number == "18":
        return Answer(model, "lora", {"r": int(row.settings.removeprefix("r="))})
    method, settings = (_ENCODERS if number == "2" else _GPT2)[row.method]
    if row.dagger:
        return Answer(model, method, settings, _RESTRICTED.get((row.method, task), {}))
    return Answer(model, method, settings, from_mnli=FROM_MNLI if number == "2" and method == "lora" else ())

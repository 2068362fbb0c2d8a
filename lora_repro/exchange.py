"""The verbs ``export``, ``import`` and ``merge``: adapters to and from other libraries' files, and into plain models.

lora-repro export runs/.../best.safetensors --to peft --out FOLDER
lora-repro import FOLDER --from peft --model roberta-base --task mnli --out adapter.safetensors
lora-repro import roberta_base_lora_mnli.bin --from loralib --alpha 16 --model roberta-base --task mnli --out ...
lora-repro merge runs/.../best.safetensors --model roberta-base --out FOLDER

The conversion itself is in `lora_repro.methods.exchange`; here are the arguments. torch is imported only after they
are known to be right.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lora_repro.checks import did_you_mean
from lora_repro.config import WEIGHT_TYPES, LoRAConfig, MethodConfig, ModelConfig
from lora_repro.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lora_repro.methods.checkpoint import AdapterFile
    from lora_repro.models.architectures import Architecture

FORMATS = ("peft", "loralib")


def export_main(argv: Sequence[str]) -> int:
    """Write an adapter as a folder of PEFT (lora, prefix_kv, pre_embed) or as a state dict of loralib (lora)."""
    parser = argparse.ArgumentParser(prog="lora-repro export", description=export_main.__doc__)
    parser.add_argument("adapter", type=Path, help="adapter of this suite (.safetensors)")
    parser.add_argument("--to", choices=FORMATS, required=True)
    parser.add_argument(
        "--out", type=Path, required=True, help="peft: a new folder; loralib: a new file, a pickle unless *.safetensors"
    )
    _add_model(parser, required=False, use="for prefix_kv on an encoder, whose position table goes with it: ")
    arguments = parser.parse_args(argv)
    _refuse_wrong_places(arguments.adapter, arguments.out)
    from lora_repro.methods.checkpoint import read_adapter
    from lora_repro.methods.exchange.files import write_tensors, write_whole
    from lora_repro.methods.exchange.loralib import to_loralib
    from lora_repro.methods.exchange.pairs import from_adapter
    from lora_repro.methods.exchange.peft import CONFIG, WEIGHTS, to_peft

    file = read_adapter(arguments.adapter)
    arch, out, labels = file.architecture, arguments.out, file.meta.labels
    notes: dict[str, Any] = {"task": file.meta.task, "labels": list(labels)}
    if arguments.to == "peft":
        if file.meta.method["name"] == "lora":
            config, state = to_peft(from_adapter(file), arch, file.meta)
        else:
            config, state = _virtual_tokens_to_peft(file, arguments.model, arguments.model_path)

        def write(folder: Path) -> None:
            (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            write_tensors(folder / WEIGHTS, state, notes)

        write_whole(out, write, folder=True)
        print(f"{out}: PEFT adapter for {config['base_model_name_or_path']}, {len(state)} tensors")
        if labels:
            print(f"load its backbone with num_labels={len(labels)}")
        return 0
    portable, method = from_adapter(file), file.meta.method_config()
    assert isinstance(method, LoRAConfig)  # from_adapter refuses the others
    tensors = to_loralib(portable, arch, method.alpha)
    notes |= {"alpha": method.alpha, "targets": list(method.targets)}
    write_whole(out, lambda path: write_tensors(path, tensors, notes, out.suffix == ".safetensors"), folder=False)
    print(f"{out}: state dict for loralib, {len(tensors)} tensors; load it with strict=False")
    print(f"build the layers with lora_alpha={method.alpha:g}{_enabled(method, arch)}: the state dict does not say so")
    return 0


def import_main(argv: Sequence[str]) -> int:
    """Make an adapter of this suite out of a folder of Hugging Face PEFT or a state dict of the authors' loralib."""
    parser = argparse.ArgumentParser(prog="lora-repro import", description=import_main.__doc__)
    parser.add_argument("source", type=Path, help="peft: folder with adapter_config.json; loralib: file")
    parser.add_argument("--from", choices=FORMATS, required=True, dest="format")
    _add_model(parser)
    parser.add_argument("--alpha", type=float, help="for files that do not say it")
    parser.add_argument("--targets", help="loralib's MergedLinear: the enabled projections (default: W_q,W_v for two)")
    parser.add_argument("--task", help="GLUE task of the head, names its labels (default: as exported, else unknown)")
    parser.add_argument("--out", type=Path, required=True, help="new file")
    arguments = parser.parse_args(argv)
    _refuse_wrong_places(arguments.source, arguments.out)
    model, targets = model_config(arguments.model, arguments.model_path), _targets(arguments.targets)
    from lora_repro.methods.checkpoint import AdapterMeta, entry_for, write_adapter
    from lora_repro.methods.exchange.files import read_peft, read_tensors
    from lora_repro.methods.exchange.fit import refuse_unfit, task_of_head, with_dims_of
    from lora_repro.methods.exchange.loralib import from_loralib
    from lora_repro.methods.exchange.pairs import to_adapter
    from lora_repro.methods.exchange.peft import from_peft
    from lora_repro.methods.exchange.prompts import TYPES
    from lora_repro.models.locate import fingerprint, locate

    method: MethodConfig
    if arguments.format == "peft":
        what = f"PEFT adapter {arguments.source}"
        config, foreign, notes = read_peft(arguments.source)
        arch = entry_for(model.architecture, foreign)
        if config.get("peft_type") in TYPES:
            method, state = _virtual_tokens_from_peft(config, foreign, model, arch, what)
        else:
            method, state = to_adapter(from_peft(config, foreign, arch, what, arguments.alpha), arch, what)
    else:
        what = f"loralib file {arguments.source}"
        foreign, notes = read_tensors(arguments.source)
        arch = entry_for(model.architecture, foreign)
        alpha = notes.get("alpha") if arguments.alpha is None else arguments.alpha
        portable = from_loralib(foreign, arch, what, alpha, targets or notes.get("targets"))
        method, state = to_adapter(portable, arch, what)
    task, labels, outputs = task_of_head(arguments.task, state, arch, notes, what)
    folder = locate(model).resolve()
    refuse_unfit(method, state, with_dims_of(model, folder), outputs, what)
    meta = AdapterMeta(
        asdict(method), arch.name, model.name, model.hub_id, model.revision, fingerprint(folder), task, labels
    )
    write_adapter(arguments.out, state, meta)
    print(f"{arguments.out}: {_described(method, model.name)}, task {task}")
    return 0


def merge_main(argv: Sequence[str]) -> int:
    """Take an adapter into its backbone's weights: a plain model folder of Transformers, the tokenizer with it."""
    parser = argparse.ArgumentParser(prog="lora-repro merge", description=merge_main.__doc__)
    parser.add_argument("adapter", type=Path, help="adapter of this suite (.safetensors)")
    _add_model(parser)
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    arguments = parser.parse_args(argv)
    _refuse_wrong_places(arguments.adapter, arguments.out)
    model = model_config(arguments.model, arguments.model_path)
    from lora_repro.methods.checkpoint import load_adapter
    from lora_repro.methods.exchange.files import write_whole
    from lora_repro.methods.registry import method

    adapted, meta = load_adapter(arguments.adapter, model)
    turn = method(adapted.config.name).merge
    if turn is not None:
        turn(adapted.model)
    _refuse_additions(adapted.model, adapted.config.name, arguments.adapter)
    merged: Any = adapted.model  # one of Transformers' classes
    if meta.labels:
        merged.config.id2label = dict(enumerate(meta.labels))
        merged.config.label2id = {label: number for number, label in enumerate(meta.labels)}

    def write(folder: Path) -> None:
        merged.save_pretrained(folder)
        adapted.backbone.tokenizer.save_pretrained(folder)

    write_whole(arguments.out, write, folder=True)
    print(f"{arguments.out}: {type(merged).__name__} and its tokenizer, for from_pretrained")
    return 0


def model_config(name: str, path: str | None = None) -> ModelConfig:
    """The backbone of ``--model`` and ``--model-path``: one of conf/model, or a folder with one of a known type."""
    from omegaconf import OmegaConf

    from lora_repro.models.architectures import ARCHITECTURES
    from lora_repro.overrides import choices, config_dir

    if name in choices("model"):
        values: Any = OmegaConf.to_container(OmegaConf.load(config_dir() / "model" / f"{name}.yaml"), resolve=True)
        values.pop("defaults", None)
        config = ModelConfig(**values)
        return replace(config, path=path) if path else config
    file = Path(name) / "config.json"
    if not file.is_file():
        known = choices("model")
        raise ConfigError(
            f"--model {name} is neither one of {', '.join(known)} nor a folder with config.json"
            f"{did_you_mean(name, known)}"
        )
    try:
        kind = json.loads(file.read_text(encoding="utf-8"))["model_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} does not say its model_type: {error!r}") from error
    if kind not in ARCHITECTURES:
        raise ConfigError(f"--model {name} is of type '{kind}', known are {', '.join(ARCHITECTURES)}")
    return ModelConfig(name=Path(name).resolve().name, architecture=kind, path=path or name)


def _add_model(parser: argparse.ArgumentParser, *, required: bool = True, use: str = "") -> None:
    parser.add_argument("--model", required=required, help=f"{use}backbone: a file of conf/model, or a folder")
    parser.add_argument("--model-path", help="folder with the backbone; else the hub's cache, else the hub")


def _virtual_tokens_to_peft(
    file: AdapterFile, model: str | None, path: str | None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """PEFT's configuration and tensors of a method with virtual tokens; reads the backbone where PEFT needs of it."""
    from lora_repro.methods.checkpoint import load_adapter
    from lora_repro.methods.exchange.prompts import needs_positions, position_table, row_of_zero, to_peft_prompt

    if not needs_positions(file):
        return to_peft_prompt(file)
    if model is None:
        raise ConfigError(
            f"adapter {file.path}: prefix_kv on an encoder goes to PEFT with the backbone's position table; "
            f"give the backbone, --model {file.meta.backbone}"
        )
    adapted, _ = load_adapter(file.path, model_config(model, path))
    arch, settings = adapted.backbone.architecture, cast(Any, adapted.model).config
    positions = adapted.model.get_parameter(position_table(arch)).detach()
    return to_peft_prompt(file, positions, row_of_zero(arch, settings.pad_token_id))


def _virtual_tokens_from_peft(
    config: dict[str, Any], state: dict[str, Tensor], model: ModelConfig, arch: Architecture, what: str
) -> tuple[MethodConfig, dict[str, Tensor]]:
    from lora_repro.methods.exchange.fit import with_dims_of
    from lora_repro.methods.exchange.prompts import from_peft_prompt, row_of_zero
    from lora_repro.models.dims import Dims
    from lora_repro.models.load import transformers_config
    from lora_repro.models.locate import locate

    settings = transformers_config(with_dims_of(model, locate(model).resolve()))
    return from_peft_prompt(
        config, state, arch, Dims.of(settings).layers, row_of_zero(arch, settings.pad_token_id), what
    )


def _described(method: MethodConfig, model: str) -> str:
    """An imported adapter in a few words."""
    if not isinstance(method, LoRAConfig):
        return f"{method.name} on {model}, l_p = {asdict(method)['l_p']}"
    ranks = ", ".join(f"{weight} r = {method.ranks.get(weight, method.r)}" for weight in method.targets)
    return f"LoRA on {model}, {ranks}, alpha = {method.alpha:g}"


def _targets(text: str | None) -> list[str] | None:
    if text is None:
        return None
    targets = text.strip("[]").split(",")
    unknown = [target for target in targets if target not in WEIGHT_TYPES]
    if unknown:
        raise ConfigError(f"--targets: no '{unknown[0]}', choose from {', '.join(WEIGHT_TYPES)}")
    return targets


def _refuse_wrong_places(source: Path, out: Path) -> None:
    if not source.exists():
        raise CheckpointError(f"{source} does not exist")
    if out.exists():
        raise CheckpointError(f"--out {out} exists already and is not written over; choose another name or remove it")


def _enabled(method: LoRAConfig, arch: Architecture) -> str:
    """What a MergedLinear has to be told, where there is one."""
    fused: dict[str, list[bool]] = {}
    for weight, site in arch.weights.items():
        if site.parts > 1:
            fused.setdefault(site.module, [False] * site.parts)[site.part] = weight in method.targets
    return "".join(f" and, for {module}, enable_lora={flags}" for module, flags in fused.items() if any(flags))


def _refuse_additions(model: nn.Module, name: str, adapter: Path) -> None:
    """A plain model of Transformers has no place for what some methods add."""
    from lora_repro.methods.exchange.fit import plain_names

    extra = sorted(set(model.state_dict()) - plain_names(model))
    if extra:
        raise CheckpointError(
            f"adapter {adapter} of method {name} cannot be merged: '{extra[0]}' has no place in a "
            f"{type(model).__name__}, {len(extra)} tensors in all; load it with this suite instead"
        )

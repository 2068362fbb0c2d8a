"""The console script ``lora-repro``: a verb, then its arguments.

Only what a verb needs is imported, and torch only after its arguments are known to be right.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import cast

from lora_repro import __version__
from lora_repro.errors import ConfigError, UserError

RUN_HELP = """\
usage: lora-repro run [--show-config] model=... method=... task=... [recipe=...] [setting=value ...]

One training and evaluation, from the configuration to a record. A finished run is not run again; a run that was
interrupted goes on where its last checkpoint stands.

choices:
{choices}

settings (method's: of the method that was chosen):
{settings}

options:
  --show-config  print the composed configuration and stop
  -h, --help     this text

examples:
  lora-repro run model=roberta-base method=lora task=rte recipe=official seed=0
  lora-repro run model=minilm-l6 model.path=FOLDER data.dir=FOLDER method=bitfit task=mrpc recipe=mini
  lora-repro run model=roberta-base method=lora task=cola method.r=4 'method.targets=[W_q,W_k,W_v,W_o]'
python -m lora_repro.run is the same as a Hydra application (--multirun, launchers).
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb.

    Returns:
        0, or the verb's own code; a `UserError`'s exit code after its message; 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has seen enough: lora-repro plan table2 | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        print(_usage(), file=sys.stderr)
        return 2
    verb, rest = arguments[0], arguments[1:]
    if verb in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if verb == "--version":
        print(f"lora-repro {__version__}")
        return 0
    if verb not in VERBS:
        from lora_repro.checks import did_you_mean

        raise ConfigError(f"no verb {verb!r}, choose from {', '.join(VERBS)}{did_you_mean(verb, VERBS)}")
    return VERBS[verb][1](rest)


def _run(arguments: list[str]) -> int:
    """The verb ``run``."""
    if "-h" in arguments or "--help" in arguments:
        print(_run_help())
        return 0
    flags = [word for word in arguments if word.startswith("-")]
    unknown = [flag for flag in flags if flag != "--show-config"]
    if unknown:
        raise ConfigError(
            f"run has no option {unknown[0]}: it has --show-config and --help; "
            "Hydra's own go with python -m lora_repro.run"
        )
    from lora_repro import records
    from lora_repro.compose import compose_run, to_yaml

    items = [word for word in arguments if not word.startswith("-")]
    config = compose_run(items)
    if flags:
        print(to_yaml(config), end="")
        return 0
    record = records.find(config)
    if record is None:
        importlib.import_module("lora_repro.at_hand").require(config)
        record = importlib.import_module("lora_repro.run").run(config, items)
    print(f"{records.describe(record)}\nrecord: {records.record_path(config)}")
    return 0


def _elsewhere(module: str, function: str = "main") -> Callable[[list[str]], int]:
    """A verb that is ``function(argv)`` of `module`, imported when it is asked for."""

    def verb(arguments: list[str]) -> int:
        return cast(int, getattr(importlib.import_module(module), function)(arguments))

    return verb


VERBS: dict[str, tuple[str, Callable[[list[str]], int]]] = {
    "run": ("train and evaluate one (backbone, method, task, recipe, seed)", _run),
    "glue": (
        "methods x tasks x seeds on GLUE, ending with the table",
        _elsewhere("lora_repro.studies.glue"),
    ),
    "quickstart": (
        "every method on the embedded backbones and data, in minutes, without a network",
        _elsewhere("lora_repro.studies.quickstart"),
    ),
    "study": (
        "the runs of a table or figure of the paper, here or on Slurm",
        _elsewhere("lora_repro.studies.study"),
    ),
    "plan": ("every run of a study: done, running, failed, ...", _elsewhere("lora_repro.studies.study", "plan_main")),
    "status": ("all studies, one line each", _elsewhere("lora_repro.studies.study", "status_main")),
    "wandb-sync": ("send what was tracked offline to W&B", _elsewhere("lora_repro.studies.wandb_sync")),
    "table": ("one backbone's GLUE table from finished records", _elsewhere("lora_repro.report.glue_table")),
    "tables": ("every table from finished records, the paper's beside ours", _elsewhere("lora_repro.report.tables")),
    "figures": ("every figure from finished records, SVG and PNG", _elsewhere("lora_repro.report.figures.render")),
    "claims": ("the paper's claims, decided on finished records", _elsewhere("lora_repro.report.claims.page")),
    "report": ("claims, tables, figures and runs in one HTML file", _elsewhere("lora_repro.report.page.build")),
    "notebooks": ("execute the results notebooks, keeping outputs", _elsewhere("lora_repro.report.notebooks")),
    "decode": ("write and score texts with a trained adapter", _elsewhere("lora_repro.decode")),
    "score": ("score a file of generated texts against references", _elsewhere("lora_repro.metrics.text.score_file")),
    "rescore": ("score a finished run's texts anew, into its record", _elsewhere("lora_repro.rescore")),
    "audit": ("every parameter count that the paper prints, rebuilt", _elsewhere("lora_repro.report.audit")),
    "export": ("an adapter to PEFT's or loralib's format", _elsewhere("lora_repro.exchange", "export_main")),
    "import": ("an adapter from PEFT's or loralib's format", _elsewhere("lora_repro.exchange", "import_main")),
    "merge": ("an adapter into its backbone: a plain model folder", _elsewhere("lora_repro.exchange", "merge_main")),
    "analyse": ("section 7, latency, memory, task switching", _elsewhere("lora_repro.analyse")),
    "params": ("trainable parameters per method and backbone", _elsewhere("lora_repro.report.parameters")),
}


def _usage() -> str:
    verbs = "\n".join(f"  {name:12}{text}" for name, (text, _) in VERBS.items())
    return (
        "usage: lora-repro VERB ...\n\n"
        "Reproduce LoRA: Low-Rank Adaptation of Large Language Models (arXiv:2106.09685v2).\n\n"
        f"verbs:\n{verbs}\n\n"
        "lora-repro VERB --help explains a verb; lora-repro --version"
    )


def _run_help() -> str:
    from lora_repro.config import RunConfig
    from lora_repro.overrides import GROUPS, METHODS, choices, section

    lines = []
    for field in fields(RunConfig):
        node = section(field.name)
        if field.name == "method":
            lines += [
                f"  {'method.':10}{', '.join(own[1:])}  (method={name})"
                for name, own in ((name, [f.name for f in fields(node)]) for name, node in METHODS.items())
                if own[1:]
            ]
        elif is_dataclass(node):
            lines.append(f"  {field.name + '.':10}{', '.join(inner.name for inner in fields(node))}")
    single = [field.name for field in fields(RunConfig) if not is_dataclass(section(field.name))]
    lines.append(f"  {'':10}{', '.join(single)}")
    return RUN_HELP.format(
        choices="\n".join(f"  {group:10}{', '.join(choices(group))}" for group in GROUPS), settings="\n".join(lines)
    ).rstrip()


if __name__ == "__main__":
    sys.exit(main())

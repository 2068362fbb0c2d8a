"""Does the embedded backbones' pre-training pay? Real data, LoRA, one recipe: pre-trained against random weights.

    python experiments/pretraining_pays.py data.dir=DATA               # 18 runs; 1.5 to 2 hours of one core
    python experiments/pretraining_pays.py --tasks sst2 data.dir=DATA

DATA holds GLUE in the layout of the official zip (of MNLI a part with 8,000 training examples is enough), and E2E. Each
backbone is trained with LoRA as its mini recipe has it, with three seeds, on a part of SST-2 and of MNLI (roberta-mini)
and on 5,000 pairs of E2E (gpt2-mini); then the same from the same architecture and vocabulary with weights as
Transformers initialises them. Killed at any moment, the same command goes on. Writes results/pretraining/pays.*;
the records stand beside them.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_repro import records
from lora_repro.compose import compose_run
from lora_repro.config import RunConfig
from lora_repro.overrides import override
from lora_repro.records import Record
from lora_repro.report.layout import Table
from lora_repro.report.made import machines
from lora_repro.report.scores import Metric, score
from lora_repro.studies.plan import listed
from lora_repro.studies.quickstart import CACHE, carry_out, jobs, stay_here

SEEDS = (0, 1, 2)
FOLDER = Path("results/pretraining")
RUNS = Path("runs/pretraining-pays")
MINIS = Path(__file__).parents[1] / "lora_repro" / "minis"


RATES = ("recipe.lr=2e-3", "recipe.head_lr=1e-3")  # roberta-mini's, from before its rates were searched


@dataclass(frozen=True)
class Trial:
    """One task on one backbone."""

    model: str
    task: str
    settings: tuple[str, ...]
    title: str


TRIALS = (
    Trial("roberta-mini", "sst2", ("task.train_examples=8000", "recipe.epochs=2", "recipe.max_length=64",
                                   *RATES),
          "SST-2 (accuracy), 8,000 training examples, 2 epochs"),
    Trial("roberta-mini", "mnli", ("task.train_examples=8000", "task.eval_examples=1000", "recipe.epochs=2",
                                   "recipe.max_length=128", *RATES),
          "MNLI (accuracy), 8,000 training and 2 x 1,000 development examples, 2 epochs"),
    Trial("gpt2-mini", "e2e", ("task.train_examples=5000", "task.validation_examples=500", "recipe.epochs=1",
                               "recipe.beams=4", "recipe.max_length=192", "recipe.max_new_tokens=80"),
          "E2E (BLEU), 5,000 training pairs, 1 epoch, 4 beams, the whole test set"),
)  # fmt: skip


def random_weights(model: str) -> Path:
    """A folder with `model`'s configuration and tokenizer and fresh weights; written once.

    Returns:
        Its place.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    folder = RUNS / f"{model}-random"
    if not (folder / "model.safetensors").exists():
        config = AutoConfig.from_pretrained(MINIS / model)
        torch.manual_seed(0)
        maker = AutoModelForCausalLM if config.model_type == "gpt2" else AutoModelForMaskedLM
        AutoTokenizer.from_pretrained(MINIS / model).save_pretrained(folder)
        maker.from_config(config).save_pretrained(folder)
    return folder


def plan(tasks: Sequence[str], settings: Sequence[str]) -> list[tuple[Trial, str, list[str], RunConfig]]:
    """All runs: trial, ``"pre-trained"`` or ``"random"``, items, configuration."""
    found = []
    for trial in TRIALS:
        if trial.task not in tasks:
            continue
        starts: dict[str, list[str]] = {
            "pre-trained": [],
            "random": [override("model.path", str(random_weights(trial.model)))],
        }
        for start, path in starts.items():
            for seed in SEEDS:
                items = [
                    f"model={trial.model}", "method=lora", f"task={trial.task}", "recipe=mini", f"seed={seed}",
                    "data.sources=[local]", *trial.settings, *path, override("data.cache", str(CACHE / "encodings")),
                    override("records", str(FOLDER / "records" / start)), override("runs", str(RUNS / start)),
                    f"study=pretraining-pays-{start}", *settings,
                ]  # fmt: skip
                found.append((trial, start, items, compose_run(items)))
    return found


def table(runs: Sequence[tuple[Trial, str, list[str], RunConfig]]) -> Table:
    """A row a task: constant answer, random weights, pre-trained."""
    rows = []
    made: list[Record] = []
    for trial in dict.fromkeys(trial for trial, *_ in runs):
        cells: dict[str, list[Record]] = {"random": [], "pre-trained": []}
        for own, start, _, config in runs:
            record = records.find(config)
            if own == trial and record is not None:
                cells[start].append(record)
                made.append(record)
        scores = {start: score(cell, Metric(trial.task, trial.task)) for start, cell in cells.items() if cell}
        baseline = next((f"{100 * cell[0].baseline:.1f}" for cell in cells.values() if cell), "--")
        shown = [found.format() if (found := scores.get(start)) else f"-- (0/{len(SEEDS)})" for start in cells]
        rows.append([trial.model, trial.title, baseline, *shown])
    notes = [
        f"Real data. LoRA as each backbone's mini recipe has it (roberta-mini: {' '.join(RATES)}), the same for both "
        "columns; best epoch on the development set (E2E: last epoch, test set); ± standard deviation over seeds, (n) "
        "runs.",
        "Random weights: same architecture, vocabulary and head, as Transformers initialises them; LoRA trains the "
        "same parameters.",
        *([machines(made)] if made else []),
    ]
    columns = ["Backbone", "Task", "Constant answer", "Random weights", "Pre-trained"]
    return Table("Pre-training pays", notes, columns, rows, frozenset())


def main() -> int:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=" ".join(trial.task for trial in TRIALS), help='default: "%(default)s"')
    parser.add_argument("--jobs", type=int, default=jobs(), help="processes side by side (default: %(default)s)")
    parser.add_argument("settings", nargs="*", help="for every run: data.dir=FOLDER")
    arguments = parser.parse_intermixed_args()
    stay_here(CACHE)
    wanted_tasks = arguments.tasks.replace(",", " ").split()
    runs = plan(wanted_tasks, arguments.settings)
    code = 0
    for start in dict.fromkeys(start for _, start, *_ in runs):  # each has its own store: the places are the same
        chosen = [(items, config) for _, of, items, config in runs if of == start]
        wanted = listed(f"pretraining-pays-{start}", f"{start} weights", chosen)
        code |= carry_out(wanted, [config for _, config in chosen], arguments.jobs, RUNS / "logs" / start)
    shown = table(runs)
    shown.save(FOLDER / "pays")
    print(shown.markdown())
    return code


if __name__ == "__main__":
    sys.exit(main())

r"""How fast the suite trains, beside Hugging Face Trainer with PEFT and beside loralib in a plain loop.

    python experiments/bench_training.py --model MINILM --data GLUE                 # make bench
    python experiments/bench_training.py --model MINILM --data GLUE --size roberta-base --steps 20 --sweep 0
    python experiments/bench_training.py --model MINILM --data GLUE --task rte --epochs 3 --repeats 5 --sweep 0 \
        --profile-steps 0 --contenders trainer-tuned ours                      # the same metric? a seed a repetition

Same backbone, data, batch size, number of steps, optimiser and threads (`bench_contenders.py` says what each contender
does); each measurement in a process of its own, the contenders in turn, so that a machine that slows down slows all.
Before that a sweep of six short runs end to end: one `lora-repro glue` against six processes of `trainer-tuned`.

``--size`` measures a BERT with the width and depth of another entry of conf/model and random weights: a step takes as
long, its metric says nothing. Writes results/bench/training.{md,csv,tex} and the single measurements, training.json,
and profile.{md,csv,tex}: where a step's time goes, in the tuned Trainer, in a plain loop and here. With ``--size`` all
end in ``_SIZE``, with ``--epochs`` in ``_TASK_EPOCHS``.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from bench_contenders import ALPHA, BATCH, CLIP, CONTENDERS, DECAY, LR, PROFILED, WARM, WARMUP, Measured, R

from lora_repro.records import write_atomically
from lora_repro.report.layout import Table

HERE = Path(__file__).parent
TUNED = "trainer-tuned"
PROFILES = (TUNED, "loralib", "ours")  # the plain loop is what ours is without its pieces


def parser() -> argparse.ArgumentParser:
    """The program's arguments."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--model", type=Path, required=True, help="folder of a BERT-type encoder")
    built.add_argument("--config", default="minilm-l6", help="its entry in conf/model (default: %(default)s)")
    built.add_argument("--size", help="an entry of conf/model: its width and depth, random weights")
    built.add_argument("--data", type=Path, required=True, help="folder with GLUE in the layout of the official zip")
    built.add_argument("--task", default="mrpc")
    built.add_argument("--steps", type=int, default=60, help="of each measurement (default: %(default)s)")
    built.add_argument("--epochs", type=int, help="of all training examples, instead of --steps: what the runs reach")
    built.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    built.add_argument("--repeats", type=int, default=3, help="of each contender (default: %(default)s)")
    built.add_argument("--sweep", type=int, default=6, help="runs of the sweep; 0 leaves it out (default: %(default)s)")
    built.add_argument("--sweep-steps", type=int, default=20, help="steps of each of its runs (default: %(default)s)")
    built.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes of a sweep (default: %(default)s)")
    built.add_argument("--threads", type=int, default=1, help="of each process (default: %(default)s)")
    built.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: one GPU (default: %(default)s)")
    built.add_argument("--profile-steps", type=int, default=20, help="0: no profile (default: %(default)s)")
    built.add_argument("--out", type=Path, default=Path("results/bench"))
    return built


def main() -> int:
    """Measure, print, write."""
    options = parser().parse_args()
    if 0 < options.profile_steps < WARM + PROFILED:
        parser().error(f"--profile-steps {options.profile_steps}: a profile takes {WARM + PROFILED} steps; 0: none")
    if min(options.steps, options.sweep_steps) < 2:
        parser().error("--steps and --sweep-steps are 2 at least: the first step is left out of the rate")
    with tempfile.TemporaryDirectory() as folder:
        if options.size:
            options.model = of_size(options.model, options.size, Path(folder))
        names = [options.size, f"{options.task}_{options.epochs}" if options.epochs else None]
        benchmark(options, "".join(f"_{name}" for name in names if name))
    return 0


def benchmark(options: argparse.Namespace, ending: str) -> None:
    """Measure all, print and write; the files' names have the ending."""
    sweeps: dict[str, float] = {}
    if options.sweep:  # first: where something is amiss it shows at once
        sweeps = {"ours": timed(lambda: sweep_of_ours(options)), TUNED: timed(lambda: sweep_of_processes(options))}
        told = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in sweeps.items())
        print(f"sweep of {options.sweep}: {told}", flush=True)
    peaks = machine_peaks(options.threads, options.device)
    found: list[Measured] = []
    for repeat in range(options.repeats):
        for contender in options.contenders:
            found.append(measure(options, contender, options.steps, seed=repeat, epochs=options.epochs))
            own = found[-1]
            print(
                f"{repeat + 1}/{options.repeats} {contender}: {own.tokens_per_second:,.0f} tokens/s, "
                f"first step after {own.first_step_seconds:.1f} s, {options.task} {100 * own.metric:.1f}",
                flush=True,
            )
            everything = {"peaks": peaks, "sweeps": sweeps, "measured": [asdict(own) for own in found]}
            single = (json.dumps(everything, indent=1) + "\n").encode()
            write_atomically(options.out / f"training{ending}.json", single)  # each as it comes: nothing is lost
    shown = table(options, found, peaks, sweeps)
    print(shown.markdown())
    shown.save(options.out / f"training{ending}")
    if options.profile_steps:
        profiles = profile_table(options)
        print(profiles.markdown())
        profiles.save(options.out / f"profile{ending}")


def of_size(tokenizer: Path, entry: str, into: Path) -> Path:
    """A folder with a BERT of the entry's width and depth, random weights, and the tokenizer's vocabulary.

    Raises:
        ConfigError: no such entry.
    """
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    from lora_repro.exchange import model_config

    dims = model_config(entry).dims
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    words = AutoTokenizer.from_pretrained(tokenizer)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(words), **{name: dims[name] for name in names})).save_pretrained(into)
    words.save_pretrained(into)
    return into


def measure(
    options: argparse.Namespace, contender: str, steps: int, seed: int, *, epochs: int | None = None, profile: str = ""
) -> Measured:
    """One contender in a fresh process: so many steps, or epochs; `profile` names the file that gets its profile.

    Raises:
        subprocess.CalledProcessError: it failed; its output has been shown.
    """
    command = [
        sys.executable, str(HERE / "bench_contenders.py"), contender, "--model", str(options.model), "--config",
        options.config, "--data", str(options.data), "--task", options.task, "--steps", str(steps), "--seed", str(seed),
        "--threads", str(options.threads), *(["--epochs", str(epochs)] if epochs else []),
        "--device", options.device, "--started", repr(time.time()), *(["--profile", profile] if profile else []),
    ]  # fmt: skip
    done = subprocess.run(command, env=environment(options.threads), stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def environment(threads: int) -> dict[str, str]:
    """Threads as asked for, in every library; one GPU; no network."""
    return os.environ | {
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0"),  # Trainer would take all of them
        "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }  # fmt: skip


def machine_peaks(threads: int, device: str) -> dict[str, float]:
    """Operations per second of a large matrix product here, by precision."""
    import torch

    from lora_repro.pretraining.measure import matmul_peak

    torch.set_num_threads(threads)
    size = 8192 if device == "cuda" else 1024
    return {
        "fp32": matmul_peak(size, device=device),
        "bf16": matmul_peak(size, dtype=torch.bfloat16, device=device),
    }


def timed(work: Callable[[], None]) -> float:
    """Seconds."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def sweep_of_processes(options: argparse.Namespace) -> None:
    """Short runs of the tuned Trainer, a process each, so many at a time."""
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda seed: measure(options, TUNED, options.sweep_steps, seed), range(options.sweep)))


def sweep_of_ours(options: argparse.Namespace) -> None:
    """The same runs by one command."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "lora_repro.cli", "glue", "--model", options.config, "--model-path",
            str(options.model), "--data", str(options.data), "--tasks", options.task, "--methods", "lora", "--seeds",
            " ".join(map(str, range(options.sweep))), "--recipe", "custom", "--records", f"{folder}/records", "--jobs",
            str(options.jobs), f"runs={folder}/runs", f"data.cache={folder}/cache", "recipe.epochs=1",
            f"task.train_examples={options.sweep_steps * BATCH}", f"recipe.batch_size={BATCH}", f"recipe.lr={LR}",
            f"recipe.warmup_ratio={WARMUP}", f"recipe.weight_decay={DECAY}", f"recipe.max_grad_norm={CLIP}",
            "recipe.max_length=128", f"method.r={R}", f"method.alpha={ALPHA}", "method.dropout=0.0",
            "method.targets=[W_q,W_v]", f"threads={options.threads}", f"device={options.device}",
        ]  # fmt: skip
        subprocess.run(command, env=environment(options.threads), check=True, stdout=subprocess.DEVNULL)


def table(
    options: argparse.Namespace, found: Sequence[Measured], peaks: dict[str, float], sweeps: dict[str, float]
) -> Table:
    """Medians over the repetitions, with the range of the rate."""
    import torch

    from lora_repro.environment import checkout, machine

    by_name = {name: [own for own in found if own.contender == name] for name in options.contenders}
    middle = {name: _medians(own) for name, own in by_name.items()}
    tuned = middle[TUNED]["tokens_per_second"] if TUNED in middle else math.nan
    operations = 4 * block_parameters(options.model)
    rows = []
    for name, own in middle.items():
        rates = [each.tokens_per_second for each in by_name[name]]
        precision = by_name[name][0].precision
        rows.append([
            name, precision, f"{own['tokens_per_second']:,.0f} ({min(rates):,.0f} to {max(rates):,.0f})",
            f"{own['tokens_per_second'] / tuned:.2f}", f"{own['seconds_per_step']:.3f}",
            f"{own['tokens_per_second'] * operations / peaks[precision]:.0%}", f"{own['first_step_seconds']:.1f}",
            f"{own['eval_seconds']:.1f}", f"{own['peak_memory_bytes'] / 2**20:,.0f}", f"{own['loss']:.3f}",
            _spread([100 * each.metric for each in by_name[name]]), f"{sweeps[name]:.0f}" if name in sweeps else "",
        ])  # fmt: skip
    commit, dirty = checkout()
    amount = f"{options.epochs} epochs of all training examples" if options.epochs else f"{options.steps} steps"
    notes = [
        f"LoRA r = {R} on W_q and W_v of {of_what(options)}, {options.task}, batch {BATCH}, {amount}; "
        f"medians of {options.repeats} processes each, in turn; threads of each: {options.threads}.",
        f"{machine(torch.device(options.device))}; matrix products reach {peaks['fp32'] / 1e9:,.0f} GFLOP/s in fp32 "
        f"and {peaks['bf16'] / 1e9:,.0f} in bf16. Share of the peak: 4 operations a token and parameter of the blocks.",
        "Real tokens, without padding; the first step is left out of the rate."
        + " Ours evaluates after every epoch, in that time." * bool(options.epochs),
        *(
            [f"Sweep: {options.sweep} runs of {options.sweep_steps} steps, end to end, {options.jobs} processes."]
            if sweeps
            else []
        ),
        f"{options.task}: mean ± standard deviation over seeds, on the development set after the last step.",
        f"PyTorch {torch.__version__}; commit {commit[:10]}{', with changes' * dirty}; {time.strftime('%Y-%m-%d')}.",
    ]
    columns = [
        "Contender", "Precision", "Tokens/s (range)", "Over tuned", "s/step", "Of peak", "First step (s)",
        "Evaluation (s)", "Peak memory (MiB)", "Loss", options.task, "Sweep (s)",
    ]  # fmt: skip
    return Table("Training speed beside Hugging Face Trainer and PEFT", notes, columns, rows, frozenset())


def of_what(options: argparse.Namespace) -> str:
    """The backbone in words."""
    return f"a BERT of {options.size}'s size, random weights" if options.size else str(options.config)


def profile_table(options: argparse.Namespace) -> Table:
    """Milliseconds of each operation by 1,000 real tokens, in `PROFILES`: 1 % of any at least."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for contender in PROFILES:
            file = f"{folder}/{contender}.json"
            measure(options, contender, options.profile_steps, 0, profile=file)
            found[contender] = json.loads(Path(file).read_text("utf-8"))
    totals = {contender: sum(own.values()) for contender, own in found.items()}
    names = sorted(set().union(*found.values()), key=lambda name: -max(own.get(name, 0.0) for own in found.values()))
    rows = [
        [name, *(f"{own[name]:.2f}" if name in own else "" for own in found.values())]
        for name in names
        if any(own.get(name, 0.0) >= 0.01 * totals[contender] for contender, own in found.items())
    ]
    rows.append(["all operations", *(f"{total:.1f}" for total in totals.values())])
    notes = [
        "Milliseconds of each operation itself by 1,000 real tokens, by PyTorch's profiler (which costs time itself), "
        f"{PROFILED} steps after {WARM}; settings and machine as in training.md. Operations of 1 % at least.",
        "Names are PyTorch's; addmm, mm and bmm are the matrix products.",
    ]
    return Table("Where a training step's time goes", notes, ["Operation", *found], rows, frozenset())


def block_parameters(folder: Path) -> int:
    """Of the encoder's blocks: what a token passes through."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    width, inner = config["hidden_size"], config["intermediate_size"]
    return int(config["num_hidden_layers"] * (4 * width * width + 2 * width * inner))


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.1f}" + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")


def _medians(own: Sequence[Measured]) -> dict[str, float]:
    names = [f.name for f in fields(Measured) if f.name not in ("contender", "precision")]
    return {name: statistics.median(getattr(each, name) for each in own) for name in names}


if __name__ == "__main__":
    sys.exit(main())

"""One contender of the training benchmark, in a process of its own: trains, evaluates, prints one line of JSON.

    python experiments/bench_contenders.py trainer-tuned --model MINILM --data GLUE --task mrpc --steps 60 --seed 0

All contenders train LoRA r = 8, alpha = 16 on W_q and W_v of a BERT-type encoder, head and pooler with it, on the same
data with the same number of steps, batch size, AdamW, learning rate, warm-up, decay, clipping and dropout. Which
examples the steps see, in which order, is each one's own.

- `trainer-plain`: Hugging Face Trainer with PEFT as its examples run it: fp32, padded to the maximum length.
- `trainer-tuned`: the same in bf16 where the machine has it, grouped by length, padded to the longest of the batch.
- `loralib`: the authors' layers in a plain loop with dynamic padding, fp32.
- `ours`: `lora-repro run`, one epoch of as many examples as the steps take: it puts texts of like length together among
  those alone, so with few steps it pads more than in use, and 50 steps (its pool) or more are fair to it.

With `--profile FILE` some steps run under PyTorch's profiler, and FILE gets the milliseconds of each operation by 1,000
real tokens: the contenders' batches of one step are not equally long.
"""

import argparse
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BATCH, R, ALPHA, LR, WARMUP, DECAY, CLIP = 32, 8, 16, 1e-3, 0.06, 0.01, 1.0
EVAL_BATCH = 64
WARM, PROFILED = 4, 12  # steps before the profile, and of it


@dataclass
class Measured:
    """What a contender prints. Rates leave the first step out: it builds kernels."""

    contender: str
    precision: str
    first_step_seconds: float  # from the start of the process to the end of the first optimiser step
    seconds_per_step: float
    tokens_per_second: float  # real ones, without padding
    loss: float  # training loss, mean of the last quarter of the steps
    metric: float  # the task's headline metric on the development set
    eval_seconds: float
    peak_memory_bytes: int


@dataclass
class Clock:
    """Notes the time after every optimiser step of the process, whoever takes it."""

    started: float
    device: str = "cpu"  # or cuda: a step has ended when the device has done it
    steps: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)  # real ones of each batch, in the order of the steps
    losses: list[float] = field(default_factory=list)

    def watch(self, profile: Path | None = None) -> None:
        """From now on; the profile is of `PROFILED` steps after the first `WARM`."""
        import torch
        from torch.optim.optimizer import register_optimizer_step_post_hook
        from torch.profiler import ProfilerActivity
        from torch.profiler import profile as profiler

        gpu = self.device == "cuda"
        watched = profiler(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])])

        def note(*_: object) -> None:
            if gpu:
                torch.cuda.synchronize()
            self.steps.append(time.time())
            if profile is None:
                return
            if len(self.steps) == WARM:
                watched.start()
            elif len(self.steps) == WARM + PROFILED:
                watched.stop()
                tokens = sum(self.tokens[WARM : WARM + PROFILED])  # microseconds by one are milliseconds by 1,000
                own = {
                    event.key: (event.self_device_time_total if gpu else event.self_cpu_time_total) / tokens
                    for event in watched.key_averages()
                }
                profile.write_text(json.dumps(own), encoding="utf-8")

        register_optimizer_step_post_hook(note)

    def measured(self, contender: str, precision: str, metric: float, eval_seconds: float) -> Measured:
        """After training and evaluation."""
        import torch

        from lora_repro import environment

        count = len(self.steps)
        seconds = self.steps[-1] - self.steps[0]
        last = self.losses[-max(1, len(self.losses) // 4) :]
        return Measured(
            contender, precision, self.steps[0] - self.started, seconds / (count - 1),
            sum(self.tokens[1:count]) / seconds, sum(last) / len(last), metric, eval_seconds,
            environment.peak_memory(torch.device(self.device)),
        )  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """What every contender is told."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("contender", choices=CONTENDERS)
    built.add_argument("--model", type=Path, required=True, help="folder of a BERT-type encoder")
    built.add_argument("--config", default="minilm-l6", help="its entry in conf/model (default: %(default)s)")
    built.add_argument("--data", type=Path, required=True, help="folder with GLUE in the layout of the official zip")
    built.add_argument("--task", default="mrpc")
    built.add_argument("--steps", type=int, default=60)
    built.add_argument("--epochs", type=int, help="train so many of all training examples instead of --steps")
    built.add_argument("--max-length", type=int, default=128)
    built.add_argument("--seed", type=int, default=0)
    built.add_argument("--threads", type=int, default=1)
    built.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    built.add_argument("--profile", type=Path, help="file for the profile; takes 16 steps at least")
    built.add_argument("--started", type=float, help="when the process was started, in seconds since the epoch")
    return built


@dataclass(frozen=True)
class Examples:
    """A split as Trainer wants it: a list of encoded examples without padding."""

    items: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.items[index]


def read(options: argparse.Namespace, tokenizer: Any) -> dict[str, Examples]:
    """All training examples, and the development set; read by the suite, encoded as a script would.

    All, however few the steps: Trainer groups by length within a quarter of what it is given, and pads more of less.
    Where --epochs was given, --steps becomes what they take.
    """
    from lora_repro.config import DataConfig
    from lora_repro.tasks.glue import GLUE
    from lora_repro.tasks.load import load_split

    task, place = GLUE[options.task], DataConfig(dir=str(options.data), sources=["local"])
    found = {}
    for split in ("train", task.eval_splits[0]):
        texts = load_split(task, split, place)
        encoded = tokenizer(texts.text_a, texts.text_b, truncation=True, max_length=options.max_length)
        items = [dict(zip(encoded, values, strict=True)) for values in zip(*encoded.values(), strict=True)]
        found["train" if split == "train" else "dev"] = Examples(
            [{**item, "labels": int(label)} for item, label in zip(items, texts.labels, strict=True)]
        )
    if options.epochs:
        options.steps = options.epochs * math.ceil(len(found["train"]) / BATCH)
    return found


def trainer(options: argparse.Namespace, clock: Clock, *, tuned: bool) -> Measured:
    """Hugging Face Trainer with PEFT."""
    import torch
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )  # fmt: skip

    from lora_repro.training.precision import resolve

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    data = read(options, tokenizer)
    base = AutoModelForSequenceClassification.from_pretrained(options.model, num_labels=2, dtype=torch.float32)
    adapter = LoraConfig(
        task_type=TaskType.SEQ_CLS, r=R, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=["query", "value"],
        modules_to_save=["classifier", "pooler"],
    )  # fmt: skip
    model = get_peft_model(base, adapter)
    precision = resolve("auto", torch.device(options.device)) if tuned else "fp32"
    pad: dict[str, Any] = {"padding": True} if tuned else {"padding": "max_length", "max_length": options.max_length}
    collate = DataCollatorWithPadding(tokenizer, **pad)

    def counted(items: list[dict[str, Any]]) -> Any:
        batch = collate(items)
        clock.tokens.append(int(batch["attention_mask"].sum()))
        return batch

    class Losses(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if logs and "loss" in logs:
                clock.losses.append(float(logs["loss"]))

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=BATCH, per_device_eval_batch_size=EVAL_BATCH,
            max_steps=options.steps, learning_rate=LR, warmup_steps=math.ceil(WARMUP * options.steps),
            weight_decay=DECAY, max_grad_norm=CLIP, lr_scheduler_type="linear", bf16=precision == "bf16",
            train_sampling_strategy="group_by_length" if tuned else "random", seed=options.seed,
            use_cpu=options.device == "cpu",
            save_strategy="no", eval_strategy="no", logging_steps=max(1, options.steps // 20), report_to=[],
            disable_tqdm=True, dataloader_pin_memory=False,
        )  # fmt: skip
        run = Trainer(
            model=model, args=arguments, train_dataset=data["train"], eval_dataset=data["dev"],
            data_collator=counted, processing_class=tokenizer, callbacks=[Losses()],
        )  # fmt: skip
        clock.watch(options.profile)
        run.train()
        began = time.time()
        predicted = run.predict(data["dev"])
        took = time.time() - began
    metric = score(options.task, predicted.predictions.argmax(-1).tolist(), predicted.label_ids.tolist())
    return clock.measured(options.contender, precision, metric, took)


def plain_loop(options: argparse.Namespace, clock: Clock) -> Measured:
    """loralib's layers, PyTorch's AdamW, a for loop."""
    import loralib
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding
    from transformers import get_linear_schedule_with_warmup as schedule_of

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    data = read(options, tokenizer)
    collate = DataCollatorWithPadding(tokenizer)
    model = AutoModelForSequenceClassification.from_pretrained(options.model, num_labels=2, dtype=torch.float32)
    for layer in model.bert.encoder.layer:
        own = layer.attention.self
        for name in ("query", "value"):
            old = getattr(own, name)
            new = loralib.Linear(old.in_features, old.out_features, r=R, lora_alpha=ALPHA)
            new.load_state_dict(old.state_dict(), strict=False)
            setattr(own, name, new)
    loralib.mark_only_lora_as_trainable(model)
    for module in (model.bert.pooler, model.classifier):
        module.requires_grad_(True)
    model.to(options.device)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trainable, LR, weight_decay=DECAY)
    schedule = schedule_of(optimiser, math.ceil(WARMUP * options.steps), options.steps)
    clock.watch(options.profile)
    model.train()
    for batch in itertools.islice(_batches(data["train"]), options.steps):
        tensors = collate(batch).to(options.device)
        clock.tokens.append(int(tensors["attention_mask"].sum()))
        loss = model(**tensors).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, CLIP)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        clock.losses.append(loss.item())
    began = time.time()
    model.eval()
    answers: list[int] = []
    with torch.inference_mode():
        for start in range(0, len(data["dev"]), EVAL_BATCH):
            tensors = collate(data["dev"].items[start : start + EVAL_BATCH]).to(options.device)
            answers += model(**tensors).logits.argmax(-1).tolist()
    took = time.time() - began
    metric = score(options.task, answers, [item["labels"] for item in data["dev"].items])
    return clock.measured(options.contender, "fp32", metric, took)


def ours(options: argparse.Namespace, clock: Clock) -> Measured:
    """The suite. Between epochs it evaluates, as it always does; that time is in its rate."""
    import torch

    from lora_repro.compose import compose_run

    amount = [f"recipe.epochs={options.epochs or 1}"]
    if not options.epochs:
        amount.append(f"task.train_examples={options.steps * BATCH}")
    with tempfile.TemporaryDirectory() as folder:
        config = compose_run([
            f"model={options.config}", "method=lora", f"task={options.task}", "recipe=custom", "data.sources=[local]",
            f"model.path={options.model}", f"data.dir={options.data}", f"data.cache={folder}/cache",
            f"records={folder}/records", f"runs={folder}/runs", f"seed={options.seed}", f"threads={options.threads}",
            *amount, f"recipe.batch_size={BATCH}", f"recipe.lr={LR}", f"recipe.warmup_ratio={WARMUP}",
            f"recipe.weight_decay={DECAY}",
            f"recipe.max_grad_norm={CLIP}", f"recipe.max_length={options.max_length}", f"method.r={R}",
            f"method.alpha={ALPHA}", "method.dropout=0.0", "method.targets=[W_q,W_v]",
            f"device={options.device}",
        ])  # fmt: skip
        from lora_repro.run import run
        from lora_repro.training.problem import SequenceClassification

        collate, loss = SequenceClassification.collate, SequenceClassification.loss

        def counted(self: Any, data: Any, batch: Any) -> Any:
            tensors = collate(self, data, batch)
            if torch.is_grad_enabled():  # not of the evaluation after an epoch
                clock.tokens.append(int(tensors["attention_mask"].sum()))
            return tensors

        def noted(self: Any, model: Any, tensors: Any) -> Any:
            total = loss(self, model, tensors)
            clock.losses.append(total.item() / len(tensors["labels"]))
            return total

        SequenceClassification.collate, SequenceClassification.loss = counted, noted  # type: ignore[method-assign]
        clock.watch(options.profile)
        record = run(config)
    metric = record.last.headline  # as the others, who evaluate once
    assert metric is not None
    each = record.cost.eval_seconds / len(record.epochs)
    return clock.measured(options.contender, record.environment.precision, metric, each)


def _batches(data: Examples) -> Iterator[list[dict[str, Any]]]:
    """Random batches, epoch after epoch."""
    import torch

    while True:
        order = torch.randperm(len(data)).tolist()
        for start in range(0, len(order), BATCH):
            yield [data[i] for i in order[start : start + BATCH]]


def score(task: str, predictions: Sequence[int], labels: Sequence[int]) -> float:
    """The headline metric, as the suite computes it."""
    import numpy as np

    from lora_repro.metrics import glue_scores
    from lora_repro.tasks.glue import GLUE

    return glue_scores(GLUE[task], np.array(predictions), np.array(labels))[GLUE[task].headline]


CONTENDERS = {
    "trainer-plain": lambda options, clock: trainer(options, clock, tuned=False),
    "trainer-tuned": lambda options, clock: trainer(options, clock, tuned=True),
    "loralib": plain_loop,
    "ours": ours,
}


def main() -> int:
    """Run one contender."""
    started = time.time()
    options = parser().parse_args()
    print(json.dumps(asdict(CONTENDERS[options.contender](options, Clock(options.started or started, options.device)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Pre-train the embedded backbones roberta-mini and gpt2-mini on a folder of text.

    python experiments/pretrain_mini.py roberta --corpus CORPUS --evaluation DATA --steps 3000
    python experiments/pretrain_mini.py gpt2    --corpus CORPUS --evaluation DATA --steps 6000

CORPUS holds *.txt or *.txt.xz, one paragraph a line, empty lines between documents, and one heldout.txt[.xz]; DATA is
the folder of the evaluation sets, so that no paragraph that they share is trained on. Killed at any moment, the same
command goes on. Writes, under --out (default lora_repro/minis), the backbone as a Transformers folder (fp16
safetensors, model card) and, under --log (default results/pretraining), the settings, the log and the loss curve.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lora_repro import environment
from lora_repro.errors import UserError
from lora_repro.pretraining import card
from lora_repro.pretraining.blocks import pack
from lora_repro.pretraining.loop import Plan, pretrain
from lora_repro.pretraining.measure import Heldout, heldout, matmul_peak, token_bytes
from lora_repro.pretraining.objective import Objective, Shape, build, made_ready, start_positions_as_sinusoids
from lora_repro.pretraining.text import read_corpus
from lora_repro.pretraining.vocabulary import train_tokenizer
from lora_repro.training.checkpoint import Saver
from lora_repro.training.precision import resolve

LIMIT = 16_000_000  # bytes of the published weight file


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, pre-train, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["roberta", "gpt2"])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, help="data sets whose texts must not be trained on")
    parser.add_argument("--licences", default="", help="of the text: one sentence for the model card")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, default=32, help="blocks of 128 tokens a step")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--share", type=float, default=0.3, help="of the tokens masked (roberta)")
    parser.add_argument("--causal", type=float, default=0.4, help="share of the steps that begin causally (roberta)")
    parser.add_argument("--optimiser", choices=["muon", "adamw"], default="muon")
    parser.add_argument("--work", type=Path, default=Path("runs/pretraining"), help="cache and resumable state")
    parser.add_argument("--out", type=Path, default=Path("lora_repro/minis"))
    parser.add_argument("--log", type=Path, default=Path("results/pretraining"))
    parser.add_argument("--publish", action="store_true", help="write the backbone from the saved state, do not train")
    options = parser.parse_args(arguments)
    try:
        run(options)
    except UserError as error:
        parser.exit(error.exit_code, f"error: {error}\n")


def run(options: argparse.Namespace) -> None:
    """Corpus -> vocabulary -> blocks -> training -> backbone folder."""
    kind, shape = options.kind, Shape()
    name = f"{kind}-mini"
    work, log = options.work / name, options.log / f"{name}.jsonl"
    work.mkdir(parents=True, exist_ok=True)
    options.log.mkdir(parents=True, exist_ok=True)
    tokenizer, blocks, aside, text = prepared(options, shape, work)

    muon = options.optimiser == "muon"
    plan = Plan(steps=options.steps, batch=options.batch, lr=options.lr, causal=options.causal, muon=muon)
    precision = resolve("auto", torch.device("cpu"))
    model = made_ready(build(kind, shape, plan.seed))
    start_positions_as_sinusoids(model)
    mask_id = tokenizer.mask_token_id if kind == "roberta" else -1
    objective = Objective(kind, mask_id, shape.vocabulary, options.share, causal=kind == "gpt2")
    sizes = token_bytes(tokenizer)

    def look(part: int = 64) -> Heldout:
        rows = np.arange(0, len(aside) - 1, max(2, len(aside) // part))
        return heldout(model, objective, objective.joined(aside, rows), sizes, batch=16)

    saver = Saver(work, {"kind": kind, "shape": str(shape), "text": text["fingerprint"], "batch": str(plan.batch)})
    if options.publish:
        state = saver.load()
        if state is None:
            raise UserError(f"{work} holds no saved state to publish; run the same command without --publish first")
        model.load_state_dict(state["model"])
        steps = int(state["step"])
    else:
        steps = plan.steps
        pretrain(model, objective, blocks, plan, saver, log, precision=precision, peak=matmul_peak(), look=look)

    publish(model, tokenizer, options.out / name, shape)
    trained = look(len(aside))
    model.load_state_dict(build(kind, shape, plan.seed).state_dict())
    untrained = look(len(aside))
    facts = {
        "name": name,
        "steps": steps,
        "tokens": steps * plan.batch * shape.length // 2,
        "plan": asdict(plan),
        "shape": asdict(shape),
        "masked_share": options.share if kind == "roberta" else None,
        "precision": precision,
        "text": text,
        "heldout_untrained": asdict(untrained),
        "heldout": asdict(trained),
        "environment": asdict(environment.describe(torch.device("cpu"), precision, 1)),
    }
    (options.log / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (options.out / name / "README.md").write_text(card.model_card(facts, options.licences), encoding="utf-8")
    card.loss_curve(log, name, options.log)
    print(json.dumps(facts["heldout"]))


def prepared(
    options: argparse.Namespace, shape: Shape, work: Path
) -> tuple[Any, np.ndarray, np.ndarray, dict[str, Any]]:
    """Tokenizer, training blocks, held-out blocks and what is to be said of the text; made once, then read back."""
    from transformers import AutoTokenizer

    done, folder = work / "text.json", work / "tokenizer"
    if not done.exists():
        corpus = read_corpus(options.corpus, options.evaluation)
        documents = [corpus.train[i] for i in np.random.default_rng(0).permutation(len(corpus.train))]
        tokenizer = train_tokenizer(documents, shape.vocabulary, options.kind, shape.length)
        tokenizer.save_pretrained(folder)
        parts = {"train": documents, "heldout": corpus.heldout}
        blocks = {part: pack(texts, tokenizer, options.kind, shape.length // 2) for part, texts in parts.items()}
        for part, rows in blocks.items():
            np.save(work / f"{part}.npy", rows)
        facts = {
            "fingerprint": hashlib.sha256(blocks["train"].tobytes()).hexdigest()[:16],
            "paragraphs": corpus.paragraphs,
            "dropped_for_a_shared_10_gram": corpus.dropped,
            "characters": {part: sum(map(len, texts)) for part, texts in parts.items()},
            "tokens": {part: int(rows.size) for part, rows in blocks.items()},
        }
        done.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer, np.load(work / "train.npy"), np.load(work / "heldout.npy"), json.loads(done.read_text("utf-8"))


def publish(model: Any, tokenizer: Any, folder: Path, shape: Shape) -> None:
    """Write the Transformers folder: fp16 safetensors, configuration, tokenizer.

    Raises:
        UserError: the weight file is larger than `LIMIT`.
    """
    copy = build(model.config.model_type, shape, 0)  # with the published backbones' dropout rates
    copy.load_state_dict(model.state_dict())
    copy.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = (folder / "model.safetensors").stat().st_size
    if size > LIMIT:
        raise UserError(f"{folder} has {size} bytes of weights, more than the {LIMIT} that the package takes")


if __name__ == "__main__":
    main()

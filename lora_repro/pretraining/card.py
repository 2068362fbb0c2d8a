"""What stands beside a published backbone: its model card and its loss curve, both made from the facts and the log."""

import json
from pathlib import Path
from typing import Any

from lora_repro.pretraining.vocabulary import Kind

_TITLES: dict[Kind, str] = {"roberta": "RoBERTa, masked", "gpt2": "GPT-2, causal"}


def model_card(facts: dict[str, Any], licences: str) -> str:
    """Markdown, with the front matter that the hub reads.

    Args:
        facts: as ``experiments/pretrain_mini.py`` writes them.
        licences: of the text, one sentence.
    """
    kind: Kind = "roberta" if facts["masked_share"] is not None else "gpt2"
    shape, plan, text = facts["shape"], facts["plan"], facts["text"]
    before, after = facts["heldout_untrained"], facts["heldout"]
    tokens, share = facts["tokens"], facts["tokens"] / text["tokens"]["train"]
    masked = f", {facts['masked_share']:.0%} of the tokens masked (80/10/10)" if kind == "roberta" else ""
    optimiser = "Muon for the blocks' matrices, AdamW for the rest" if plan["muon"] else "AdamW"
    begin = ""
    if kind == "roberta":
        begin = (
            f"the first {plan['causal']:.0%} of the steps with the causal objective, "
            "short blocks at any of the positions;\n  "
        )
    dropped = sum(text["dropped_for_a_shared_10_gram"].values())
    environment = facts["environment"]
    rows = [
        ("loss (nats per predicted token)", "loss", ".3f"),
        ("perplexity", "perplexity", ",.1f"),
        ("accuracy of the predicted tokens", "accuracy", ".1%"),
        ("bits per byte of the predicted tokens", "bits_per_byte", ".3f"),
    ]
    table = "\n".join(f"| {title} | {before[key]:{form}} | {after[key]:{form}} |" for title, key, form in rows)
    return f"""---
license: cc-by-4.0
language: en
tags: [{kind}, pretraining, small]
---
# {facts["name"]}

A small backbone for trying methods where no published one is at hand: {_TITLES[kind]} language modelling, Transformers'
own classes and layout. It stands in for nothing: a number from it is never a number of the paper's setting.

- {shape["layers"]} layers, d = {shape["width"]}, {shape["heads"]} heads, MLP {shape["inner"]}, {shape["length"]}
  positions, byte-level BPE of {shape["vocabulary"]:,} tokens learnt from the same text; fp16 safetensors.
- Trained on {tokens:,} tokens ({share:.0%} of one pass) in {facts["steps"]:,} steps of {plan["batch"]} packed blocks of
  {shape["length"] // 2} tokens, the last {plan["long"]:.0%} of the steps half as many of {shape["length"]}{masked};
  {begin}{optimiser}, learning rate {plan["lr"]:g},
  no dropout in pre-training (the configuration names the published backbones' rates for what comes after).
- Text: {text["characters"]["train"]:,} characters of books in the public domain, textbooks, dialogues, reviews,
  speeches, technical documents and public web pages. {licences}
- Of {text["paragraphs"]:,} paragraphs, {dropped} shared ten words in a row with a development or test text of GLUE,
  E2E, WebNLG or DART, and were dropped.
- Machine: {environment["machine"]}, {environment["precision"]}, PyTorch {environment["versions"]["torch"]}.

| held-out text, {after["tokens"]:,} predicted tokens | untrained | trained |
| --- | ---: | ---: |
{table}

Made by `experiments/pretrain_mini.py`; settings, log and loss curve are in `results/pretraining`.
"""


def loss_curve(log: Path, title: str, folder: Path) -> None:
    """Training and held-out loss against tokens, as SVG and PNG named after the log.

    Where the log has two objectives, each is a curve; the held-out loss is of the last one and begins with it.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    points = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    own = points[-1]["objective"]
    aside = [point for point in points if "heldout" in point and point["objective"] == own]
    with plt.rc_context({"svg.hashsalt": title, "font.size": 9}):
        figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
        for objective in dict.fromkeys(p["objective"] for p in points):
            part = [p for p in points if p["objective"] == objective]
            axes.plot(
                [p["tokens"] / 1e6 for p in part],
                [p["loss"] for p in part],
                "-" if objective == own else ":",
                color="0.5",
                lw=1,
                label=f"training, {objective}",
            )
        axes.plot(
            [p["tokens"] / 1e6 for p in aside],
            [p["heldout"]["loss"] for p in aside],
            color="#0072b2",
            marker="o",
            ms=3,
            lw=1.2,
            label="held out",
        )
        axes.set(xlabel="million tokens", ylabel="nats per predicted token", title=title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        for suffix, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            figure.savefig(folder / f"{log.stem}.{suffix}", dpi=160, metadata=metadata)
        plt.close(figure)

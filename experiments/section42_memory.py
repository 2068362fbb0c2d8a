"""Section 4.2: training memory, checkpoint sizes, switching between tasks.

The paper: GPT-3 175B needs 1.2 TB of memory to fine-tune and 350 GB with LoRA; its checkpoint shrinks from 350 GB to
35 MB (r = 4, W_q and W_v), about 10,000 times; 100 tasks fit into 354 GB instead of 35 TB.

    python experiments/section42_memory.py                       # GPT-3 from shapes; RoBERTa base measured: minutes
    python experiments/section42_memory.py gpt2-medium           # another backbone of conf/model, measured

Weights are random. Each method trains two steps in a process of its own. Switching needs two trained adapters:
``lora-repro analyse switching A B --model ...``.
"""

import sys

from lora_repro.cli import main

GPT3 = ["--model", "gpt3-175b", "--methods", "ft lora", "--batch", "1", "--length", "2048", "--predict-only"]


def run(model: str) -> int:
    """GPT-3 by prediction, then `model` measured."""
    measured = ["--model", model, "--batch", "8", "--length", "128"]
    return main(["analyse", "memory", *GPT3]) or main(["analyse", "memory", *measured]) or main(["analyse", "show"])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1] if len(sys.argv) > 1 else "roberta-base"))

"""Table 16: MNLI cut to 100, 1,000, 10,000 and all training examples.

The paper (GPT-3 175B, matched accuracy, +- .3 over seeds):

    method       n=100  n=1k  n=10k  n=392K
    Fine-Tune    60.2   85.8  88.9   89.5
    PrefixEmbed  37.6   75.2  79.5   88.6
    PrefixLayer  48.3   82.5  85.9   89.6
    LoRA         63.8   85.6  89.2   91.7

The paper has GPT-3 175B. The study runs on any decoder (default GPT-2 medium) with a classification head: a transfer of
the claim, never a row beside the paper's.
Cost: 48 runs, 12 of about 4 hours on one A100, the others minutes, estimated.

    make table16 MODEL=gpt2-medium DATA=FOLDER
    make table16 MODEL=gpt2-mini RECIPE=mini TASKS=mnli       # small: on the suite's own decoder and data
    python experiments/table16_low_data.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/table16.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["table16", *sys.argv[1:]]))

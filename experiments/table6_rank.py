"""Table 6: the rank of LoRA, for one, two and four types of matrices.

The paper (GPT-3 175B):

    weights      r   WikiSQL   MultiNLI
    Wq           1   68.8±0.5  90.7±0.1
    Wq           2   69.6±0.5  90.9±0.1
    Wq           4   70.5±0.5  91.1±0.1
    Wq           8   70.4±0.5  90.7±0.1
    Wq           64  70±0.5    90.7±0.1
    Wq,Wv        1   73.4±0.5  91.3±0.1
    Wq,Wv        2   73.3±0.5  91.4±0.1
    Wq,Wv        4   73.7±0.5  91.3±0.1
    Wq,Wv        8   73.8±0.5  91.6±0.1
    Wq,Wv        64  73.5±0.5  91.4±0.1
    Wq,Wk,Wv,Wo  1   74.1±0.5  91.2±0.1
    Wq,Wk,Wv,Wo  2   73.7±0.5  91.7±0.1
    Wq,Wk,Wv,Wo  4   74±0.5    91.7±0.1
    Wq,Wk,Wv,Wo  8   74±0.5    91.5±0.1
    Wq,Wk,Wv,Wo  64  73.9±0.5  91.4±0.1

The paper has GPT-3 175B. The study runs on any decoder (default GPT-2 medium), WikiSQL as texts to write, MNLI with a
classification head: a transfer of the claim, never a row beside the paper's.
Data: DATA=FOLDER with glue/ and wikisql/ in their published layouts, or the hub.
Cost: 90 runs of about 4 (MNLI) and 2 (WikiSQL) hours on one A100, estimated.

    make table6 MODEL=gpt2-medium DATA=FOLDER
    make table6 MODEL=gpt2-mini RECIPE=mini TASKS=mnli       # small: on the suite's own decoder and data
    python experiments/table6_rank.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/table6.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["table6", *sys.argv[1:]]))

"""Table 5: which weight matrices of the attention to adapt, at 18M parameters.

The paper (GPT-3 175B):

    weights      r  WikiSQL   MultiNLI
    Wq           8  70.4±0.5  91±0.1
    Wk           8  70±0.5    90.8±0.1
    Wv           8  73±0.5    91±0.1
    Wo           8  73.2±0.5  91.3±0.1
    Wq,Wk        4  71.4±0.5  91.3±0.1
    Wq,Wv        4  73.7±0.5  91.3±0.1
    Wq,Wk,Wv,Wo  2  73.7±0.5  91.7±0.1

The paper has GPT-3 175B. The study runs on any decoder (default GPT-2 medium), WikiSQL as texts to write, MNLI with a
classification head: a transfer of the claim, never a row beside the paper's.
Data: DATA=FOLDER with glue/ and wikisql/ in their published layouts, or the hub.
Cost: 42 runs of about 4 (MNLI) and 2 (WikiSQL) hours on one A100, estimated.

    make table5 MODEL=gpt2-medium DATA=FOLDER
    make table5 MODEL=gpt2-mini RECIPE=mini TASKS=mnli       # small: on the suite's own decoder and data
    python experiments/table5_weight_types.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/table5.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["table5", *sys.argv[1:]]))

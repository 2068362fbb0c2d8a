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

The paper has GPT-3 175B. The study runs on any decoder (default GPT-2 medium) on MNLI as classification: a transfer of
the claim, never a row beside the paper's.
Cost: 21 runs of about 4 hours on one A100, estimated.

    make table5 MODEL=gpt2-medium
    python experiments/table5_weight_types.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/table5.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["table5", *sys.argv[1:]]))

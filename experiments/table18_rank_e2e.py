"""Table 18: the rank of LoRA on GPT-2 medium and E2E, after 26,000 steps.

The paper:

    r     val_loss  BLEU   NIST    METEOR  ROUGE_L  CIDEr
    1     1.23      68.72  8.7215  0.4565  0.7052   2.4329
    2     1.21      69.17  8.7413  0.459   0.7052   2.4639
    4     1.18      70.38  8.8439  0.4689  0.7186   2.5349
    8     1.17      69.57  8.7457  0.4636  0.7196   2.5196
    16    1.16      69.61  8.7483  0.4629  0.7177   2.4985
    32    1.16      69.33  8.7736  0.4642  0.7105   2.5255
    64    1.16      69.24  8.7174  0.4651  0.718    2.507
    128   1.16      68.73  8.6718  0.4628  0.7127   2.503
    256   1.16      68.92  8.6982  0.4629  0.7128   2.5012
    512   1.16      68.78  8.6857  0.4637  0.7128   2.5025
    1024  1.17      69.37  8.7495  0.4659  0.7149   2.509

BLEU is best at r = 4, the loss at r = 16. One run a rank: the printed seed spread of BLEU is .1, the differences here
are up to 1.7. Cost: 11 runs, about 1.5 hours each on one A100, estimated.

    make table18 MODEL=gpt2-medium
    python experiments/table18_rank_e2e.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/table18.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["table18", *sys.argv[1:]]))

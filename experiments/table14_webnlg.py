"""Table 14: GPT-2 medium and large on WebNLG (U unseen, S seen, A all categories); mean of 3 seeds, best epoch each.

The paper:

    model   method             BLEU_U   BLEU_S   BLEU_A   MET_A  TER_A
    medium  Fine-Tune          27.7     64.2     46.5     .38    .53
    medium  Adapter^L (0.37M)  45.1     54.5     50.2     .38    .43
    medium  Adapter^L (11M)    48.3     60.4     54.9     .41    .39
    medium  FT^Top2            18.9     53.6     36.0     .31    .72
    medium  Prefix             45.6     62.9     55.1     .41    .40
    medium  LoRA               46.7±.4  62.1±.2  55.3±.2  .41    .39
    large   Fine-Tune          43.1     65.3     55.5     .42    .42
    large   Adapter^L (0.88M)  49.8±.0  61.1±.0  56.0±.0  .41    .39
    large   Adapter^L (23M)    49.2±.1  64.7±.2  57.7±.1  .43    .39
    large   Prefix             47.7     63.4     56.3     .42    .40
    large   LoRA               48.4±.3  64.0±.3  57.0±.1  .42    .38

Cost: 18 and 15 runs, about 1 and 2 hours each on one A100, estimated.

    make table14 MODEL=gpt2-medium
    python experiments/table14_webnlg.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/table14.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["table14", *sys.argv[1:]]))

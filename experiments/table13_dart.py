"""Table 13: GPT-2 medium and large on DART; mean of 3 seeds, best epoch each.

The paper:

    model   method             BLEU     MET   TER
    medium  Fine-Tune          46.2     0.39  0.46
    medium  Adapter^L (0.37M)  42.4     0.36  0.48
    medium  Adapter^L (11M)    45.2     0.38  0.46
    medium  FT^Top2            41.0     0.34  0.56
    medium  PrefLayer          46.4     0.38  0.46
    medium  LoRA               47.1±.2  0.39  0.46
    large   Fine-Tune          47.0     0.39  0.46
    large   Adapter^L (0.88M)  45.7±.1  0.38  0.46
    large   Adapter^L (23M)    47.1±.1  0.39  0.45
    large   PrefLayer          46.7     0.38  0.45
    large   LoRA               47.5±.1  0.39  0.45

Cost: 18 and 15 runs, about 2 and 4 hours each on one A100, estimated.

    make table13 MODEL=gpt2-medium
    python experiments/table13_dart.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/table13.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["table13", *sys.argv[1:]]))

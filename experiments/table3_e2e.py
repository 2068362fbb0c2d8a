"""Table 3: GPT-2 medium and large on the E2E NLG Challenge; mean of 3 seeds, best epoch each.

The paper:

    model   method              BLEU     NIST      METEOR   ROUGE-L  CIDEr
    medium  FT                  68.2     8.62      46.2     71.0     2.47
    medium  Adapter^L (0.37M)   66.3     8.41      45.0     69.8     2.40
    medium  Adapter^L (11.09M)  68.9     8.71      46.1     71.3     2.47
    medium  Adapter^H (11.09M)  67.3±.6  8.50±.07  46.0±.2  70.7±.2  2.44±.01
    medium  FT^Top2             68.1     8.59      46.0     70.8     2.41
    medium  PreLayer            69.7     8.81      46.1     71.4     2.49
    medium  LoRA                70.4±.1  8.85±.02  46.8±.2  71.8±.1  2.53±.02
    large   FT                  68.5     8.78      46.0     69.9     2.45
    large   Adapter^L (0.88M)   69.1±.1  8.68±.03  46.3±.0  71.4±.2  2.49±.0
    large   Adapter^L (23.00M)  68.9±.3  8.70±.04  46.1±.1  71.3±.2  2.45±.02
    large   PreLayer            70.3     8.85      46.2     71.7     2.47
    large   LoRA                70.4±.1  8.89±.02  46.8±.2  72.0±.2  2.47±.02

Cost: 21 and 15 runs, about 1.5 and 3 hours each on one A100, estimated.

    make table3 MODEL=gpt2-medium
    python experiments/table3_e2e.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/table3.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["table3", *sys.argv[1:]]))

"""Table 7, Figure 8, appendix H.4: what does the update dW do that W does not?

The paper, W_q of layer 48 of GPT-3 175B (||W_q|| = 61.95), || U^T W V ||_F with U and V from

             r = 4 (||dW|| = 6.91)      r = 64 (||dW|| = 3.57)
    dW       0.32                       1.90
    W        21.67                      37.71
    random   0.02                       0.33
    factor   6.91 / 0.32 = 21.6         3.57 / 1.90 = 1.9

dW amplifies directions that W has but does not emphasise: more than random ones, much less than W's own top ones.
Figure 8: dW's directions agree with the first tenth of W's by barely more than 0.2.

    python experiments/table7_amplification.py runs/.../s0-<r=4>/best.safetensors runs/.../s1-<r=64>/best.safetensors \
        --model roberta-base

It is ``lora-repro analyse amplification`` and then ``lora-repro analyse show``; seconds for each matrix on a CPU.
"""

import sys

from lora_repro.cli import main

if __name__ == "__main__":
    sys.exit(main(["analyse", "amplification", *sys.argv[1:]]) or main(["analyse", "show"]))

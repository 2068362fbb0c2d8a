"""Figures 3, 4, 6 and 7: how far do the subspaces of two LoRA adapters agree?

Figure 3 (6: more layers) compares A of r = 8 with A of r = 64: the top direction is shared, phi(1, 1) > 0.5, for W_q
and W_v; further directions are not. Figure 4 (7) compares two seeds at r = 64: several top directions are shared, more
for W_q than for W_v; two random Gaussian matrices share none. The paper: GPT-3 175B, layer 48 of 96, d = 12,288. On a
backbone with d = 384 two random 64-dimensional spaces agree by 64 / 384 = 0.17, so the control is part of the figure.

    lora-repro run model=... task=... method=lora recipe=mini method.r=8  seed=0     # three adapters, any backbone
    lora-repro run model=... task=... method=lora recipe=mini method.r=64 seed=1     # another seed: see below
    lora-repro run model=... task=... method=lora recipe=mini method.r=64 seed=2
    python experiments/figure3_subspaces.py runs/.../best.safetensors runs/.../best.safetensors

It is ``lora-repro analyse subspaces FIRST SECOND`` and then ``lora-repro analyse show``; seconds on a CPU. Use
different seeds for the two ranks: with one seed A's first rows in block 0 start alike, and would agree without
any training.
"""

import sys

from lora_repro.cli import main

if __name__ == "__main__":
    sys.exit(main(["analyse", "subspaces", *sys.argv[1:]]) or main(["analyse", "show"]))

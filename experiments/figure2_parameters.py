"""Figure 2: validation accuracy against log10 of the number of trainable parameters, per method.

The paper's points are Table 15's (experiments/table15_parameters.py prints them), and so are the runs: LoRA and
Adapter^H get no worse with more parameters, PreEmbed falls beyond 256 virtual tokens (63.1 to 55.9 on WikiSQL),
PreLayer beyond 16 (70.1 to 64.9).

The paper has GPT-3 175B. The study runs on any decoder (default GPT-2 medium), WikiSQL as texts to write, MNLI with a
classification head: a transfer of the claim, never a row beside the paper's.
Cost: Table 15's, 180 runs of about 4 (MNLI) and 2 (WikiSQL) hours on one A100, estimated; what that has run is not run
again.

    make figure2 MODEL=gpt2-medium DATA=FOLDER
    make figure2 MODEL=gpt2-mini RECIPE=mini TASKS=mnli       # small: on the suite's own decoder and data
    python experiments/figure2_parameters.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/figure2.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["figure2", *sys.argv[1:]]))

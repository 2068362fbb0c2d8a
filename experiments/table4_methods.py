"""Table 4: every method on one large decoder.

The paper (GPT-3 175B; fluctuation +- .5, .1, .2/.2/.1):

    method             parameters  WikiSQL  MNLI-m  SAMSum_R1  SAMSum_R2  SAMSum_RL
    FT                 175,255.8M  73.8     89.5    52.0       28.0       44.5
    BitFit             14.2M       71.3     91.0    51.3       27.4       43.5
    PreEmbed           3.2M        63.1     88.6    48.3       24.2       40.5
    PreLayer           20.2M       70.1     89.5    50.8       27.3       43.5
    Adapter^H (7.1M)   7.1M        71.9     89.8    53.0       28.9       44.8
    Adapter^H (40.1M)  40.1M       73.2     91.5    53.2       29.0       45.1
    LoRA (4.7M)        4.7M        73.4     91.7    53.8       29.8       45.9
    LoRA (37.7M)       37.7M       74.0     91.6    53.4       29.2       45.1

The paper has GPT-3 175B. The study runs on any decoder (default GPT-2 medium), WikiSQL and SAMSum as texts to write,
MNLI with a classification head: a transfer of the claim, never a row beside the paper's.
Data: DATA=FOLDER with glue/, samsum/ and wikisql/ in their published layouts, or the hub.
Cost: 72 runs of about 4 (MNLI), 2 (WikiSQL) and 1 (SAMSum) hours on one A100, estimated.

    make table4 MODEL=gpt2-medium DATA=FOLDER
    make table4 MODEL=gpt2-mini RECIPE=mini TASKS=mnli       # small: on the suite's own decoder and data
    python experiments/table4_methods.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/table4.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["table4", *sys.argv[1:]]))

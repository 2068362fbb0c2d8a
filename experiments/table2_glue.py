"""Table 2: GLUE development sets, RoBERTa base and large, DeBERTa XXL; median of 5 seeds, best epoch each.

The paper:

    model  method                   MNLI     SST-2    MRPC      CoLA      QNLI     QQP      RTE       STS-B     Avg
    base   FT                       87.6     94.8     90.2      63.6      92.8     91.9     78.7      91.2      86.4
    base   BitFit                   84.7     93.7     92.7      62.0      91.8     84.0     81.5      90.8      85.2
    base   Adapter^D (0.3M)         87.1±.0  94.2±.1  88.5±1.1  60.8±.4   93.1±.1  90.2±.0  71.5±2.7  89.7±.3   84.4
    base   Adapter^D (0.9M)         87.3±.1  94.7±.3  88.4±.1   62.6±.9   93.0±.2  90.6±.0  75.9±2.2  90.3±.1   85.4
    base   LoRA                     87.5±.3  95.1±.2  89.7±.7   63.4±1.2  93.3±.3  90.8±.1  86.6±.7   91.5±.2   87.2
    large  FT                       90.2     96.4     90.9      68.0      94.7     92.2     86.6      92.4      88.9
    large  LoRA                     90.6±.2  96.2±.5  90.9±1.2  68.2±1.9  94.9±.3  91.6±.1  87.4±2.5  92.6±.2   89.0
    large  Adapter^P (3.0M) dagger  90.2±.3  96.1±.3  90.2±.7   68.3±1.0  94.8±.2  91.9±.1  83.8±2.9  92.1±.7   88.4
    large  Adapter^P (0.8M) dagger  90.5±.3  96.6±.2  89.7±1.2  67.8±2.5  94.8±.3  91.7±.2  80.1±2.9  91.9±.4   87.9
    large  Adapter^H (6.0M) dagger  89.9±.5  96.2±.3  88.7±2.9  66.5±4.4  94.7±.2  92.1±.1  83.4±1.1  91.0±1.7  87.8
    large  Adapter^H (0.8M) dagger  90.3±.3  96.3±.5  87.7±1.7  66.3±2.0  94.7±.2  91.5±.1  72.9±2.9  91.5±.5   86.4
    large  LoRA dagger              90.6±.2  96.2±.5  90.2±1.0  68.2±1.9  94.8±.3  91.6±.2  85.2±1.1  92.3±.5   88.6
    XXL    FT                       91.8     97.2     92.0      72.0      96.0     92.7     93.9      92.9      91.1
    XXL    LoRA                     91.9±.2  96.9±.2  92.6±.6   72.4±1.1  96.0±.1  92.9±.1  94.9±.4   93.0±.2   91.3

FT rows and BitFit are cited; LoRA starts MRPC, RTE and STS-B from its own MNLI run, the cited FT rows do not. Cost:
about 100 (base), 900 (large) and 600 (XXL) hours of one A100, estimated.

    make table2 MODEL=roberta-base LAUNCHER=slurm JOBS=50 TIME=04:00:00
    python experiments/table2_glue.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/table2.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["table2", *sys.argv[1:]]))

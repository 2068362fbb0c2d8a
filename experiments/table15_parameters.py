"""Table 15: how every method answers to its number of parameters, LoRA with prefixes included.

The paper (GPT-3 175B):

    method       hyperparameters     parameters  WikiSQL  MNLI-m
    Fine-Tune    -                   175B        73.8     89.5
    PrefixEmbed  lp=32,li=8          0.4M        55.9     84.9
    PrefixEmbed  lp=64,li=8          0.9M        58.7     88.1
    PrefixEmbed  lp=128,li=8         1.7M        60.6     88
    PrefixEmbed  lp=256,li=8         3.2M        63.1     88.6
    PrefixEmbed  lp=512,li=8         6.4M        55.9     85.8
    PrefixLayer  lp=2,li=2           5.1M        68.5     89.2
    PrefixLayer  lp=8,li=0           10.1M       69.8     88.2
    PrefixLayer  lp=8,li=8           20.2M       70.1     89.5
    PrefixLayer  lp=32,li=4          44.1M       66.4     89.6
    PrefixLayer  lp=64,li=0          76.1M       64.9     87.9
    Adapter^H    r=1                 7.1M        71.9     89.8
    Adapter^H    r=4                 21.2M       73.2     91
    Adapter^H    r=8                 40.1M       73.2     91.5
    Adapter^H    r=16                77.9M       73.2     91.5
    Adapter^H    r=64                304.4M      72.6     91.5
    LoRA         rv=2                4.7M        73.4     91.7
    LoRA         rq=rv=1             4.7M        73.4     91.3
    LoRA         rq=rv=2             9.4M        73.3     91.4
    LoRA         rq=rk=rv=ro=1       9.4M        74.1     91.2
    LoRA         rq=rv=4             18.8M       73.7     91.3
    LoRA         rq=rk=rv=ro=2       18.8M       73.7     91.7
    LoRA         rq=rv=8             37.7M       73.8     91.6
    LoRA         rq=rk=rv=ro=4       37.7M       74       91.7
    LoRA         rq=rv=64            301.9M      73.6     91.4
    LoRA         rq=rk=rv=ro=64      603.8M      73.9     91.4
    LoRA+PE      rq=rv=8,lp=8,li=4   37.8M       75       91.4
    LoRA+PE      rq=rv=32,lp=8,li=4  151.1M      75.9     91.1
    LoRA+PE      rq=rv=64,lp=8,li=4  302.1M      76.2     91.3
    LoRA+PL      rq=rv=8,lp=8,li=4   52.8M       72.9     90.2

The paper has GPT-3 175B. The study runs on any decoder (default GPT-2 medium), WikiSQL as texts to write, MNLI with a
classification head: a transfer of the claim, never a row beside the paper's.
Data: DATA=FOLDER with glue/ and wikisql/ in their published layouts, or the hub.
Cost: 180 runs of about 4 (MNLI) and 2 (WikiSQL) hours on one A100, estimated.

    make table15 MODEL=gpt2-medium DATA=FOLDER
    make table15 MODEL=gpt2-mini RECIPE=mini TASKS=mnli       # small: on the suite's own decoder and data
    python experiments/table15_parameters.py --dry        # the plan; any argument of lora-repro study

Rows and settings: conf/studies/table15.yaml.
"""

import sys

from lora_repro.studies.study import main

if __name__ == "__main__":
    sys.exit(main(["table15", *sys.argv[1:]]))

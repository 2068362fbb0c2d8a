r"""Table 1 and Figure 5: adapters add latency at inference, merged LoRA adds none.

The paper times one forward pass of GPT-2 medium on a Quadro RTX8000, 100 trials:

    batch x length      32 x 512          16 x 256          1 x 128
    |Theta|             0.5M              11M               11M
    Fine-Tune / LoRA    1449.4 ± 0.8      338.0 ± 0.6       19.8 ± 2.7 ms
    Adapter^L           1482.0 (+2.2 %)   354.8 (+5.0 %)    23.9 (+20.7 %)
    Adapter^H           1492.2 (+3.0 %)   366.3 (+8.4 %)    25.8 (+30.3 %)

Figure 5 shows the slow-down over batch 1 to 32, length 128 to 512 and r = 0, 10, 100, 250.

    python experiments/table1_latency.py                         # all of Table 1, 100 rounds: for a GPU (--device cuda)
    python experiments/table1_latency.py --threads 1 --minutes 20                   # a CPU core: the cell 1 x 128
    python experiments/table1_latency.py --threads 1 --turns block --cell-seconds 900 --grid cell --batch 32 \
        --length 512 --adapters adapter_l:9,adapter_h:5                             # and a larger one, block by block
    python experiments/table1_latency.py --grid figure5 --minutes 60         # stop and call again: done cells stay done

A pass of 1 x 128 takes about 2 s, of 16 x 256 40 s, of 32 x 512 160 s on one core at 2.5 GHz in fp32; a cell has at
least 3 rounds of 5 variants. Within minutes a core drifts by more than an adapter costs: with --turns block the
variants alternate by block, and one round gives six samples. It is ``lora-repro analyse latency``; weights are random,
because latency does not depend on them. Keep the machine quiet: each record says what share of the processor the
measurement had.
"""

import sys

from lora_repro.cli import main

if __name__ == "__main__":
    sys.exit(main(["analyse", "latency", *sys.argv[1:]]))

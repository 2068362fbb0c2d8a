"""Every claim of the paper that public models can test: statement, the paper's numbers, needs, test.

Claims about GPT-3 175B (D, F) are tested as transfers to smaller backbones, which every outcome names. Few-shot
prompting of GPT-3 (Table 8) is not here. Nor is what the paper says of its own method (B starts at zero, A Gaussian,
alpha the first r tried): the tests hold our layers to it, and the deviations say where the official code differs.
"""

from lora_repro.report.claims import Claim, Finding, Outcome
from lora_repro.report.claims.costs import (
    H_slower,
    merged_is_free,
    on_latency,
    shrinks,
    slow_online,
    switched,
    training_memory,
    worst,
)
from lora_repro.report.claims.evidence import Evidence
from lora_repro.report.claims.rules import (
    MARGIN,
    analysis,
    arithmetic,
    average,
    best_of_task,
    counted,
    every,
    low_data,
    on_task,
    restricted,
    seed_spread,
    spread,
)
from lora_repro.report.claims.section7 import (
    amplifies,
    factor_falls,
    not_the_top,
    other_layers,
    top_direction,
    two_seeds,
)
from lora_repro.report.claims.sweeps import (
    QV,
    approaches_ft,
    best_rank,
    large_rank_is_no_better,
    more_tokens_hurt,
    rate_carries_over,
    same_budget,
    small_rank,
)
from lora_repro.report.paper import paper_table
from lora_repro.report.scores import TEXT_METRICS

_BLEU = TEXT_METRICS["e2e"][0]
_ALL_FOUR = "W_q W_k W_v W_o"
_GLUE_NEED = "both methods on two GLUE tasks or more, three shared seeds each, on the same data"
_BEATS = "the 95 % interval of the difference, paired by seed, lies above 0"
_MATCHES = f"the 95 % interval of the difference, paired by seed, lies above -{MARGIN} points"
_MIB, _MB = 1 << 20, 1e6


def _gpt3(evidence: Evidence, settings: str) -> int | None:
    text = evidence.audited.count(paper_table("6").row("GPT-3 175B", "LoRA", settings))
    return None if text == "--" else int(text.replace(",", ""))


def _full(evidence: Evidence) -> int | None:
    text = evidence.audited.count(paper_table("4").row("GPT-3 175B", "FT"))
    return None if text == "--" else int(text.replace(",", ""))


def _fewer(evidence: Evidence) -> Outcome | None:
    full, parts = _full(evidence), {r: _gpt3(evidence, f"{QV} r={r}") for r in (1, 4, 8)}
    if full is None or None in parts.values():
        return None
    ratios = {r: full / part for r, part in parts.items() if part}
    numbers = ", ".join(f"r = {r}: {ratio:,.0f} times" for r, ratio in ratios.items())
    return Outcome("GPT-3 175B, counted", Finding.HOLDS if ratios[1] >= 10_000 else Finding.FAILS, numbers)


def _checkpoint(evidence: Evidence) -> Outcome | None:
    full, part = _full(evidence), _gpt3(evidence, f"{QV} r=4")
    if full is None or part is None:
        return None
    numbers = f"{2 * full / 1e9:.1f} GB and {2 * part / _MB:.1f} MB = {2 * part / _MIB:.1f} MiB at 2 bytes a parameter"
    finding = Finding.HOLDS if abs(2 * part / _MIB - 35) < 1.5 and abs(2 * full / 1e9 - 350) < 1 else Finding.FAILS
    return Outcome("GPT-3 175B, counted", finding, numbers)


def _hundred_tasks(evidence: Evidence) -> Outcome | None:
    full, part = _full(evidence), _gpt3(evidence, f"{QV} r=4")
    if full is None or part is None:
        return None
    one, many = (2 * full + 100 * 2 * part) / 1e9, 100 * 2 * full / 1e12
    finding = Finding.HOLDS if abs(one - 354) < 2 and abs(many - 35) < 0.5 else Finding.FAILS
    return Outcome("GPT-3 175B, counted", finding, f"{one:.1f} GB against {many:.1f} TB")


def _share(evidence: Evidence) -> Outcome | None:
    full, part = _full(evidence), _gpt3(evidence, f"{QV} r=4")
    if full is None or part is None:
        return None
    share = part / full
    finding = Finding.HOLDS if share < 0.000115 else Finding.FAILS
    return Outcome("GPT-3 175B, counted", finding, f"{part:,} of {full:,} = {share:.4%}")


CLAIMS = (
    Claim("A1", "Adapter layers slow inference down at batch 1 and length 128.", "GPT-2 medium, 11M: +20.7 % "
          "(Adapter^L), +30.3 % (Adapter^H)", "Table 1", "latency measurements", "both intervals (95 %) lie above 0",
          on_latency(slow_online)),
    Claim("A2", "The slow-down shrinks as batch and length grow.", "+5.0 % and +8.4 % at 16 x 256", "Table 1",
          "latency over batch and length", "the largest cell's interval lies below the smallest one's; within "
          "the pass where it was measured",
          on_latency(shrinks)),
    Claim("A3", "Adapter^H is slower than Adapter^L.", "3.0 > 2.2, 8.4 > 5.0, 30.3 > 20.7 %", "Table 1",
          "latency measurements", "the interval of their ratio lies above 1 in every column; within the "
          "pass where it was measured", on_latency(H_slower)),
    Claim("A4", "Online, at short length, adapters may cost over 30 %.", "> 30 %", "Figure 5", "latency measurements",
          "batch 1, least length: the interval of the largest lies above 30 %", on_latency(worst)),
    Claim("A5", "Merged LoRA adds no latency.", "0 % by construction", "4.1, Table 1", "latency measurements",
          "the merged model runs the backbone's own operations", on_latency(merged_is_free)),
    Claim("A6", "Tasks are switched by subtracting BA and adding B'A'.", "W0 is recovered", "4.1",
          "a merge and unmerge measured", "unmerging gives back every bit", switched),
    Claim("B1", "LoRA matches or exceeds full fine-tuning on the GLUE average.", "87.2 and 86.4 (base), 89.0 and 88.9 "
          "(large), 91.3 and 91.1 (XXL)", "Table 2", _GLUE_NEED, _MATCHES, average("lora", "ft", MARGIN)),
    Claim("B2", "LoRA beats BitFit and AdapterDrop on the GLUE average.", "87.2 against 85.2 and 84.4 to 85.4 (base)",
          "Table 2", _GLUE_NEED, f"against each, {_BEATS}",
          every(average("lora", "bitfit"), average("lora", "adapter_d"))),
    Claim("B3", "In the restricted setting LoRA beats the adapters on the GLUE average.", "88.6 against 86.4 to 88.4 "
          "(large)", "Table 2, †", _GLUE_NEED, f"against each, {_BEATS}",
          every(average("lora", "adapter_p"), average("lora", "adapter_h"))),
    Claim("B4", "The restricted setting costs LoRA on average.", "89.0 to 88.6 (large); RTE 87.4 to 85.2", "Table 2",
          "RoBERTa large with LoRA in both settings on all eight tasks, three seeds", _BEATS, restricted),
    Claim("B5", "LoRA trains less than 1 % of the parameters.", "0.24 % (base), 0.22 % (large), 0.31 % (XXL)",
          "Table 2", "the parameter audit", "the counted share is below 1 %, the head apart",
          lambda evidence: [o for model in ("RoBERTa base", "RoBERTa large", "DeBERTa XXL")
                            for o in counted("2", (model, "LoRA"), (model, "FT"), 0.01)(evidence)]),
    Claim("B6", "Results on small tasks vary much over seeds.", "large: CoLA ±1.9, RTE ±2.5; SST-2 ±.5, QNLI ±.3",
          "Table 2", "CoLA, RTE or MRPC and SST-2, QNLI, MNLI or QQP, three seeds each",
          "the mean standard deviation is higher on the small tasks",
          spread(("cola", "rte", "mrpc"), ("sst2", "qnli", "mnli", "qqp"))),
    Claim("C1", "LoRA is best on all five E2E metrics (GPT-2 medium).", "BLEU 70.4 against 66.3 to 69.7", "Table 3",
          "three methods on E2E, three seeds each", f"on every metric, against the best other, {_BEATS}",
          best_of_task("e2e", "lora")),
    Claim("C2", "LoRA is best on E2E but for CIDEr (GPT-2 large).", "BLEU 70.4 against 70.3; CIDEr 2.47 against 2.49",
          "Table 3", "LoRA and prefix tuning on E2E, three seeds each", f"in BLEU against prefix tuning, {_BEATS}",
          on_task("e2e", "lora", "prefix_kv", _BLEU)),
    Claim("C3", "LoRA beats full fine-tuning and prefix tuning on DART.", "47.1 and 47.5 against 46.2 to 47.0",
          "Table 13", "the three methods on DART, three seeds each", f"against each, {_BEATS}",
          every(on_task("dart", "lora", "ft"), on_task("dart", "lora", "prefix_kv"))),
    Claim("C4", "LoRA beats full fine-tuning on WebNLG, all categories.", "55.3 and 57.0 against 46.5 and 55.5",
          "Table 14", "both methods on WebNLG, three seeds each", _BEATS, on_task("webnlg", "lora", "ft")),
    Claim("C5", "On E2E the best rank is small, and r = 1 is not enough.", "BLEU best at r = 4 (70.38), 68.72 at r = 1",
          "Table 18", "LoRA on E2E at four ranks, r = 1 among them", "the best rank lies in 2 to 16 and r = 1 is below",
          best_rank(2, 16)),
    Claim("C6", "BLEU on E2E hardly varies over seeds.", "±0.1; users of the official code report 68.65 to 68.87",
          "Table 3", "LoRA on E2E, three seeds", "the standard deviation prints as 0.1 or less",
          seed_spread("e2e", "lora", _BLEU, 0.15)),
    Claim("D1", "LoRA matches or exceeds full fine-tuning on MultiNLI.", "GPT-3: 91.7 and 89.5", "Table 4",
          "both methods on MNLI, three seeds each", _MATCHES, on_task("mnli", "lora", "ft", margin=MARGIN)),
    Claim("D2", "Prefix methods get worse with many tokens.", "GPT-3: PreEmbed 63.1 (256) to 55.9 (512) on WikiSQL",
          "Table 15, Figure 2", "PreEmbed or PreLayer with two prefix lengths, three seeds",
          f"the best shorter prefix against the longest: {_BEATS}",
          lambda evidence: [o for m in ("pre_embed", "pre_layer") for o in more_tokens_hurt(m)(evidence)]),
    Claim("D3", "At one budget, adapting W_q and W_v is best overall.", "GPT-3, 18M: 73.7 / 91.3; all four at r = 2: "
          "73.7 / 91.7", "Table 5", "LoRA on W_q W_v at 2 r and on all four types at r, three seeds", _MATCHES,
          same_budget(QV, _ALL_FOUR, MARGIN)),
    Claim("D4", "Spending the budget on W_q or W_k alone is worse.", "GPT-3: 70.4 and 70.0 against 73.7 on WikiSQL",
          "Table 5", "LoRA on W_q W_v at r and on W_q, W_k at 2 r, three seeds", f"against each, {_BEATS}",
          every(same_budget(QV, "W_q"), same_budget(QV, "W_k"))),
    Claim("D5", "r = 1 suffices for W_q and W_v.", "GPT-3: 73.4 at r = 1, 73.5 at r = 64", "Table 6",
          "LoRA on W_q W_v at r = 1 and at a rank of 8 or more, three seeds", _MATCHES, small_rank(QV)),
    Claim("D6", "r = 64 is no better than a small rank.", "GPT-3: 73.5 against 73.8 (r = 8)", "Table 6",
          "LoRA on W_q W_v at r = 64 and at 8 or less, three seeds", _MATCHES, large_rank_is_no_better(QV)),
    Claim("D7", "LoRA with PreEmbed does not beat LoRA on MNLI.", "GPT-3: 91.3 against 91.6", "Table 15",
          "both on MNLI, three seeds each", "LoRA matches the pair: " + _MATCHES,
          on_task("mnli", "lora", "lora_pre_embed", margin=MARGIN)),
    Claim("D8", "With 100 examples LoRA beats full fine-tuning, and prefix methods fall behind.", "GPT-3: 63.8, 60.2, "
          "48.3, 37.6", "Table 16", "LoRA, FT and PreLayer on the same part of the data below 1,000, three seeds",
          f"against each, {_BEATS}", every(low_data("lora", "ft"), low_data("lora", "pre_layer"))),
    Claim("E1", "Trainable parameters fall by up to 10,000 times.", "175,255.8M against 4.7M to 37.7M", "abstract",
          "the parameter audit", "r = 1 on W_q and W_v reaches it; at r = 4 it is the ratio of the checkpoints",
          arithmetic(_fewer)),
    Claim("E2", "A checkpoint shrinks from 350 GB to 35 MB.", "r = 4 on W_q and W_v", "4.2", "the parameter audit",
          "both sizes at 2 bytes a parameter, within 1.5 MiB and 1 GB", arithmetic(_checkpoint)),
    Claim("E3", "Training memory falls to a third.", "GPT-3: 1.2 TB to 350 GB", "4.2", "memory measurements",
          "FT's peak is at least 1.5 times LoRA's", training_memory),
    Claim("E4", "Training is 25 % faster.", "GPT-3: 43.1 against 32.5 tokens/s", "4.2",
          "a training benchmark on an idle machine", "tokens per second at least 10 % above FT's", analysis),
    Claim("E5", "100 tasks need 354 GB, not 35 TB.", "350 GB + 100 x 35 MB", "4.2", "the parameter audit",
          "within 2 GB and 0.5 TB", arithmetic(_hundred_tasks)),
    Claim("E6", "|Theta| can be as small as 0.01 % of the model.", "18.8M of 175,256M", "4.1", "the parameter audit",
          "the counted share prints as 0.01 %", arithmetic(_share)),
    Claim("F1", "The top direction of A at r = 8 is in A at r = 64; the others are not.", "phi(1, 1) > 0.5", "Figure 3",
          "LoRA at r = 8 and 64 on one backbone, and the subspace analysis", "phi(1, 1) > 0.5 in the median block",
          top_direction),
    Claim("F2", "Two seeds share top directions, random matrices none.", "0 to 0.5", "Figure 4",
          "LoRA at r = 64 with two seeds, and the subspace analysis", "phi(10, 10) twice random, W_q's over W_v's",
          two_seeds),
    Claim("F3", "DeltaW amplifies directions that W has but does not stress.", "0.32 against 0.02 and 21.67",
          "Table 7", "LoRA at r = 4, and the amplification analysis", "above random, below half of W's own, in all "
          "blocks", amplifies),
    Claim("F4", "The amplification factor is large at r = 4 and small at r = 64.", "21.5 and about 2", "Table 7",
          "LoRA at r = 4 and 64, and the amplification analysis", "it falls with r and stays over 1", factor_falls),
    Claim("F5", "The top of DeltaW and the top of W hardly overlap.", "phi barely above 0.2", "Figure 8",
          "LoRA at r = 4, and the subspace analysis", "phi is at most 0.25 in the median block", not_the_top),
    Claim("F6", "The same holds in other layers.", "layers 1, 32, 64, 96", "Figures 6, 7", "the subspace analysis",
          "phi(1, 1) of Figure 3 is over 0.5 in all blocks or in none", other_layers),
    Claim("G4", "Scaling by alpha / r spares tuning the learning rate anew for each r.", "no number", "4.1",
          "LoRA at two ranks or more with one alpha and three learning rates each", "the smallest rank's best learning "
          f"rate is within {MARGIN} points of every rank's own best", rate_carries_over(QV)),
    Claim("G5", "LoRA approaches full fine-tuning as r grows.", "no number", "4.1",
          "LoRA at four ranks and FT on the same task", "the distance to FT is smaller at the largest rank",
          approaches_ft()),
)  # fmt: skip
"""In the paper's order."""

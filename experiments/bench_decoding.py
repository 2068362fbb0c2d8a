"""How fast the suite decodes, beside Transformers' `generate` run input by input.

    python experiments/bench_decoding.py --model smollm2-135m --model-path SMOLLM2 --data DATA
    python experiments/bench_decoding.py --model gpt2-mini                        # generated inputs, no folder needed

The same inputs of E2E's test set, beams, length penalty, n-gram rule and most new tokens; repetitions in turn, one
process, fp32; where the processor has bf16 units ours once more in bf16, as its runs compute there. The two searches
are not the same one (`lora_repro.decoding.beam` says how they differ), so their texts may differ; the rate is of the
tokens of the texts that each returns. Writes results/bench/decoding_MODEL.{md,csv,tex}.
"""

import argparse
import copy
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lora_repro.compose import compose_run
from lora_repro.decoding.beam import Search, beam_search
from lora_repro.decoding.write import batches, stop_tokens
from lora_repro.environment import checkout, machine
from lora_repro.models.load import load_backbone
from lora_repro.overrides import override
from lora_repro.report.layout import Table
from lora_repro.tasks.data_to_text import DATA_TO_TEXT
from lora_repro.tasks.encode_pairs import encode_prompts
from lora_repro.tasks.load_text import load_text_split
from lora_repro.training.gelu import use_fused_gelu
from lora_repro.training.precision import compute, prepare, resolve

SLOW = "generate, input by input"


@dataclass(frozen=True)
class Decoded:
    """One pass over the inputs."""

    tokens: int  # of the texts
    seconds: float


def parser() -> argparse.ArgumentParser:
    """The program's arguments."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--model", default="gpt2-mini", help="an entry of conf/model (default: %(default)s)")
    built.add_argument("--model-path", help="its folder; default: what its entry says")
    built.add_argument("--data", help="folder with E2E; default: generated inputs")
    built.add_argument("--inputs", type=int, default=32)
    built.add_argument("--beams", type=int, default=10)
    built.add_argument("--most", type=int, default=64, help="new tokens of a text (default: %(default)s)")
    built.add_argument("--repeats", type=int, default=3)
    built.add_argument("--threads", type=int, default=1)
    built.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    built.add_argument("--out", type=Path, default=Path("results/bench"))
    return built


def main() -> int:
    """Measure, print, write."""
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    place = (
        ["data.sources=[local]", override("data.dir", options.data)] if options.data else ["data.sources=[embedded]"]
    )
    path = [override("model.path", options.model_path)] if options.model_path else []
    config = compose_run([f"model={options.model}", "method=lora", "task=e2e", "recipe=mini", *place, *path])
    backbone = load_backbone(config.model, 0, problem="generation")
    backbone.model.to(options.device)
    test = load_text_split(DATA_TO_TEXT["e2e"], "test", config.data, inputs=options.inputs)
    prompts = Prompts(*encode_prompts(test.inputs, backbone.tokenizer, config.recipe.max_length - options.most))
    search = Search(options.beams, config.recipe.length_penalty, config.recipe.no_repeat_ngram, options.most,
                    stop_tokens(backbone.tokenizer))  # fmt: skip
    contenders = {SLOW: ("fp32", generate, backbone.model)}
    for precision in dict.fromkeys(("fp32", resolve("auto", torch.device(options.device)))):
        model = copy.deepcopy(backbone.model).requires_grad_(False)
        use_fused_gelu(model)
        prepare(model, precision)
        contenders["ours" if precision == "fp32" else f"ours, {precision}"] = precision, ours, model
        with compute(precision, model.device):
            ours(model, Prompts(prompts.ids, prompts.offsets[:2]), search)  # builds what is built once
    found: dict[str, list[Decoded]] = {name: [] for name in contenders}
    for repeat in range(options.repeats):
        for name, (precision, contender, model) in contenders.items():
            with compute(precision, model.device):
                found[name].append(contender(model, prompts, search))
            last = found[name][-1]
            print(f"{repeat + 1}/{options.repeats} {name}: {last.tokens / last.seconds:,.0f} tokens/s", flush=True)
    shown = table(options, found)
    print(shown.markdown())
    shown.save(options.out / f"decoding_{options.model}")
    return 0


@dataclass(frozen=True)
class Prompts:
    """Ragged: prompt i is ``ids[offsets[i] : offsets[i + 1]]``."""

    ids: np.ndarray
    offsets: np.ndarray

    def row(self, position: int, device: torch.device) -> torch.Tensor:
        """(t,) one prompt."""
        ids = self.ids[self.offsets[position] : self.offsets[position + 1]]
        return torch.from_numpy(ids.astype(np.int64)).to(device)


def ours(model: Any, prompts: Prompts, search: Search) -> Decoded:
    """The suite's beam search over batches of like length."""
    began = time.perf_counter()
    tokens = 0
    for positions in batches(np.diff(prompts.offsets), search.beams):
        rows = [prompts.row(position, model.device) for position in positions]
        tokens += sum(len(found.tokens) for found in beam_search(model, rows, search))
    return Decoded(tokens, time.perf_counter() - began)


def generate(model: Any, prompts: Prompts, search: Search) -> Decoded:
    """Transformers' own beam search, one input at a time, with its key-value cache."""
    began = time.perf_counter()
    tokens = 0
    with torch.inference_mode():
        for i in range(len(prompts.offsets) - 1):
            row = prompts.row(i, model.device)[None]
            out = model.generate(
                row, attention_mask=torch.ones_like(row), num_beams=search.beams, do_sample=False,
                length_penalty=search.length_penalty, no_repeat_ngram_size=search.no_repeat_ngram,
                max_new_tokens=search.max_new_tokens, eos_token_id=list(search.stop), pad_token_id=search.stop[0],
            )  # fmt: skip
            tokens += out.shape[1] - row.shape[1]
    return Decoded(tokens, time.perf_counter() - began)


def table(options: argparse.Namespace, found: dict[str, list[Decoded]]) -> Table:
    """Medians and ranges."""
    rates = {name: [own.tokens / own.seconds for own in passes] for name, passes in found.items()}
    slow = statistics.median(rates[SLOW])
    rows = [
        [
            name, f"{statistics.median(own):,.0f} ({min(own):,.0f} to {max(own):,.0f})",
            f"{statistics.median(own) / slow:.2f}",
            f"{statistics.median(d.seconds for d in found[name]) / options.inputs:.2f}", f"{found[name][0].tokens:,}",
        ]
        for name, own in rates.items()
    ]  # fmt: skip
    commit, dirty = checkout()
    notes = [
        f"{options.model}, not fine-tuned; {options.inputs} inputs of E2E{'' if options.data else ' (GENERATED)'}, "
        f"{options.beams} beams, at most {options.most} new tokens; medians of {options.repeats} passes in turn.",
        f"{machine(torch.device(options.device))}, {options.threads} thread{'s' * (options.threads > 1)}, fp32 "
        "where nothing else is said; "
        f"PyTorch {torch.__version__}; commit {commit[:10]}{', with changes' * dirty}; {time.strftime('%Y-%m-%d')}.",
    ]
    columns = ["Decoder", "Tokens/s (range)", "Times", "s/input", "Tokens"]
    return Table("Decoding speed beside generate", notes, columns, rows, frozenset())


if __name__ == "__main__":
    sys.exit(main())

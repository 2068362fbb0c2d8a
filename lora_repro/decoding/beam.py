"""Beam search as the official GPT-2 code has it (``gpt2_beam.py``), with a key-value cache and for many inputs at once.

Step by step, for one input and N beams:

1. Tokens that would repeat an n-gram of the text so far (the prompt does not count) are ruled out *before* the softmax,
   so the other tokens' probabilities grow.
2. Of all continuations of all beams the N with the highest log probability are kept; at the first step, of one beam.
3. Those that end in a stop token are finished: score = log p / length^length_penalty, the stop token counted. The best
   finished one so far is remembered, the first of equals; their beams are empty in the next step, so that fewer than N
   beams are continued there (N continuations are kept of them).
4. After `max_new_tokens` steps unfinished beams compete too.

Transformers' `generate` cannot be set to that: it counts the prompt's n-grams, always continues N unfinished beams (of
2 N candidates), and ends when N texts are finished. What it shares with this one, greedy decoding without the n-gram
rule, gives the same texts (a test compares them).

The beams of an input are branches of one tree: the model reads their newest tokens as one row of N columns, and a mask
lets each see the prompt and its own ancestors. So the prompt's keys and values are kept, and read, once for all beams,
and when a beam takes another's place the mask changes and no key moves. Example: N = 2, prompt "a"; the columns are
"a", both tokens of step 1, both of step 2, and where both beams of step 2 continue the first of step 1 they see

    a  1  .  2  .
    a  1  .  .  2

An input is done as soon as no unfinished beam can still beat the finished one: log p only falls, so a bound on its
final score is known. The official code runs on, to the same end. Inputs that are done leave the batch when they are a
quarter of it: taking rows out copies all others. Padding stands behind the shorter prompts, where no token sees it.

The output layer computes in fp32 whatever the rest does: where GPT-2's logits lie, bf16 has steps of 0.25 and more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lora_repro.decoding.cache import roomy_cache
from lora_repro.methods.virtual_tokens import columns_in_use, take_rows

NEVER = float("-inf")
LEAVE = 0.25  # share of the inputs in a batch that are done before their rows are taken out


@dataclass(frozen=True)
class Search:
    """How texts are searched for."""

    beams: int  # 1: greedy
    length_penalty: float
    no_repeat_ngram: int  # 0: no such rule
    max_new_tokens: int
    stop: tuple[int, ...]  # tokens that end a text


@dataclass
class Hypothesis:
    """The best text of one input."""

    tokens: list[int] = field(default_factory=list)  # a stop token at the end, unless it was cut off
    score: float = NEVER  # log p / length^length_penalty
    finished: bool = False


@torch.inference_mode()
def beam_search(model: nn.Module, prompts: Sequence[Tensor] | Tensor, search: Search) -> list[Hypothesis]:
    """The best text for each prompt.

    Args:
        model: a decoder with its output layer, in eval mode.
        prompts: token ids (t,) each, at least one, on the model's device; the closer their lengths the less is wasted.
    """
    decoder: Any = model
    best = [Hypothesis() for _ in prompts]
    live = list(range(len(best)))  # inputs in the batch
    padded = nn.utils.rnn.pad_sequence(list(prompts), batch_first=True)  # (live, t)
    device = padded.device
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)  # (live,)
    inside = torch.arange(padded.size(1), device=device) < lengths[:, None]
    cache, head = roomy_cache(search.beams * search.max_new_tokens), decoder.get_output_embeddings()
    output = decoder.base_model(input_ids=padded, attention_mask=inside.long(), past_key_values=cache, use_cache=True)
    states = output[0].take_along_dim((lengths - 1)[:, None, None], dim=1)  # (live, beams, d); at first one beam
    weight, bias = head.weight.float(), head.bias if head.bias is None else head.bias.float()
    scores = torch.zeros(len(live), 1, device=device)  # (live, beams) log p
    history = padded.new_empty((len(live), 0))  # (live x beams, tokens written)
    hidden = ~columns_in_use(cache, inside).bool()
    sight = torch.zeros(hidden.shape, device=device).masked_fill_(hidden, NEVER)  # (live x beams, cache columns)
    own = scores.new_full((search.beams, search.beams), NEVER).fill_diagonal_(0.0)

    for length in range(1, search.max_new_tokens + 1):
        with torch.autocast(device.type, enabled=False):
            logits = functional.linear(states.flatten(0, 1).float(), weight, bias)  # (live x beams, vocabulary)
        _rule_out_repeats(logits, history, search.no_repeat_ngram)
        scores, rows, tokens = _continue(logits, scores, search.beams)
        history = torch.cat([history[rows], tokens[:, None]], dim=1)
        sight = torch.cat([sight[rows], own.repeat(len(live), 1)], dim=1)
        ended = torch.isin(tokens, tokens.new_tensor(search.stop)).view_as(scores)
        _remember(best, live, scores.masked_fill(~ended, NEVER), history, length, search, finished=True)
        scores = scores.masked_fill(ended, NEVER)
        if length == search.max_new_tokens:
            _remember(best, live, scores, history, length, search, finished=False)
            break
        hope = _bound(scores.amax(1), length, search).tolist()  # of each live input
        kept = [i for i, number in enumerate(live) if hope[i] > best[number].score]
        if not kept:
            break
        if len(kept) <= (1 - LEAVE) * len(live):
            chosen = torch.tensor(kept, device=device)
            of_chosen = (chosen[:, None] * search.beams + torch.arange(search.beams, device=device)).view(-1)
            live, scores = [live[i] for i in kept], scores[chosen]
            tokens, history, sight = tokens[of_chosen], history[of_chosen], sight[of_chosen]
            lengths = lengths[chosen]
            take_rows(cache, chosen)
        output = decoder.base_model(
            input_ids=tokens.view(len(live), search.beams),
            position_ids=(lengths[:, None] + length - 1).expand(-1, search.beams),
            attention_mask=sight.view(len(live), 1, search.beams, -1),
            past_key_values=cache,
            use_cache=True,
        )
        states = output[0]
    return best


def _rule_out_repeats(logits: Tensor, history: Tensor, n: int) -> None:
    """Put -inf, in place, where a token of `logits` (rows, vocabulary) would repeat an n-gram of its row's history."""
    length = history.size(1)
    if n == 0 or length < n:
        return
    beginnings = history.unfold(1, n - 1, 1)[:, :-1]  # (rows, length - n + 1, n - 1); the token after each is known
    rows, places = (beginnings == history[:, None, length - n + 1 :]).all(-1).nonzero(as_tuple=True)
    logits[rows, history[rows, places + n - 1]] = NEVER


def _continue(logits: Tensor, scores: Tensor, beams: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best continuations.

    Args:
        logits: (live x present beams, vocabulary).
        scores: (live, present beams) log p so far.

    Returns:
        (live, beams) their log p, best first; (live x beams,) the row that each continues; (live x beams,) its token.
    """
    inputs, present = scores.shape
    values, words = logits.topk(min(beams, logits.size(-1)), dim=-1)  # no other word of a row can be among the best
    values = values - logits.logsumexp(-1, keepdim=True)
    total = (scores.view(-1, 1) + values).view(inputs, -1)  # (live, present x beams)
    scores, order = total.topk(beams, dim=1)
    first = torch.arange(inputs, device=order.device)[:, None] * present
    rows = first + order // values.size(1)
    return scores, rows.view(-1), words.view(inputs, -1).gather(1, order).view(-1)


def _remember(
    best: list[Hypothesis],
    live: list[int],
    scores: Tensor,
    history: Tensor,
    length: int,
    search: Search,
    *,
    finished: bool,
) -> None:
    """Replace an input's best hypothesis where one of `scores` (live, beams), log p or -inf, is better."""
    values, beams = scores.max(1)
    normalised = values / length**search.length_penalty
    for i, (value, beam) in enumerate(zip(normalised.tolist(), beams.tolist(), strict=True)):
        if value > best[live[i]].score:
            best[live[i]] = Hypothesis(history[i * search.beams + beam].tolist(), value, finished)


def _bound(scores: Tensor, length: int, search: Search) -> Tensor:
    """The most that unfinished beams of log p `scores` can end with: they only fall, whatever length they end at."""
    shortest, longest = (end**search.length_penalty for end in (length + 1, search.max_new_tokens))
    return torch.maximum(scores / shortest, scores / longest)

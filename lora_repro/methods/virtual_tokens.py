"""Virtual tokens (section 5.1, "prefixing" and "infixing"): positions that a backbone carries unseen by its callers.

`VirtualTokens` is a child of the backbone's encoder or decoder. A hook before that module's forward pass inserts l_p
prefix and l_i infix positions into embeddings, attention mask, position numbers and token types; a hook after it takes
them out again. So training, evaluation and `generate` see the length that they gave, and labels stay aligned.

Where they stand (numbers are columns of one example without padding):

    encoder   [CLS] PREFIX the prompt INFIX [SEP]     the head reads [CLS] in column 0, as ever
    decoder   PREFIX the prompt INFIX the completion
              PREFIX the prompt INFIX the last token  where it classifies: the head reads the last token

The prompt of a classification is the whole input, both texts of a pair; infixing appends to it, before the token that
closes it: a separator, or on a decoder the last token, since what stands behind that is never read. The prompt of a
decoder that writes ends where `prompt_lengths` says, (b,) tokens per example, a keyword that the model
takes beside `input_ids`; without it the whole sequence is the prompt, which is right for `generate` and leaves the
infix untrained elsewhere. `wants_prompt_lengths` tells whether a model takes it.

Details:
- Position numbers: virtual tokens are counted like any others, what follows them moves up. Numbers that the caller
  gives are moved, not replaced; otherwise a decoder numbers its real tokens from 0, on whichever side the padding is.
- Encoders get their padding moved to the right: heads read column 0, where left padding would stand.
- Logits: the column before the infix predicts the first token after it, so its output is read at the end of the infix.
- Cache: virtual tokens enter once, with the prompt. Their mask travels with the cache object for the steps after it. A
  mask of 4 axes, (b, 1, t, columns of the cache and the t new ones), stands as it is given in those steps.
- `hidden_states` and `attentions` in a model's output keep the inserted columns.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor, nn

from lora_repro.errors import BackboneError
from lora_repro.models.architectures import Architecture
from lora_repro.models.dims import Dims
from lora_repro.models.sites import find

NAME = "virtual_tokens"
"""The child of the backbone's encoder or decoder that holds the trained vectors."""

INITS = ("vocabulary", "random")
"""Start of the trained vectors: from tokens of the vocabulary, drawn at random, or from a normal distribution."""

_MARK = "_lora_repro_mask"  # attribute of a cache: (b, t') mask of its columns after the prompt, virtual ones included
_TAKEN = "_lora_repro_taken"  # attribute of a cache: t, the prompt's columns as the caller counts them


class VirtualTokens(nn.Module, ABC):
    """The positions; methods add what is learnt there.

    Args:
        model: headed model, before anything is added.
        l_p: prefix positions.
        l_i: infix positions.
        infix_predicts: the output at the infix's end is computed from the prompt, so the next token is read there.
    """

    def __init__(self, model: nn.Module, architecture: Architecture, l_p: int, l_i: int, *, infix_predicts: bool):
        super().__init__()
        config: Any = model.config
        self.decoder, self.writes = architecture.decoder, not architecture.heads
        self.l_p, self.l_i = l_p, l_i
        self.start = 0 if self.decoder else 1  # column of the prefix
        self.infix_predicts = infix_predicts
        self.d = Dims.of(config).d
        self.limit = Dims.of(config).positions
        if architecture.name == "roberta":  # numbers positions from pad_token_id + 1
            self.limit -= config.pad_token_id + 1
        self.slots: Tensor | None = None  # (b, l_p + l_i) columns in the pass under way; None: nothing was inserted
        self._back: Tensor | None = None  # (b, t) column whose output stands for each column of the caller
        self._mask: Tensor | None = None  # (b, t + l_p + l_i)
        self.prompt_lengths: Tensor | None = None  # (b,) of the text that is being generated

    @abstractmethod
    def embeddings(self) -> Tensor:
        """(l_p + l_i, d) what stands where the backbone expects word embeddings."""

    def enter(self, base: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[()], dict[str, Any]]:
        """Forward pre-hook of the encoder or decoder."""
        if len(args) > 1:
            raise TypeError(f"{type(base).__name__} with virtual tokens takes input_ids alone by position")
        call = dict(kwargs)
        if args:
            call["input_ids"] = args[0]
        prompt_lengths = call.pop("prompt_lengths", None)
        cache = call.get("past_key_values")
        self.slots = self._back = self._mask = None
        if cache is not None and cache.get_seq_length() > 0:
            self._go_on(cache, call)
        else:
            self._insert(base, call, prompt_lengths)
        return (), call

    def leave(self, _base: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        """Forward hook of the encoder or decoder: the caller's columns, in the caller's number."""
        back, mask = self._back, self._mask
        if back is None:
            return None
        self._back = self._mask = None
        kept = torch.take_along_dim(output[0], back.unsqueeze(-1), dim=1)  # (b, t, d)
        if isinstance(output, tuple):
            return (kept, *output[1:])
        output.last_hidden_state = kept
        cache = getattr(output, "past_key_values", None)
        if cache is not None:
            setattr(cache, _MARK, mask)
            setattr(cache, _TAKEN, back.size(1))
        return output

    def _insert(self, base: nn.Module, call: dict[str, Any], prompt_lengths: Tensor | None) -> None:
        """Turn the keywords of a call with t columns into those of one with t + l_p + l_i, in place."""
        ids, embeds = call.pop("input_ids", None), call.pop("inputs_embeds", None)
        if embeds is None:
            embeds = base.get_input_embeddings()(ids)
        b, t = embeds.shape[:2]
        mask = _plain_mask(call.get("attention_mask"), embeds)
        types, numbers = (_rows(call.get(name), b) for name in ("token_type_ids", "position_ids"))
        if self.limit and t + self.l_p + self.l_i > self.limit:
            raise BackboneError(
                f"{t} tokens and {self.l_p} + {self.l_i} virtual ones are more than the {self.limit} positions of this "
                f"backbone; give at most {self.limit - self.l_p - self.l_i} tokens"
            )
        columns = torch.arange(t, device=embeds.device).expand(b, t)
        first = mask.int().argmax(1, keepdim=True)  # (b, 1) first real column
        if not self.decoder:
            turn = (columns + first) % t
            embeds = torch.take_along_dim(embeds, turn.unsqueeze(-1), dim=1)
            mask, types, numbers = (_taken(tensor, turn) for tensor in (mask, types, numbers))
            first = torch.zeros_like(first)
        elif numbers is None:
            numbers = (mask.long().cumsum(1) - 1).clamp(min=0)

        last = t - 1 - mask.int().flip(1).argmax(1, keepdim=True)  # (b, 1) last real column
        if not self.writes:
            end = last.clamp(min=self.start)  # the infix stands before this column
        elif prompt_lengths is None:
            end = last + 1
        else:
            end = first + prompt_lengths.to(first).view(b, 1)
        moved = self.l_p * (columns >= self.start) + self.l_i * (columns >= end)  # (b, t)
        prefix = (self.start + torch.arange(self.l_p, device=embeds.device)).expand(b, -1)  # (b, l_p)
        infix = end + self.l_p + torch.arange(self.l_i, device=embeds.device)  # (b, l_i)
        place = torch.cat([columns + moved, prefix, infix], dim=1)  # (b, t + l_p + l_i) new column of everything
        order = torch.empty_like(place).scatter_(
            1, place, torch.arange(place.size(1), device=place.device).expand(b, -1)
        )

        virtual = self.embeddings().to(embeds.dtype).expand(b, -1, -1)  # (b, l_p + l_i, d)
        call["inputs_embeds"] = torch.take_along_dim(torch.cat([embeds, virtual], 1), order.unsqueeze(-1), dim=1)
        call["attention_mask"] = _taken(torch.cat([mask, mask.new_ones(b, self.l_p + self.l_i)], 1), order)
        if types is not None:
            inserted = [types[:, :1].expand(b, self.l_p), types.gather(1, end.clamp(max=t - 1)).expand(b, self.l_i)]
            call["token_type_ids"] = _taken(torch.cat([types, *inserted], 1), order)
        if numbers is not None:
            beginning = numbers.gather(1, first) + self.start  # (b, 1) number of the prefix's first token
            before = torch.where(end > first, numbers.gather(1, (end - 1).clamp(min=0)) + 1, beginning)
            inserted = [beginning + prefix - self.start, before + infix - end]
            call["position_ids"] = _taken(torch.cat([numbers + moved, *inserted], 1), order)
        self._back = columns + moved
        if self.writes and self.infix_predicts:
            self._back = self._back + self.l_i * (columns == end - 1)
        self._mask, self.slots = call["attention_mask"], place[:, t:]

    def _go_on(self, cache: Any, call: dict[str, Any]) -> None:
        """Lengthen mask and position numbers of a step whose cache holds the virtual tokens already."""
        stored: Tensor | None = getattr(cache, _MARK, None)
        if stored is None:
            raise BackboneError("the cache was filled without the virtual tokens; start from an empty one")
        given = call.get("inputs_embeds") if call.get("input_ids") is None else call["input_ids"]
        assert given is not None  # the backbone would refuse it as well
        b, t = given.shape[:2]
        mask, taken = call.get("attention_mask"), getattr(cache, _TAKEN)
        numbers = _rows(call.get("position_ids"), b)
        if mask is not None and mask.ndim == 4:
            if numbers is None:
                raise BackboneError("an attention mask of 4 axes does not tell the tokens' position_ids; give them too")
            call["position_ids"] = numbers + self.l_p + self.l_i
            return
        if mask is None:
            rest = stored.new_ones(b, cache.get_seq_length() + t - stored.size(1))
        else:
            rest = _plain_mask(mask, given)[:, taken:].to(stored.dtype)
        mask = torch.cat([stored, rest], dim=1)
        call["attention_mask"] = mask
        call["position_ids"] = mask.long().cumsum(1)[:, -t:] - 1 if numbers is None else numbers + self.l_p + self.l_i


class _Prompted:
    """Mixed into a decoder's class: without a cache every step gives the whole sequence, whose prompt has an end."""

    def prepare_inputs_for_generation(self, input_ids: Tensor, *args: Any, **kwargs: Any) -> dict[str, Any]:
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(input_ids, *args, **kwargs)  # type: ignore[misc]
        tokens = virtual_tokens(self)
        assert tokens is not None  # the class was mixed when they were inserted
        if kwargs.get("is_first_iteration"):
            mask = kwargs.get("attention_mask")
            whole = torch.full((input_ids.size(0),), input_ids.size(1), device=input_ids.device)
            tokens.prompt_lengths = whole if mask is None or mask.ndim != 2 else mask.sum(1)
        inputs["prompt_lengths"] = tokens.prompt_lengths
        return inputs


def attach(model: nn.Module, architecture: Architecture, tokens: VirtualTokens) -> None:
    """Make `tokens` a child of the model's encoder or decoder and let it act on every forward pass."""
    base = find(model, architecture.base)
    base.add_module(NAME, tokens)
    tokens.train(model.training)
    base.register_forward_pre_hook(tokens.enter, with_kwargs=True)
    base.register_forward_hook(tokens.leave)
    if tokens.writes:
        kind = type(model)
        model.__class__ = type(kind.__name__, (_Prompted, kind), {"__module__": kind.__module__})


def virtual_tokens(model: nn.Module) -> VirtualTokens | None:
    """The virtual tokens of an adapted model, where it has some."""
    return next((module for module in model.modules() if isinstance(module, VirtualTokens)), None)


def wants_prompt_lengths(model: nn.Module) -> bool:
    """Whether the model takes `prompt_lengths`, and needs it in order to put the infix in its place."""
    tokens = virtual_tokens(model)
    return tokens is not None and tokens.writes and tokens.l_i > 0


def columns_in_use(cache: Any, mask: Tensor) -> Tensor:
    """(b, columns of the cache) 0 where it holds padding, after a pass with `mask` (b, t) that filled it."""
    stored: Tensor | None = getattr(cache, _MARK, None)
    return mask if stored is None else stored


def take_rows(cache: Any, rows: Tensor) -> None:
    """Make `rows` (indices, repeated ones too) the rows of a cache, with or without virtual tokens in it, in place."""
    cache.batch_select_indices(rows)
    stored: Tensor | None = getattr(cache, _MARK, None)
    if stored is not None:
        setattr(cache, _MARK, stored[rows])


def trainable(model: nn.Module, architecture: Architecture, _config: object) -> set[str]:
    """Full names of all that a method keeps in its virtual tokens."""
    return {
        f"{architecture.base}.{NAME}.{name}"
        for name, _ in find(model, f"{architecture.base}.{NAME}").named_parameters()
    }


def draw_words(model: nn.Module, count: int, stream: Generator) -> Tensor:
    """(count,) ids drawn from the vocabulary with equal chances, the padding token left out."""
    config: Any = model.config
    pad = config.pad_token_id
    if pad is None or not 0 <= pad < config.vocab_size:
        return torch.randint(config.vocab_size, (count,), generator=stream)
    ids = torch.randint(config.vocab_size - 1, (count,), generator=stream)
    return ids + (ids >= pad)


def draw_normal(model: nn.Module, shape: tuple[int, ...], stream: Generator) -> Tensor:
    """Numbers from N(0, s^2), s the width with which the backbone's embeddings were drawn (0.02 as published)."""
    config: Any = model.config
    return torch.randn(shape, generator=stream) * config.initializer_range


@torch.no_grad()
def activations(base: nn.Module, modules: list[nn.Module], ids: Tensor) -> list[Tensor]:
    """What `modules` put out, each a (len(ids), features), when the backbone reads the words `ids` as one text."""
    seen: dict[int, Tensor] = {}

    def note(module: nn.Module, _args: object, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        seen.setdefault(id(module), first[0].detach().clone())  # DeBERTa uses its key projection twice: the first time

    handles = [module.register_forward_hook(note) for module in modules]
    try:
        base(input_ids=ids.unsqueeze(0), attention_mask=torch.ones_like(ids).unsqueeze(0))
    finally:
        for handle in handles:
            handle.remove()
    return [seen[id(module)] for module in modules]


def _plain_mask(mask: Tensor | None, tokens: Tensor) -> Tensor:
    if mask is None:
        return torch.ones(tokens.shape[:2], dtype=torch.long, device=tokens.device)
    if mask.ndim != 2:
        raise BackboneError(
            f"virtual tokens need an attention mask with a row per example, not one of {mask.ndim} axes; "
            "generate with the default (dynamic) cache"
        )
    return mask


def _rows(tensor: Tensor | None, b: int) -> Tensor | None:
    return None if tensor is None else tensor.expand(b, -1)


def _taken(tensor: Tensor | None, order: Tensor) -> Any:
    return None if tensor is None else tensor.gather(1, order)

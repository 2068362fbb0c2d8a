"""A GLUE example as plain text, for backbones that know neither [CLS] nor [SEP]: decoders with a classification head.

The paper gives GPT-3 MNLI as text and does not print how. Here each text stands under its column's name, and the
example is closed by a cue whose last token the head reads::

    premise: A man plays a guitar.
    hypothesis: A man makes music.
    answer:

    sentence: it was a good film
    answer:

The cue is the same in every example and never cut off. So the last token is not one that fills up rows either, whatever
a text ends in: where the padding token is the end of text, as with GPT-2, Transformers' head takes a row's last token
that is not padding for its end. A method with infix tokens has them before it. What the tokenizer puts before every
text (Llama 2's beginning of text; GPT-2 and SmolLM2 have none) stands before the whole; nothing stands behind it.
"""

from typing import TYPE_CHECKING

from lora_repro.errors import BackboneError, ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CUE = "\nanswer:"
"""Closes every example."""


def plain_ids(
    texts: list[str],
    pairs: list[str] | None,
    columns: tuple[str, ...],
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
    pad_token_id: int,
) -> list[list[int]]:
    """Token ids of every example in the plain form.

    An example that is too long loses tokens at the end of its longer text first, as a pair on an encoder does.

    Args:
        texts: the first text of each example.
        pairs: the second, or None for single sentences.
        columns: names of the texts, e.g. ``("premise", "hypothesis")``.
        max_length: tokens per example at most.
        pad_token_id: what rows will be filled up with.

    Raises:
        ConfigError: `max_length` leaves no room for text.
        BackboneError: the cue ends in the padding token: no head could tell where an example ends.
    """
    names = _ids(tokenizer, [f"{line}{name}:" for line, name in zip(("", "\n"), columns, strict=False)])
    names[0] = [*_beginning(tokenizer), *names[0]]
    (cue,) = _ids(tokenizer, [CUE])
    if cue[-1] == pad_token_id:
        raise BackboneError(
            f"tokenizer {tokenizer.name_or_path!r} turns the last word of {CUE!r} into token {pad_token_id}, which it "
            "pads with: a decoder's head cannot find the end of an example; expected another token"
        )
    room = max_length - sum(map(len, names)) - len(cue)
    if room < len(columns):
        raise ConfigError(
            f"recipe.max_length={max_length} leaves no room for text beside the {max_length - room} tokens of the "
            f"plain form ({', '.join(columns)}, answer)"
        )
    given = [texts] if pairs is None else [texts, pairs]
    parts = [_ids(tokenizer, [f" {text}" for text in column]) for column in given]
    rows = []
    for row in zip(*parts, strict=True):
        kept = zip(names, row, _lengths([len(part) for part in row], room), strict=True)
        rows.append([token for name, part, length in kept for token in (*name, *part[:length])] + cue)
    return rows


def _lengths(lengths: list[int], room: int) -> list[int]:
    """How many tokens each of one or two texts keeps: the longer one gives way until both are equal."""
    if sum(lengths) <= room:
        return lengths
    if len(lengths) == 1:
        return [room]
    first = min(lengths[0], max(room - lengths[1], (room + 1) // 2))
    return [first, room - first]


def _beginning(tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """What the tokenizer puts before every text: its beginning-of-text token, or nothing."""
    around: list[int] = tokenizer("")["input_ids"]
    return around[:1] if around and around[0] == tokenizer.bos_token_id else []


def _ids(tokenizer: "PreTrainedTokenizerBase", texts: list[str]) -> list[list[int]]:
    found: list[list[int]] = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return found

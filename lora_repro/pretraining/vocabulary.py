"""A byte-level BPE of our own, in the form of RoBERTa's and of GPT-2's tokenizer."""

from collections.abc import Iterable
from typing import Any, Literal

Kind = Literal["roberta", "gpt2"]

SPECIAL: dict[Kind, list[str]] = {
    "roberta": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],  # RoBERTa's own ids 0, 1, 2, 3; its <mask> stands last
    "gpt2": ["<|endoftext|>"],
}


def train_tokenizer(documents: Iterable[str], size: int, kind: Kind, max_length: int) -> Any:
    """Learn `size` tokens, the special ones included, and give them Transformers' tokenizer of that kind.

    Args:
        max_length: what the tokenizer calls its model's maximum, in tokens.
    """
    import json

    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Tokenizer, RobertaTokenizer

    learner = ByteLevelBPETokenizer(add_prefix_space=False)
    learner.train_from_iterator(documents, vocab_size=size, special_tokens=SPECIAL[kind], show_progress=False)
    learnt = json.loads(learner._tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in learnt["merges"]]
    cls = RobertaTokenizer if kind == "roberta" else GPT2Tokenizer
    return cls(vocab=learnt["vocab"], merges=merges, model_max_length=max_length)

"""What WebNLG and DART have in common: sets of triples, written on one line, each with its texts."""

from collections.abc import Iterable
from typing import NamedTuple

from lora_repro.tasks.data_to_text import DataToTextExamples, Pair, collect_pairs

Triple = tuple[str, str, str]
"""Subject, property (DART: relation), object."""


class Described(NamedTuple):
    """A set of triples and the texts of it that count."""

    triples: list[Triple]
    texts: list[str]
    category: str | None = None


def examples_of_triples(sets: Iterable[Described], source: str, lacking: str) -> DataToTextExamples:
    """Examples as the official code's ``format_converting_*.py`` make them: ``subject : property : object`` joined by
    `` | ``; every text is one pair. A set without a text is left out.

    Args:
        lacking: what to say where there is no text at all.

    Raises:
        DataError: there is no text.
    """
    pairs: list[Pair] = []
    contexts: list[str] = []
    for described in sets:
        context = " | ".join(" : ".join(triple) for triple in described.triples)
        pairs += [Pair(context, text, described.category) for text in described.texts]
        contexts += [context] if described.texts else []
    return collect_pairs(pairs, source, contexts, lacking)

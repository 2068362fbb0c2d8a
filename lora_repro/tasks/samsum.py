"""SAMSum (Gliwa et al. 2019, arXiv:1911.12237): chats and their summaries, from the published JSON files.

``train.json``, ``val.json`` and ``test.json`` are lists of ``{"id", "dialogue", "summary"}``; utterances stand on lines
of their own, ``Name: what was said``. The input is the paper's (App. C): the utterances, one a line, followed by an
empty line; the text is the summary, on one line. One chat of the official training file is empty and is kept, so that
its 14,732 pairs are all there.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lora_repro.errors import DataError
from lora_repro.tasks.data_to_text import DataToTextExamples, Pair, collect_pairs
from lora_repro.tasks.jsonfile import member, read_json, typed

STEMS = {"train": ("train",), "validation": ("val", "validation", "dev"), "test": ("test",)}


class Chat(NamedTuple):
    """One chat with its summary."""

    dialogue: str
    summary: str


def find(split: str, folder: Path) -> Path | None:
    """The split's file in a folder."""
    return next((path for stem in STEMS[split] if (path := folder / f"{stem}.json").is_file()), None)


def read(path: Path) -> DataToTextExamples:
    """Read one file.

    Raises:
        DataError: with the file, and the line where it is no JSON or else the number of the chat.
    """
    return examples_of(json_chats(path), "local", str(path))


def json_chats(path: Path) -> Iterator[Chat]:
    """The chats of a JSON file.

    Raises:
        DataError: as `read`.
    """
    for number, item in enumerate(typed(read_json(path), list, str(path)), start=1):
        where = f"{path}, entry {number}"
        record = typed(item, dict, where)
        yield checked(Chat(member(record, "dialogue", str, where), member(record, "summary", str, where)), where)


def checked(chat: Chat, where: str) -> Chat:
    """The chat itself.

    Raises:
        DataError: it has no summary.
    """
    if not chat.summary.strip():
        raise DataError(f"{where}: expected a summary, found an empty one")
    return chat


def examples_of(chats: Iterable[Chat], source: str, name: str) -> DataToTextExamples:
    """Examples of all chats.

    Args:
        name: of the source, for messages.

    Raises:
        DataError: there is no chat.
    """
    pairs = [Pair(f"{_lines(chat.dialogue)}\n\n", " ".join(chat.summary.split())) for chat in chats]
    return collect_pairs(pairs, source, lacking=f"{name}: expected chats, found none")


def _lines(dialogue: str) -> str:
    """The utterances with plain line ends, whatever the file has, and no empty lines."""
    return "\n".join(line.strip() for line in dialogue.splitlines() if line.strip())

"""One generated example, and what makes one."""

from collections.abc import Callable
from typing import NamedTuple

from lora_repro.tasks.embedded.draw import Draw


class Item(NamedTuple):
    """An example in a GLUE task's columns.

    Attributes:
        key: what it is about; two splits of a task never share a key.
        texts: one or two, in the order of the task's columns.
        label: the class id of `lora_repro.tasks.glue`, or a score from 0 to 5.
    """

    key: str
    texts: tuple[str, ...]
    label: int | float


Maker = Callable[[Draw, str], Item]
"""Makes an item from a stream of draws for a domain, "matched" or "mismatched" (only MNLI has the second)."""

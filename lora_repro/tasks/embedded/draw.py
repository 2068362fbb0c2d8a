"""Random draws from a hash: equal on every platform and under every version of Python and NumPy."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Draw:
    """A stream of draws that depends on its key alone."""

    def __init__(self, *key: str | int) -> None:
        self._key = "/".join(map(str, key))
        self._block = 0
        self._words: list[int] = []

    def below(self, bound: int) -> int:
        """A whole number from 0 to bound - 1; its bias, bound / 2**32, is below what a data set here could show."""
        if not self._words:
            digest = hashlib.blake2b(f"{self._key}#{self._block}".encode()).digest()  # 64 bytes: 16 draws
            self._words = [int.from_bytes(digest[at : at + 4], "big") for at in range(0, 64, 4)]
            self._block += 1
        return self._words.pop() % bound

    def of(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]

    def some(self, items: Sequence[Item], count: int) -> list[Item]:
        """`count` different items in random order."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in range(count)]

    def chance(self, percent: int) -> bool:
        """True in `percent` of 100 draws."""
        return self.below(100) < percent

"""A dictionary of bounded size that forgets what was not used for longest."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Of one thread, as everything in a worker."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K) -> V | None:
        if key not in self._items:
            return None
        self._items.move_to_end(key)
        return self._items[key]

    def put(self, key: K, value: V) -> bool:
        """Remember; True when something else was forgotten for it."""
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) <= self._capacity:
            return False
        self._items.popitem(last=False)
        return True

    def drop(self, key: K) -> None:
        self._items.pop(key, None)

"""Whose turn is it? Fair queueing by what runs cost, not by how many there were. Pure.

Each model has used so much time; of those that have rows, the one that used least goes next. Who was idle starts level
with the others (what it didn't use is no credit), and when all were idle nobody owes anything (Demers, Keshav and
Shenker 1989; with costs known only afterwards, so a debt rather than a deficit).
"""

from collections.abc import Collection


class Turns:
    """Used time by model's number, relative to each other."""

    def __init__(self) -> None:
        self._used: dict[int, float] = {}
        self._waited: set[int] = set()

    def ready(self, now_ready: Collection[int]) -> None:
        """These have rows or are at work; told whenever that may have changed."""
        if not now_ready:
            self._used.clear()
            self._waited.clear()
            return
        level = min((self._used.get(key, 0.0) for key in self._waited), default=0.0)
        for key in now_ready:
            if key not in self._waited:
                self._used[key] = max(self._used.get(key, 0.0), level)
        self._waited = set(now_ready)

    def pick(self, among: Collection[int]) -> int:
        """Of these (at least one), the one whose turn it is."""
        return min(among, key=lambda key: (self._used.get(key, 0.0), key))

    def spent(self, key: int, seconds: float) -> None:
        """It ran for so long."""
        self._used[key] = self._used.get(key, 0.0) + seconds

    def forget(self, key: int) -> None:
        """It's gone."""
        self._used.pop(key, None)
        self._waited.discard(key)

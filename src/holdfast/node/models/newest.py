"""The newest results of each deployment, to be shown; bounded."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from holdfast.model.predictions import Results

KEEP = 200
MOST_DEVICES = 100_000


@dataclass(slots=True)
class _Of:
    batches: deque[Results] = field(default_factory=deque)
    rows: int = 0
    devices: set[tuple[str, str]] = field(default_factory=set)


class Newest:
    """Loop thread only."""

    def __init__(self) -> None:
        self._of: dict[str, _Of] = {}

    def add(self, results: Results) -> None:
        """Take in what was told."""
        mine = self._of.setdefault(results.deployment, _Of())
        if len(results) > KEEP:
            results = results.take(np.arange(len(results) - KEEP, len(results)))
        mine.batches.append(results)
        mine.rows += len(results)
        while mine.rows - len(mine.batches[0]) >= KEEP:
            mine.rows -= len(mine.batches.popleft())
        if len(mine.devices) < MOST_DEVICES:
            mine.devices.update(results.places[key] for key in np.unique(results.key).tolist())

    def devices(self, deployment: str) -> list[tuple[str, str]]:
        """Those that have had a result, by name."""
        return sorted(self._of[deployment].devices) if deployment in self._of else []

    def count(self, deployment: str) -> int:
        """How many those are."""
        return len(self._of[deployment].devices) if deployment in self._of else 0

    def batches(self, deployment: str) -> Iterator[Results]:
        """The newest first; the rows within each oldest first."""
        yield from reversed(self._of[deployment].batches if deployment in self._of else ())

"""The journal's volatile mirror of small durable facts, and the draft a transaction works on.

Invariants: a `Draft` is copied from the committed state when a transaction begins and becomes the committed state
only after COMMIT returned; a failed write restores the draft it started from. So the mirror never runs ahead of
the disk.
"""

from collections import Counter
from dataclasses import dataclass, field

from holdfast.journal.records import GENESIS
from holdfast.model.lane import Lane


@dataclass(slots=True)
class Draft:
    """Heads, chains, cursors and counters as of the transaction so far."""

    heads: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    chains: dict[Lane, bytes] = field(default_factory=lambda: dict.fromkeys(Lane, GENESIS))
    cursors: dict[tuple[str, Lane], int] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    series_stored: int = 0

    def copy(self) -> "Draft":
        """An independent copy."""
        counters: Counter[str] = Counter()
        dict.update(counters, self.counters)  # Counter's own looks at what it's given first, once a commit
        return Draft(dict(self.heads), dict(self.chains), dict(self.cursors), counters, self.series_stored)

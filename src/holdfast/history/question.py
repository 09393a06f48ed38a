"""A question about the past as every tier understands it, and where the parts of an answer came from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from holdfast.history.errors import QueryTooLong
from holdfast.kernel.clock import Clock

LARGE_ROWS = 100_000


def patient() -> None:
    """Let a question take as long as it takes."""


class Deadline:
    """How long a question may take, from now on."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._end = clock.monotonic() + seconds

    def check(self) -> None:
        """Go on while there is time.

        Raises:
            QueryTooLong: when there is none.
        """
        if self._clock.monotonic() >= self._end:
            raise QueryTooLong(self._seconds)


@dataclass(frozen=True, slots=True)
class Question:
    """ids: series asked for, ascending; times: [from_ns, to_ns) UTC.

    step_ns:    length of the wanted steps; None = the readings as they came
    wants_rows: must every value be seen, as for a percentile?
    check:      called between parts; raises when the question has taken too long, or nobody waits for it any more
    """

    ids: NDArray[np.int32]
    from_ns: int
    to_ns: int
    step_ns: int | None = None
    wants_rows: bool = False
    check: Callable[[], None] = patient


class Source(Struct, frozen=True, omit_defaults=True):
    """One part of an answer.

    tier:  journal, warm (files on local disk), cold (the object store), parent, or site:NAME
    rows:  readings, or steps, that were looked at for it
    step:  0 = readings as they came, else length of the stored steps in s
    error: root mean square of reading minus its step's mean, where only steps were left
    note:  what is to be known about it, such as damage
    """

    tier: str
    from_ns: int
    to_ns: int
    rows: int
    step: int = 0
    error: float | None = None
    note: str = ""


class Missing(Struct, frozen=True):
    """Readings in this time that are gone; rows of all series together, as gaps don't know theirs."""

    from_ns: int
    to_ns: int
    rows: int
    reason: str


def summed(sources: list[Source]) -> list[Source]:
    """One entry a tier, step and note: rows added, times joined, errors by their rows."""
    kinds: dict[tuple[str, int, str], list[Source]] = {}
    for source in sources:
        kinds.setdefault((source.tier, source.step, source.note), []).append(source)
    return [_joined(parts) for parts in kinds.values()]


def _joined(parts: list[Source]) -> Source:
    rows = sum(part.rows for part in parts)
    known = [part for part in parts if part.error is not None]
    weight = sum(part.rows for part in known)
    error = None if not weight else sum((p.error or 0.0) * p.rows for p in known) / weight
    first = parts[0]
    low, high = min(p.from_ns for p in parts), max(p.to_ns for p in parts)
    return Source(first.tier, low, high, rows, first.step, error, first.note)


def is_large(sources: list[Source]) -> bool:
    """Was so much looked at that the memory it took is worth giving back?"""
    return sum(source.rows for source in sources) >= LARGE_ROWS

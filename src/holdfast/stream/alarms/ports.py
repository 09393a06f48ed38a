"""What an alarm is asked, and what it answers."""

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from holdfast.model.event import EventKind

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Transition:
    """A key's alarm changed.

    at:   the evaluation that did it; -1: time did
    ts:   event time of the change, ns
    held: evaluations since its condition began to hold
    """

    at: int
    slot: int
    kind: EventKind
    ts: int
    held: int


@dataclass(frozen=True, slots=True)
class Judged:
    """Evaluations as an alarm sees them, grouped by key. slots, firsts: (K,); the others (E,)."""

    slots: Array
    firsts: Array
    ts: Array
    when: Array
    clear: Array
    then: Array | None = None


class Alarm(Protocol):
    """The state machines of one rule's keys; its memory is in the rule's `State`."""

    def advance(self, judged: Judged) -> list[Transition]:
        """Take evaluations in. Several transitions of a key are in order."""
        ...

    def due(self, times: Array) -> list[Transition]:
        """What time alone does. times: what time it is for each slot, shape (slots,)."""
        ...

    def acknowledge(self, slot: int, ts: int) -> list[Transition]:
        """Somebody has seen the alert of a key, at `ts` by the key's clock."""
        ...

    def raised(self) -> Array:
        """The slots whose alert is raised."""
        ...

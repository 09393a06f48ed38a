"""What an alarm is asked, and what it answers."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from holdfast.model.event import EventKind

Array = NDArray[Any]

NEVER = (1 << 63) - 1
"""A timer that isn't set, ns."""

Cause = Literal["samples", "held", "cooled", "ended", "silent", "spoke", "followed", "missed", "acknowledged"]
"""Why now: an evaluation did it · it held for long enough · the cooldown was over · it had ended for long enough ·
no message for so long · a message came · `then` held in time · it didn't · somebody acknowledged it."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A key's alarm changed.

    at:    the evaluation that brought it, which tells the deciding row; -1: time passed, or somebody acknowledged it
    ts:    event time of the change, ns
    held:  evaluations since its condition began to hold
    since: event time since when it held, ns; for absence: the last message; for a sequence: when `when` held
    seen:  the evaluation whose values it is about; -1: the key's last one of an earlier batch
    """

    at: int
    slot: int
    kind: EventKind
    ts: int
    held: int
    since: int
    seen: int
    cause: Cause = "samples"


@dataclass(frozen=True, slots=True)
class Judged:
    """Evaluations as an alarm sees them, grouped by key. slots, firsts: (K,); the others (E,).

    ts:      event time
    times:   the newest event time of the key so far: what timers go by; `ts` itself for alarms without
    again:   whether this is a revision of the key's newest window, which was judged before; None: none is
    """

    slots: Array
    firsts: Array
    ts: Array
    times: Array
    when: Array
    clear: Array
    then: Array | None = None
    again: Array | None = None


class Standing(Protocol):
    """How the alarms of one rule's keys stand."""

    def acknowledge(self, slot: int, ts: int) -> list[Transition]:
        """Somebody has seen the alert of a key, at `ts` by the key's clock; what was due before comes first."""
        ...

    def raised(self) -> Array:
        """The slots whose alert is raised."""
        ...

    def since(self, slot: int) -> int:
        """Since when a key's condition has held, ns."""
        ...

    def end(self, slot: int) -> None:
        """The rule is no more: the key's alarm is at rest."""
        ...


class Alarm(Standing, Protocol):
    """The state machines of one rule's keys; its memory is in the rule's `State`."""

    def rests(self, slots: Array) -> bool:
        """Whether nothing is raised, holding or due at these slots: evaluations that don't hold change nothing then."""
        ...

    def advance(self, judged: Judged) -> list[Transition]:
        """Take evaluations in. Several transitions of a key are in order."""
        ...

    def due(self, times: Array) -> list[Transition]:
        """What time alone does. times: what time it is for each slot, shape (slots,)."""
        ...

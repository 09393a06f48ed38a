"""Questions under way, and their answers put together (clause 5.4.4: the client's side). No sockets, no clock.

One exchange is known by (station, invoke identifier). A segmented answer is taken segment by segment, at most 64 of
them; each window is acknowledged, and what comes out of order is asked for again.
"""

from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.adapters.bacnet.errors import Refused
from holdfast.adapters.bacnet.frames import MOST_SEGMENTS, Heard, Kind, Station, abort, segment_ack

_OVERFLOW = 1


class AllBusy(Exception):  # as the others here
    """256 questions to one station are under way: there's no identifier left."""


@dataclass(slots=True)
class Exchange:
    """A question. parts: segments of its answer; since_ack: of them not acknowledged; steps: PDUs that came for it."""

    answer: Future[bytes]
    service: int
    parts: list[bytes] = field(default_factory=list)
    since_ack: int = 0
    window: int = 1
    steps: int = 0


class Exchanges:
    """Of one socket."""

    def __init__(self, names: Callable[[Heard], str]) -> None:
        """names: what an Error, Reject or Abort says, in a word."""
        self._names = names
        self._under_way: dict[tuple[Station, int], Exchange] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._under_way)

    def begin(self, station: Station, service: int, answer: Future[bytes]) -> tuple[int, Exchange]:
        """A new question's invoke identifier; it's over with `end`.

        Raises:
            AllBusy: too many are under way.
        """
        for _ in range(256):
            invoke, self._next = self._next, (self._next + 1) % 256
            if (station, invoke) not in self._under_way:
                one = self._under_way[station, invoke] = Exchange(answer, service)
                return invoke, one
        raise AllBusy

    def end(self, station: Station, invoke: int) -> None:
        """Nobody waits any more."""
        self._under_way.pop((station, invoke), None)

    def fail_all(self, error: Exception) -> None:
        """The socket is gone."""
        for one in self._under_way.values():
            if not one.answer.done():
                one.answer.set_exception(error)

    def heard(self, pdu: Heard) -> bytes | None:
        """An answer, or a part of one; what is owed to who sent it. What nobody asked for is ignored."""
        one = self._under_way.get((pdu.source, pdu.invoke))
        if one is None or one.answer.done():
            return None
        one.steps += 1
        if pdu.kind in (Kind.ERROR, Kind.REJECT, Kind.ABORT):
            one.answer.set_exception(Refused(pdu.kind.name.lower(), self._names(pdu)))
        elif pdu.kind in (Kind.SIMPLE_ACK, Kind.COMPLEX_ACK) and pdu.choice != one.service:
            return None
        elif pdu.kind is Kind.SIMPLE_ACK:
            one.answer.set_result(b"")
        elif pdu.kind is Kind.COMPLEX_ACK and not pdu.is_segment:
            one.answer.set_result(pdu.payload)
        elif pdu.kind is Kind.COMPLEX_ACK:
            return self._segment(one, pdu)
        return None

    @staticmethod
    def _segment(one: Exchange, pdu: Heard) -> bytes | None:
        if pdu.sequence != len(one.parts):
            one.since_ack = 0
            last = max(0, len(one.parts) - 1)
            return segment_ack(pdu.invoke, last, one.window, negative=True)
        if len(one.parts) >= MOST_SEGMENTS:
            one.answer.set_exception(Refused("abort", "buffer-overflow"))
            return abort(pdu.invoke, _OVERFLOW)
        one.parts.append(pdu.payload)
        one.since_ack += 1
        if pdu.sequence == 0:
            one.window = max(1, min(pdu.window, 16))
        if not pdu.more:
            one.answer.set_result(b"".join(one.parts))
        if pdu.sequence == 0 or not pdu.more or one.since_ack >= one.window:
            one.since_ack = 0
            return segment_ack(pdu.invoke, pdu.sequence, one.window)
        return None

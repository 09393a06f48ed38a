"""How properties are asked for: many at once where the device can (15.7), one by one where it can't (15.5).

A device that can't send the answer (too long for it) gets shorter questions from then on; one that refuses a whole
question for one property of it is asked for these one by one, so that the property that is wrong says so itself.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from holdfast.adapters.bacnet import services
from holdfast.adapters.bacnet.errors import Refused
from holdfast.adapters.bacnet.frames import Station
from holdfast.adapters.bacnet.objects import TEXT, Ref
from holdfast.adapters.bacnet.services import Read
from holdfast.adapters.errors import DeviceFaulted
from holdfast.kernel.clock import Clock

Ask = Callable[[Station, int, bytes, float], Awaitable[bytes]]
"""(station, service, payload, timeout in s) -> payload of the answer."""
_CANT = {"unrecognized-service", "optional-functionality-not-supported"}
_TOO_LONG = {"segmentation-not-supported", "buffer-overflow", "apdu-too-long", "out-of-resources"}
_PER_VALUE, _PER_TEXT, _PER_REQUEST = 14, 60, 9
"""Octets of a property in an answer, with its share of the object's identifier; of a request, each at most so many."""


class Reader:
    """Of one device."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask, self._clock = ask, clock
        self.max_apdu = 480
        self.can_multiple = True
        self._shrunk = 1.0
        self.slowest_s = 0.0
        """Of the questions since it was set back."""

    def begin_anew(self) -> None:
        """Another device may be there now, or the same with other firmware."""
        self.can_multiple, self._shrunk = True, 1.0

    async def ask(self, station: Station, service: int, payload: bytes, timeout_s: float) -> bytes:
        """One question, timed. Raises what the link does."""
        began = self._clock.monotonic()
        try:
            return await self._ask(station, service, payload, timeout_s)
        finally:
            self.slowest_s = max(self.slowest_s, self._clock.monotonic() - began)

    async def read(self, station: Station, refs: Sequence[Ref], timeout_s: float) -> list[Read]:
        """All of these, in any order.

        Raises:
            TimeoutError: no answer.
            DeviceFaulted: answers that can't be read.
        """
        found: list[Read] = []
        rest = list(refs)
        while rest:
            part, rest = self._first(rest)
            if len(part) == 1 or not self.can_multiple:
                found += [await self.one(station, ref, timeout_s) for ref in part]
                continue
            try:
                answer = await self.ask(station, services.READ_MULTIPLE, services.read_multiple(part), timeout_s)
            except Refused as refused:
                if refused.code in _TOO_LONG:
                    self._shrunk = self._shrunk / 2
                    rest = [*part, *rest]
                    continue
                self.can_multiple = self.can_multiple and refused.code not in _CANT
                found += [await self.one(station, ref, timeout_s) for ref in part]
                continue
            found += _whole(services.multiple_read(answer), part)
        return found

    async def one(self, station: Station, ref: Ref, timeout_s: float) -> Read:
        """One property; what the device says against it is in the answer. Raises as `read` does."""
        try:
            answer = await self.ask(station, services.READ_PROPERTY, services.read_property(ref), timeout_s)
        except Refused as refused:
            return Read(ref, (), refused.code)
        return services.property_read(answer, ref)

    def _first(self, refs: list[Ref]) -> tuple[list[Ref], list[Ref]]:
        """As many as fit into one request and one answer that needs no segments; one at least."""
        room, sent = (self.max_apdu - 10) * self._shrunk, self.max_apdu - 10
        for i, ref in enumerate(refs):
            room -= _PER_TEXT if ref.type in TEXT else _PER_VALUE
            sent -= _PER_REQUEST
            if i and (room < 0 or sent < 0):
                return refs[:i], refs[i:]
        return refs, []


def _whole(found: list[Read], asked: Sequence[Ref]) -> list[Read]:
    """Each property that was asked for is answered, by a value or an error (15.7.1.2.2); what is cut off is no answer.

    Raises:
        DeviceFaulted: it isn't so.
    """
    if len(found) != len(asked) or {one.ref for one in found} != set(asked):
        raise DeviceFaulted(f"asked for {len(asked)} properties, and told of {len(found)}")
    return found


def by_object(reads: Iterable[Read]) -> dict[tuple[int, int], dict[int, Read]]:
    """Reads sorted: object, property."""
    found: dict[tuple[int, int], dict[int, Read]] = {}
    for one in reads:
        found.setdefault(one.ref.object, {})[one.ref.prop] = one
    return found

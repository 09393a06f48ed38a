"""The port between protocols and the hot path. Adapters know how bytes travel, not what they mean.

An adapter turns what it read into `Arrival`s and offers them to the `Inbox`. It is owed exactly one of
`receipt.settle()` or `receipt.refuse()` per arrival, on the event loop's thread, after the commit (G1).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import msgspec

from holdfast.adapters.supervised import AdapterStatus
from holdfast.journal.transaction import Transaction
from holdfast.model.points import PointMap, Scalar


class Receipt(Protocol):
    """What an arrival carries back to its source; settled once."""

    def settle(self) -> None:
        """The rows are on disk: tell the source (MQTT PUBACK, CoAP 2.04, HTTP 200)."""
        ...

    def refuse(self) -> None:
        """The rows are not on disk and will not be: the source must keep them (close without acking)."""
        ...


class Unwanted(msgspec.Struct, frozen=True):
    """Why one message isn't taken. busy: it may be later; all else stays so."""

    reason: Literal["too_large", "unreadable", "busy", "name"]
    sentence: str
    hint: str = ""


@runtime_checkable
class TellingReceipt(Receipt, Protocol):
    """A receipt whose source can be told of single messages that they aren't taken."""

    def turn_away(self, unwanted: Mapping[int, Unwanted]) -> None:
        """These aren't on disk and won't be, by their places; all others are. Instead of `settle` or `refuse`."""
        ...


class Annex(Protocol):
    """What an adapter wants stored in the very commit that stores an arrival's rows (MQTT: packet identifiers)."""

    def writing(self) -> Callable[[Transaction], None]:
        """The repeatable write; asked for once, on the loop's thread, when the commit is made up."""
        ...


class Answering(Protocol):
    """The way back to who sent a message, for what a protocol has us answer (Sparkplug's rebirth requests)."""

    def answer(self, topic: str, payload: bytes) -> bool:
        """Publish once, at QoS 0, where the message came from; never blocks. False: without a connection it's lost."""
        ...


class Verdicts(Protocol):
    """Who wants to know what became of an arrival's payloads. Called before their commit, on the loop's thread."""

    def refused(self, place: int, reason: str, detail: str) -> None:
        """The payload at this place goes to quarantine, and why."""
        ...

    def repeated(self, count: int) -> None:
        """So many payloads were here before, by the ids they carry: they aren't stored again."""
        ...


class Arrival(msgspec.Struct, frozen=True):
    """A run of messages of one source on one topic, in order of arrival.

    source:      who sent it, for quarantine and limits (MQTT client id)
    topic:       UTF-8 text, already checked by the adapter
    payloads:    the raw bytes, one per message
    received_ns: wall clock at receipt, ns UTC
    receipt:     settled once for the whole run
    retain:      the last payload is the topic's retained message (MQTT RETAIN)
    annex:       stored with the run's rows, all or nothing
    answers:     the way back; None = the node's own subscribers
    verdicts:    told what became of the payloads; None = nobody asks
    """

    source: str
    topic: str
    payloads: Sequence[bytes]
    received_ns: int
    receipt: Receipt
    retain: bool = False
    annex: Annex | None = None
    answers: Answering | None = None
    verdicts: Verdicts | None = None


class Inbox(Protocol):
    """Where adapters put arrivals. Bounded: the answer says when to stop reading."""

    def offer(self, arrival: Arrival) -> bool:
        """Take an arrival. False means "taken, but full now": read no more until `when_drained` calls back."""
        ...

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once, on the loop's thread, when there is room again."""
        ...


class Publisher(Protocol):
    """How a node publishes to its local subscribers (alerts, bus messages)."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1) -> None:
        """Hand `payload` to every matching local subscriber now, at most at this QoS; never blocks."""
        ...


class DeviceState(msgspec.Struct, frozen=True):
    """A device as the adapter that asks it sees it.

    device:   as its readings call it; where: its address on the adapter's link
    state:    failing = it doesn't answer and is asked less often; waiting = not heard yet
    every_s:  between polls, 0 = it sends by itself
    last_ns:  when it answered last, ns UTC, 0 = never since the start
    polls, failures: since the start; skipped: polls that weren't made, since the one before was late or the inbox full
    late_s:   how late polls begin, 99 of 100 of the latest ones
    error:    the last one in plain words, empty when it works
    """

    device: str
    where: str
    state: Literal["waiting", "working", "failing"]
    every_s: float = 0.0
    last_ns: int = 0
    polls: int = 0
    failures: int = 0
    skipped: int = 0
    late_s: float = 0.0
    error: str = ""


class EdgeAdapter(Protocol):
    """One link to devices of node.yaml: a bus, a server, a listener of its own. Loop thread only."""

    name: str
    """`kind:name of node.yaml`."""

    async def run(self) -> None:
        """Work for as long as the node does; nothing that happens outside ends it."""
        ...

    async def stop(self, deadline_s: float) -> None:
        """Take no more; what is under way is offered or given up within the deadline. `run` is cancelled afterwards."""
        ...

    def status(self) -> AdapterStatus:
        """How it is."""
        ...

    def devices(self) -> list[DeviceState]:
        """How each of its devices is."""
        ...

    async def try_once(self) -> str:
        """Without having run: reach it once, read something, and say what was found; leaves nothing behind.

        Raises:
            HoldfastError: it doesn't work; the hint says what to do.
        """
        ...

    def writes(self, device: str) -> bool:
        """May something of this device be written through this adapter?"""
        ...

    def map_of(self, device: str) -> PointMap | None:
        """What its points mean; None = values are written as commands give them."""
        ...

    async def write(self, device: str, values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Write points, as the device has them (before scale and unit), and return what is read back.

        Raises:
            DeviceUnreachable: nothing was written.
            WriteRefused: the device says no, or a point can't be written.
            WriteFailed: it was tried, and isn't to be seen.
        """
        ...

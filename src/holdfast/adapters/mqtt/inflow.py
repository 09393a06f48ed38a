"""What one client publishes, from its PUBLISH to the last packet about it: rights, Receive Maximum, acknowledgements.

A client that has `receive_maximum` messages unsettled is read no further (3.1.1) or is at fault (5, where it was told,
and where QoS 2 messages count until their PUBCOMP).
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.broker import Broker
from holdfast.adapters.mqtt.guests import Guest
from holdfast.adapters.mqtt.inbound import ExactReceipt, RunReceipt
from holdfast.adapters.mqtt.phases import Phase
from holdfast.adapters.mqtt.ports import NO_RECEIPT, Gate, Wire
from holdfast.adapters.mqtt.reader import PublishRun
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.session import Session
from holdfast.adapters.port import Unwanted

_TURNED_AWAY = {
    "busy": Reason.QUOTA_EXCEEDED,
    "too_large": Reason.IMPLEMENTATION,
    "unreadable": Reason.PAYLOAD_INVALID,
    "name": Reason.TOPIC_INVALID,
}
"""By why a message isn't taken: what MQTT 5 §3.4.2.1 lets a PUBACK say."""


class Client(Protocol):
    """What the inflow needs of its connection."""

    guest: Guest
    phase: Phase
    version: int
    is_held: bool
    """It isn't read now."""

    def hold(self) -> None:
        """Read, or don't: settled messages may have changed that."""
        ...

    def fail(self, reason: Reason, detail: str) -> None:
        """The client did what it mustn't: say so in the log, and close."""
        ...

    def close(self, reason: Reason) -> None:
        """Close; the client isn't at fault."""
        ...


class Inflow:
    """The messages of one connection that aren't finished."""

    __slots__ = ("_broker", "_client", "_exact", "_gate", "_most", "_unreleased", "_wire", "outstanding")

    def __init__(self, client: Client, broker: Broker, gate: Gate, wire: Wire, receive_maximum: int) -> None:
        self.outstanding = 0
        """Messages that wait for their commit."""
        self._client = client
        self._broker = broker
        self._gate = gate
        self._wire = wire
        self._most = receive_maximum
        self._exact = 0  # QoS 2 messages that wait for their commit
        self._unreleased: dict[bytes, None] = {}  # QoS 2 messages that wait for their PUBCOMP

    @property
    def is_at_limit(self) -> bool:
        """A client that wasn't told its Receive Maximum has used it up: it is read no further."""
        return self.outstanding >= self._most and self._client.version == packets.V311

    def publish(self, run: PublishRun, session: Session) -> None:
        """The client's messages came."""
        if not self._client.guest.may_publish(run.topic, len(run.payloads)):
            self._deny(run, session)
            return
        if not run.kind & 6:
            room = self._broker.accept(run, session, NO_RECEIPT)
        elif run.kind & 4:
            room = self._publish_once(run, session)
        else:
            self.outstanding += len(run.pids)
            if self._exceeds():
                self.outstanding -= len(run.pids)
                return
            room = self._broker.accept(run, session, RunReceipt(self, run.pids))
        if not room:
            self._gate.shut()

    # Receipts

    def settled(self, pids: list[bytes]) -> None:
        """A run is on disk."""
        self.outstanding -= len(pids)
        if self._client.phase is Phase.LIVE:
            self._wire.acknowledge(pids)
            if self._client.is_held:
                self._client.hold()

    def done_with(self, pids: list[bytes]) -> None:
        """A run of QoS 2 messages is settled or refused."""
        self.outstanding -= len(pids)
        self._exact -= len(pids)
        if self._client.is_held and self._client.phase is Phase.LIVE:
            self._client.hold()

    def refused(self, pids: list[bytes]) -> None:
        """A run won't be on disk."""
        self.outstanding -= len(pids)
        self._client.close(Reason.IMPLEMENTATION)

    def turned_away(self, pids: list[bytes], unwanted: Mapping[int, Unwanted]) -> None:
        """QoS 1 messages of a run aren't taken: MQTT 5 is told why.

        3.1.1 can't be: what may be taken later stays with the client, which is closed; what never will is acknowledged,
        like a reading that nobody can decode, or it would come for ever.
        """
        version = self._client.version
        if version != packets.V5:
            is_later = any(one.reason == "busy" for one in unwanted.values())
            (self.refused if is_later else self.settled)(pids)
            return
        self.outstanding -= len(pids)
        if self._client.phase is not Phase.LIVE:
            return
        for place, pid in enumerate(pids):  # in their order (§4.6)
            why = unwanted.get(place)
            reason = Reason.SUCCESS if why is None else _TURNED_AWAY[why.reason]
            self._wire.write([packets.acks(packets.PUBACK, version, [pid], reason)])
        if self._client.is_held:
            self._client.hold()

    # The rest of QoS 2

    def recorded(self, pids: Sequence[bytes]) -> None:
        """QoS 2 messages are on disk: PUBREC those that came on this connection."""
        mine = [pid for pid in pids if pid in self._unreleased]
        if self._client.phase is Phase.LIVE and mine:
            self._wire.write([packets.acks(packets.PUBREC, self._client.version, mine)])

    def completed(self, pids: Sequence[bytes], reason: Reason) -> None:
        """PUBCOMP these."""
        for pid in pids:
            self._unreleased.pop(pid, None)
        if self._client.phase is Phase.LIVE:
            self._wire.write([packets.acks(packets.PUBCOMP, self._client.version, pids, reason)])

    def _publish_once(self, run: PublishRun, session: Session) -> bool:
        """QoS 2: what was taken before isn't taken again."""
        self._unreleased.update(dict.fromkeys(run.pids))
        if self._exceeds():
            return True
        again = session.received.admit(run)
        if again:
            self._wire.write([packets.acks(packets.PUBREC, self._client.version, again)])
        if not run.pids:
            return True
        self.outstanding += len(run.pids)
        self._exact += len(run.pids)
        return self._broker.accept(run, session, ExactReceipt(self, session, run.pids))

    def _exceeds(self) -> bool:
        """Is this client over the Receive Maximum it was told? Then it's closed."""
        used = self.outstanding - self._exact + len(self._unreleased)
        if used <= self._most or self._client.version != packets.V5:
            return False
        self._client.fail(Reason.RECEIVE_MAXIMUM_EXCEEDED, "more unacknowledged messages than allowed")
        return True

    def _deny(self, run: PublishRun, session: Session) -> None:
        """No rule allows it: MQTT 5 is told so. 3.1.1 can't be, and a PUBACK would be a lie: it is closed (§3.3.5).

        Repeats of what was taken while a rule allowed it are answered as ever, or their identifiers never came free.
        """
        if not run.kind & 6:
            return
        version = self._client.version
        known, new = session.received.parted(run.pids) if run.kind & 4 else ([], run.pids)
        if known:
            self._unreleased.update(dict.fromkeys(known))
            self._wire.write([packets.acks(packets.PUBREC, version, known)])
        if new and version == packets.V5:
            kind = packets.PUBREC if run.kind & 4 else packets.PUBACK
            self._wire.write([packets.acks(kind, version, new, Reason.NOT_AUTHORISED)])
        elif new:
            self._client.fail(Reason.NOT_AUTHORISED, f"may not publish to {run.topic}")

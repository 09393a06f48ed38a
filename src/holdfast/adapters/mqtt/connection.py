"""One client's connection as a state machine: packets in, obligations to the wire and the broker. No I/O, no clock.

Its phases are in `phases`, what it publishes is `inflow`'s. Backpressure: while the inbox is full, telemetry and
everything behind it on this connection waits in `_parked`, and the wire is told to read no more; so at most one chunk
waits a connection.
"""

from collections.abc import Callable, Sequence

from holdfast.adapters.mqtt import greeting, packets
from holdfast.adapters.mqtt.broker import Broker
from holdfast.adapters.mqtt.counts import Counts
from holdfast.adapters.mqtt.guests import Guest, merged
from holdfast.adapters.mqtt.inflow import Inflow
from holdfast.adapters.mqtt.packets import Connect, Disconnect, Ping, Subscribe, Unsubscribe
from holdfast.adapters.mqtt.phases import NEXT, Phase
from holdfast.adapters.mqtt.ports import Gate, Wire
from holdfast.adapters.mqtt.reader import AckRun, Fault, Item, PublishRun
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.session import Session
from holdfast.adapters.mqtt.settings import MqttSettings


class Connection:
    """One client's connection. Implements the broker's `Link`."""

    __slots__ = (
        "_broker",
        "_deadline_s",
        "_gate",
        "_heard_at",
        "_inflow",
        "_most",
        "_parked",
        "_session",
        "_settings",
        "_wire",
        "client",
        "guest",
        "is_held",
        "phase",
        "publishes",
        "version",
    )

    def __init__(
        self,
        broker: Broker,
        gate: Gate,
        wire: Wire,
        settings: MqttSettings,
        now: float,
        guest: Guest | None = None,
    ) -> None:
        """guest: who it is, as the doors know it; None = judged by `users:` alone, with all rights."""
        self.guest = Guest(settings, Counts()) if guest is None else guest
        self.phase = Phase.GREETING
        self.version = 0
        self.client = ""
        self.publishes = False
        self.is_held = False
        self._deadline_s = settings.connect_timeout
        self._heard_at = now
        self._broker = broker
        self._gate = gate
        self._wire = wire
        self._settings = settings
        self._session: Session | None = None
        self._parked: list[Item] = []
        self._most = 0  # the largest packet the client takes, 0 = any
        self._inflow = Inflow(self, broker, gate, wire, settings.receive_maximum)

    @property
    def outstanding(self) -> int:
        """Messages that wait for their commit."""
        return self._inflow.outstanding

    # Facts from the shell

    def received(self, items: Sequence[Item], now: float) -> None:
        """Packets came."""
        self._heard_at = now
        if self._parked:
            self._parked.extend(items)
        else:
            self._take(items, now)

    def gate_opened(self, now: float) -> None:
        """The inbox has room again: go on with what was parked."""
        parked, self._parked = self._parked, []
        self._heard_at = now  # we didn't listen, so silence isn't the client's
        self._take(parked, now)
        self.hold()

    def gate_shut(self) -> None:
        """The inbox is full: a client that publishes is read no further."""
        self.hold()

    def tick(self, now: float) -> None:
        """Close a client that has been silent for too long."""
        if self._deadline_s and not self.is_held and now - self._heard_at > self._deadline_s:
            self.close(Reason.KEEP_ALIVE_TIMEOUT)

    def keeps_up(self, now: float, *, yes: bool) -> None:
        """The socket takes more, or no more."""
        if self._session is not None and self._session.link is self:
            self._session.keeps_up(now, yes=yes)

    def lost(self, now: float) -> None:
        """The socket is gone, whoever closed it."""
        self._leave(now, publish_will=True)

    def review(self) -> int:
        """The client's rights changed: what it may no longer have ends; how many subscriptions did."""
        session = self._session
        if session is None:
            return 0
        if not self.guest.may_will(session.will):
            self._broker.renounce(session)
        return self._drop_lost(session)

    # Link: what the broker asks for

    def send(self, frames: Sequence[bytes]) -> None:
        """Send packets."""
        self._wire.write(frames)

    def close(self, reason: Reason, detail: str = "") -> None:
        """Say why where the protocol can, and close."""
        if self.phase is Phase.CLOSED:
            return
        if self.phase is Phase.LIVE:
            self._wire.write([packets.disconnect(self.version, reason, detail, self._most)])
        if reason is Reason.SHUTTING_DOWN and self._session is not None:
            self._broker.spare(self._session)
        self._shut()

    def recorded(self, pids: Sequence[bytes]) -> None:
        """QoS 2 messages are on disk: PUBREC those that came on this connection."""
        self._inflow.recorded(pids)

    def completed(self, pids: Sequence[bytes], reason: Reason) -> None:
        """PUBCOMP these."""
        self._inflow.completed(pids, reason)

    # For the inflow

    def hold(self) -> None:
        """Read, or don't: the inbox and the client's own window decide."""
        held = bool(self._parked) or (self._gate.full and self.publishes) or self._inflow.is_at_limit
        if held != self.is_held:
            self.is_held = held
            self._wire.hold(on=held)

    def fail(self, reason: Reason, detail: str) -> None:
        """The client did what it mustn't: say so in the log, and close."""
        self._gate.noted(self, reason, detail)
        self.close(reason, detail)

    # Packets

    def _take(self, items: Sequence[Item], now: float) -> None:
        for place, item in enumerate(items):
            session = self._session
            if type(item) is PublishRun and session is not None and self.phase is Phase.LIVE:  # as NEXT has it
                self.publishes = True
                if self._gate.full and not self._broker.is_bus(item.topic):
                    self._parked.extend(items[place:])
                    break
                self._inflow.publish(item, session)
            elif type(item) in NEXT[self.phase]:
                self._other(item, now)
            else:
                self._unexpected(item)
                return
        self.hold()

    def _other(self, item: Item, now: float) -> None:
        match item:
            case Connect():
                self._greet(item, now)
            case Fault():
                self._gate.noted(self, item.reason, item.detail)
                self._broken(item.reason, item.detail)
            case Disconnect():
                self._goodbye(item, now)
            case Ping():
                self._wire.write([packets.PINGRESP_BYTES])
            case _:
                self._serve(item, now)

    def _serve(self, item: Item, now: float) -> None:
        session = self._session
        if session is None:
            return
        match item:
            case AckRun():
                self._acknowledged(session, item, now)
            case Subscribe():
                permitted, may = self.guest.screened(item)
                codes, then = self._broker.subscribed.subscribe(session, permitted, now)
                self._answer(session, packets.suback(self.version, item.pid, merged(codes, may)), then)
            case Unsubscribe():
                codes = self._broker.subscribed.unsubscribe(session, item)
                self._answer(session, packets.unsuback(self.version, item.pid, codes))

    def _answer(self, session: Session, frame: bytes, then: Callable[[], None] | None = None) -> None:
        """Say it once it's on disk, where the session is stored."""

        def say() -> None:
            if self.phase is Phase.LIVE:
                self._wire.write([frame])
                if then is not None:
                    then()

        self._broker.when_stored(session, say)

    def _acknowledged(self, session: Session, run: AckRun, now: float) -> None:
        if run.kind == packets.PUBREL:
            self._broker.released(session, run.pids, self)
        elif run.kind == packets.PUBREC:
            session.half_acked(run.pids, run.reason, now)
        else:
            session.acked(run.kind, run.pids, run.reason, now)

    def _greet(self, connect: Connect, now: float) -> None:
        self.version, self.client = connect.version, connect.client
        reason = self.guest.admit(connect)
        opened = self._broker.open(connect, self, now) if reason is Reason.SUCCESS else reason
        if isinstance(opened, Reason):
            self._gate.noted(self, opened, "turned away")
            self._wire.write([packets.connack(self.version, opened)])
            self._shut()
            return
        self._session, present = opened
        self.client = self._session.client
        self.phase = Phase.LIVE
        self._most = connect.maximum_packet
        settings, broker = self._settings, self._broker
        self._deadline_s = 1.5 * greeting.keep_alive(connect, settings)
        said = greeting.said(connect, self.client, broker.granted_expiry(connect.session_expiry_s), settings)
        self._wire.write([packets.connack(self.version, Reason.SUCCESS, present=present, said=said)])
        self._drop_lost(self._session)
        broker.resume(self._session, connect, now)

    def _drop_lost(self, session: Session) -> int:
        lost = self.guest.lost(tuple(session.subscriptions))
        if lost:
            self._broker.subscribed.unsubscribe(session, Unsubscribe(b"", lost))
        return len(lost)

    def _goodbye(self, item: Disconnect, now: float) -> None:
        session = self._session
        if session is not None and item.session_expiry_s is not None:
            if item.session_expiry_s and not session.expiry_s:  # MQTT 5 §3.14.2.2.2
                self._broken(Reason.PROTOCOL_ERROR, "a session without expiry can't get one in the end")
                return
            asked = item.session_expiry_s
            session.expiry_s = self._broker.granted_expiry(None if asked == packets.FOREVER else asked)
        self._leave(now, publish_will=item.reason == Reason.DISCONNECT_WITH_WILL)
        self._shut()

    def _unexpected(self, item: Item) -> None:
        if self.phase is Phase.CLOSED:
            return
        detail = f"{type(item).__name__} at the wrong time"
        self._gate.noted(self, Reason.PROTOCOL_ERROR, detail)
        self._broken(Reason.PROTOCOL_ERROR, detail)

    def _broken(self, reason: Reason, detail: str) -> None:
        if self.phase is Phase.GREETING and reason is Reason.UNSUPPORTED_VERSION:
            self._wire.write([packets.connack(packets.V311, reason)])
        self.close(reason, detail)

    def _leave(self, now: float, *, publish_will: bool) -> None:
        self._parked.clear()
        session, self._session = self._session, None
        if session is not None:
            self._broker.leave(session, self, now, publish_will=publish_will)

    def _shut(self) -> None:
        self.phase = Phase.CLOSED
        self._parked.clear()
        self._wire.hang_up()

"""The broker: sessions, subscriptions and the way of a message from a publisher to the inbox and to local subscribers.

A telemetry publish is routed to local subscribers at once (G6) and offered to the inbox, whose commit settles the
receipt (G1). A publish on a bus topic (`settings.bus`: alerts, local messages between machines) isn't telemetry: it is
routed, kept when retained, acknowledged at once and never journalled; its delivery promise is that of a memory broker.

No I/O here: connections are `Link`s, time is an argument (except for the wall clock stamped on arrivals).
Sessions live in memory: after a restart clients find no session and subscribe anew.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from holdfast.adapters.mqtt import fields
from holdfast.adapters.mqtt.names import filter_problem
from holdfast.adapters.mqtt.packets import Connect, Subscribe, Unsubscribe, Will, Wish
from holdfast.adapters.mqtt.ports import NO_RECEIPT, Link
from holdfast.adapters.mqtt.properties import Prop
from holdfast.adapters.mqtt.publication import Publication
from holdfast.adapters.mqtt.reader import PublishRun
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.retained import RetainedStore
from holdfast.adapters.mqtt.session import Budget, Session, Tally
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.topics import Destination, Grant, Routes
from holdfast.adapters.port import Arrival, Inbox, Receipt
from holdfast.kernel.clock import Clock

OnRetained = Callable[[str, bytes], None]


class Broker:
    """All sessions of the node's MQTT server. Implements `adapters.port.Publisher`."""

    def __init__(self, settings: MqttSettings, inbox: Inbox, clock: Clock) -> None:
        self._settings = settings
        self._inbox = inbox
        self._clock = clock
        self._budget = Budget(settings.queue_total)
        self._sessions: dict[str, Session] = {}
        self._links: dict[Session, Link] = {}
        self._routes: Routes[Session] = Routes(settings.bus)
        self._on_retained: OnRetained | None = None
        self.retained = RetainedStore(settings.retained_messages, settings.retained_bytes)
        self.tally = Tally()
        self.received = 0

    @property
    def sessions(self) -> int:
        """Sessions, connected or not."""
        return len(self._sessions)

    @property
    def subscriptions(self) -> int:
        """Subscriptions of all sessions."""
        return sum(len(session.subscriptions) for session in list(self._sessions.values()))

    def on_retained(self, callback: OnRetained) -> None:
        """Call back with topic and payload when a retained message changes that no `Arrival` carries: bus topics."""
        self._on_retained = callback

    def restore_retained(self, messages: Mapping[str, bytes]) -> None:
        """Keep messages that the node persisted; before `start`, so nobody is sent them yet."""
        for topic, payload in messages.items():
            self.retained.keep(Publication(topic, fields.text(topic), (payload,), qos=1, retain=True))

    # Publishing

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand `payload` to every matching local subscriber now, at QoS 1 where they asked for it."""
        publication = Publication(topic, fields.text(topic), (payload,), qos=1, retain=retain)
        self._route(publication, self._routes.of(topic), None)
        if retain:
            self._keep(publication, tell=True)

    def accept(self, run: PublishRun, origin: Session, receipt: Receipt) -> bool:
        """A client's messages. False: the inbox took them but is full now."""
        there = self._routes.of(run.topic)
        self.received += len(run.payloads)
        if there.routes or run.kind & 1:
            self._serve_local(run, there, origin)
        if there.bus:
            receipt.settle()
            return True
        return self._inbox.offer(
            Arrival(origin.client, run.topic, run.payloads, self._clock.wall_ns(), receipt, bool(run.kind & 1))
        )

    def is_bus(self, topic: str) -> bool:
        """The topic carries local messages, not telemetry."""
        return self._routes.of(topic).bus

    def _serve_local(self, run: PublishRun, there: Destination[Session], origin: Session) -> None:
        expires = self._clock.monotonic() + run.expiry_s if run.expiry_s is not None else 0.0
        publication = Publication(
            run.topic,
            run.field,
            run.payloads,
            qos=run.qos,
            retain=run.retain,
            properties=run.properties,
            expires=expires,
        )
        self._route(publication, there, origin)
        if run.retain:
            self._keep(publication, tell=there.bus)

    def _route(self, publication: Publication, there: Destination[Session], origin: Session | None) -> None:
        now = self._clock.monotonic() if there.routes else 0.0
        for route in there.routes:
            if route.key is origin and route.no_local:
                continue
            frames = route.key.deliver(publication, route, now)
            if frames:
                self._links[route.key].send(frames)

    def _keep(self, publication: Publication, *, tell: bool) -> None:
        last = Publication(
            publication.topic,
            publication.field,
            publication.payloads[-1:],
            qos=publication.qos,
            retain=True,
            properties=publication.properties,
            expires=publication.expires,
        )
        kept = self.retained.keep(last)
        if tell and self._on_retained is not None:
            self._on_retained(last.topic, last.payloads[0] if kept else b"")

    # Sessions

    def open(self, connect: Connect, link: Link, now: float) -> tuple[Session, bool] | Reason:
        """Give an admitted client its session (and whether it existed), or say why it can't have one.

        A connection that holds the session is closed. The caller sends CONNACK, then calls `resume`.
        """
        client = connect.client or f"auto-{secrets.token_hex(8)}"
        session = self._sessions.get(client)
        if session is not None and session.user != connect.username:
            return Reason.CLIENT_ID_INVALID  # nobody takes over another user's session
        if session is not None:
            self._take_over(session, now)
            if connect.clean_start or self._sessions.get(client) is not session:
                self._end(session)
                session = None
        present = session is not None
        if session is None:
            if len(self._sessions) >= self._settings.max_sessions and not self._evict():
                return Reason.SERVER_BUSY
            session = Session(client, connect.username, self._settings, self._budget, self.tally)
            self._sessions[client] = session
        session.expiry_s = self.granted_expiry(connect.session_expiry_s)
        session.ends_at = None
        session.will, session.will_at = connect.will, None
        self._links[session] = link
        return session, present

    def granted_expiry(self, asked_s: int | None) -> float:
        """How long a session may outlive its connection."""
        longest = self._settings.session_expiry
        return longest if asked_s is None else min(float(asked_s), longest)

    def resume(self, session: Session, connect: Connect, now: float) -> None:
        """CONNACK is out: send what the session is owed."""
        frames = session.arrive(connect.version, connect.receive_maximum, connect.maximum_packet, now)
        self._links[session].send(frames)

    def leave(self, session: Session, link: Link, now: float, *, publish_will: bool) -> None:
        """A connection ended. Nothing, when another connection has taken the session over already."""
        if self._links.get(session) is not link:
            return
        del self._links[session]
        session.leave(now)
        if session.will is not None and publish_will:
            session.will_at = now + min(float(session.will.delay_s), session.expiry_s)
        else:
            session.will = None
        self._tend(session, now)

    def tick(self, now: float) -> None:
        """Publish wills that are due, end sessions that expired."""
        for session in list(self._sessions.values()):
            self._tend(session, now)

    def _tend(self, session: Session, now: float) -> None:
        if session.will_at is not None and now >= session.will_at:
            self._publish_will(session)
        if session.ends_at is not None and now >= session.ends_at:
            self._end(session)

    def _take_over(self, session: Session, now: float) -> None:
        link = self._links.get(session)
        if link is not None:
            link.close(Reason.TAKEN_OVER)
            self.leave(session, link, now, publish_will=True)

    def _evict(self) -> bool:
        """Make room: the unconnected session that would end first goes."""
        away = [s for s in self._sessions.values() if s.ends_at is not None]
        if not away:
            return False
        self._end(min(away, key=lambda s: s.ends_at or 0.0))
        return True

    def _end(self, session: Session) -> None:
        if self._sessions.get(session.client) is not session:
            return
        del self._sessions[session.client]
        if session.will_at is not None:
            self._publish_will(session)
        for topic_filter in session.subscriptions:
            self._routes.remove(topic_filter, session)
        session.close()

    def _publish_will(self, session: Session) -> None:
        will, session.will, session.will_at = session.will, None, None
        if will is not None:
            self.accept(_run_of(will), session, NO_RECEIPT)

    # Subscriptions

    def subscribe(self, session: Session, packet: Subscribe, now: float) -> tuple[list[int], Callable[[], None]]:
        """Grant what may be granted: SUBACK's codes, and what sends the retained messages after it."""
        codes: list[int] = []
        granted: list[tuple[str, Grant]] = []
        for wish in packet.wishes:
            code = self._grantable(session, wish)
            codes.append(code)
            if code < 0x80:
                grant = Grant(code, wish.no_local, wish.retain_as_published, packet.identifier)
                known = wish.topic_filter in session.subscriptions
                session.subscriptions[wish.topic_filter] = grant
                self._routes.add(wish.topic_filter, session, grant)
                if wish.retain_handling == 0 or (wish.retain_handling == 1 and not known):
                    granted.append((wish.topic_filter, grant))
        return codes, lambda: self._send_retained(session, granted, now)

    def unsubscribe(self, session: Session, packet: Unsubscribe) -> list[int]:
        """UNSUBACK's codes."""
        codes: list[int] = []
        for topic_filter in packet.filters:
            session.subscriptions.pop(topic_filter, None)
            known = self._routes.remove(topic_filter, session)
            codes.append(Reason.SUCCESS if known else Reason.NO_SUBSCRIPTION_EXISTED)
        return codes

    def acked(self, session: Session, pids: list[bytes], now: float) -> None:
        """A subscriber acknowledged."""
        self._links[session].send(session.acked(pids, now))

    def keeps_up(self, session: Session, now: float, *, yes: bool) -> None:
        """A subscriber's socket takes more, or no more."""
        link = self._links.get(session)
        if link is not None:
            link.send(session.keeps_up(now, yes=yes))

    def _grantable(self, session: Session, wish: Wish) -> int:
        if wish.topic_filter.startswith("$share/"):
            return Reason.SHARED_UNSUPPORTED
        if filter_problem(wish.topic_filter):
            return Reason.FILTER_INVALID
        if len(session.subscriptions) >= self._settings.max_subscriptions:
            return Reason.QUOTA_EXCEEDED
        return min(wish.qos, 1)

    def _send_retained(self, session: Session, granted: list[tuple[str, Grant]], now: float) -> None:
        link = self._links.get(session)
        if link is None:
            return
        for topic_filter, grant in granted:
            for message in self.retained.matching(topic_filter, now):
                link.send(session.deliver_retained(message, grant, now))


def _run_of(will: Will) -> PublishRun:
    run = PublishRun(0x30 | will.qos << 1 | will.retain, will.topic, fields.text(will.topic))
    run.payloads.append(will.payload)
    run.pids.append(b"")
    kept: list[tuple[Prop, Any]] = list(will.properties)
    run.properties = kept
    run.expiry_s = will.expiry_s
    return run

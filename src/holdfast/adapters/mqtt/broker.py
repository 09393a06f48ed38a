"""The broker: sessions, subscriptions and the way of a message from a publisher to the inbox and to local subscribers.

A telemetry publish is routed to local subscribers at once (G6) and offered to the inbox, whose commit settles the
receipt (G1). A publish on a bus topic (`settings.bus`: alerts, local messages between machines) isn't telemetry: it is
routed, kept when retained, acknowledged at once and never journalled; its delivery promise is that of a memory broker.

No I/O here: connections are `Link`s, time is an argument (except for the wall clock stamped on arrivals).
Sessions live in memory. Those that may outlive their connections are stored, too, when there's a `Ledger`; sessions
that may not, and messages for which no stored session waits, cost the journal nothing.
"""

import math
import secrets
from collections.abc import Callable, Mapping, Sequence

from holdfast import __version__
from holdfast.adapters.mqtt import fields, wills
from holdfast.adapters.mqtt.ledger import Ledger, Note, NotedReceipt
from holdfast.adapters.mqtt.letters import Budget, Tally
from holdfast.adapters.mqtt.packets import Connect
from holdfast.adapters.mqtt.ports import NO_RECEIPT, Link
from holdfast.adapters.mqtt.publication import Publication
from holdfast.adapters.mqtt.reader import PublishRun
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.recall import recall, recall_will
from holdfast.adapters.mqtt.retained import RetainedStore
from holdfast.adapters.mqtt.session import Session
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.subscriptions import Subscriptions
from holdfast.adapters.mqtt.sys_topics import SysTopics
from holdfast.adapters.mqtt.topics import Destination, Route
from holdfast.adapters.port import Arrival, Inbox, Receipt
from holdfast.journal.mqtt_sessions import (
    Step,
    StoredSession,
    StoredWill,
    drop_session,
    drop_will,
    of_pids,
    put_session,
    release,
)
from holdfast.kernel.clock import Clock

OnRetained = Callable[[str, bytes], None]


class Broker:
    """All sessions of the node's MQTT server. Implements `adapters.port.Publisher`."""

    def __init__(self, settings: MqttSettings, inbox: Inbox, clock: Clock, ledger: Ledger | None = None) -> None:
        self._settings = settings
        self._inbox = inbox
        self._clock = clock
        self._budget = Budget(settings.queue_total)
        self._sessions: dict[str, Session] = {}
        self._ledger = ledger
        self._on_retained: OnRetained | None = None
        self._orphans: list[Session] = []  # nothing but a will is left of them
        self.retained = RetainedStore(settings.retained_messages, settings.retained_bytes)
        self.subscribed = Subscriptions(settings, self.retained, ledger)
        self.tally = Tally()
        self._sys = SysTopics(__version__, clock.monotonic())
        self.received = 0

    @property
    def sessions(self) -> int:
        """Sessions, connected or not."""
        return len(self._sessions)

    @property
    def subscriptions(self) -> int:
        """Subscriptions of all sessions."""
        return sum(len(session.subscriptions) for session in list(self._sessions.values()))

    @property
    def waiting(self) -> int:
        """Messages that wait in all sessions."""
        return sum(session.waiting for session in list(self._sessions.values()))

    def on_retained(self, callback: OnRetained) -> None:
        """Call back with topic and payload when a retained message changes that no `Arrival` carries: bus topics."""
        self._on_retained = callback

    def restore_retained(self, messages: Mapping[str, bytes]) -> None:
        """Keep messages that the node persisted; before `start`, so nobody is sent them yet."""
        for topic, payload in messages.items():
            self.retained.keep(Publication(topic, fields.text(topic), (payload,), qos=1, retain=True))

    def restore(
        self, stored: list[StoredSession], ledger: Ledger, now: float, stored_wills: Sequence[StoredWill] = ()
    ) -> int:
        """Bring back the sessions of an earlier life; how many letters and wills weren't what was written and are gone.

        A session whose client was connected when the node ended has its whole expiry before it.
        """
        lost = 0
        left = {one.session: one for one in stored_wills}
        for one in stored:
            session = Session(one.client, one.user, self._settings, self._budget, self.tally, ledger)
            lost += recall(session, one, ledger)
            self._sessions[one.client] = session
            self.subscribed.restore(session, one.subscriptions)
            away_s = (self._clock.wall_ns() - one.left_ns) / 1e9 if one.left_ns else 0.0
            session.ends_at = now + min(max(0.0, one.expiry_s - away_s), one.expiry_s)
            lost += recall_will(session, left.pop(one.number, None), ledger, now, away_s)
        for will in left.values():  # of sessions that ended in the very moment in which the node did
            session = Session("", None, self._settings, self._budget, self.tally, ledger)
            lost += recall_will(session, will, ledger, now, math.inf)
            self._orphans.append(session)
        return lost

    # Publishing

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1) -> None:
        """Hand `payload` to every matching local subscriber now, at most at this QoS."""
        publication = Publication(topic, fields.text(topic), (payload,), qos=qos, retain=retain)
        there = self.subscribed.of(topic)
        if there.is_local:
            self.deliver(publication, there)
        if retain:
            self._keep(publication, tell=True)

    def deliver(self, publication: Publication, there: Destination[Session]) -> None:
        """Hand the node's own publication to these receivers now; never blocks."""
        note = self._note()
        self._route(publication, there, None, note)
        self._store(note, _nothing)

    def accept(self, run: PublishRun, origin: Session, receipt: Receipt, also: Step | None = None) -> bool:
        """A client's messages, stored together with another step. False: the inbox took them but is full now."""
        there = self.subscribed.of(run.topic)
        self.received += len(run.payloads)
        note = None
        if there.routes or there.groups or run.kind & 5 or also:  # somebody listens, QoS 2, retained: not the hot path
            note = self._note()
            if note is not None and also is not None:
                note.also(also)
            if note is not None and run.kind & 4 and origin.number and run.pids[0]:
                note.receive(origin, run.pids)
            self._serve_local(run, there, origin, note)
        if there.bus:
            self._store(note, receipt.settle)
            return True
        if note:
            receipt = NotedReceipt(note, receipt)
        return self._inbox.offer(
            Arrival(
                origin.client, run.topic, run.payloads, self._clock.wall_ns(), receipt, bool(run.kind & 1), note or None
            )
        )

    def is_bus(self, topic: str) -> bool:
        """The topic carries local messages, not telemetry."""
        return self.subscribed.of(topic).bus

    def _note(self) -> Note | None:
        return None if self._ledger is None else Note(self._ledger)

    def _store(self, note: Note | None, then: Callable[[], None]) -> None:
        """Store what belongs to no arrival, then go on: at once when there is nothing to store."""
        if note and self._ledger is not None:
            self._ledger.keep(note, then)
        else:
            then()

    def _serve_local(self, run: PublishRun, there: Destination[Session], origin: Session, note: Note | None) -> None:
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
        self._route(publication, there, origin, note)
        if run.retain:
            self._keep(publication, tell=there.bus)

    def _route(
        self, publication: Publication, there: Destination[Session], origin: Session | None, note: Note | None
    ) -> None:
        now = self._clock.monotonic() if there.is_local else 0.0
        for route in there.routes:
            if route.key is not origin or not route.no_local:
                route.key.deliver(publication, route, now, note)
        for group in there.groups:
            self._share(publication, group, now, note)

    def _share(self, publication: Publication, name: str, now: float, note: Note | None) -> int:
        """Give a publication's messages to a group's members in turn; how many of them got none."""
        group = self.subscribed.group(name)
        portions = group.portions(len(publication.payloads), publication.qos) if group is not None else []
        for session, grant, part in portions:
            identifiers = (grant.identifier,) if grant.identifier else ()
            route = Route(session, grant.qos, False, grant.retain_as_published, identifiers)  # a record
            session.deliver(publication.of(publication.payloads[part]), route, now, note, name)
        return 0 if portions else len(publication.payloads)

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
            session = Session(client, connect.username, self._settings, self._budget, self.tally, self._ledger)
            self._sessions[client] = session
        session.expiry_s = self.granted_expiry(connect.session_expiry_s)
        session.ends_at = None
        session.will, session.will_at = connect.will, None
        session.link = link
        self._remember(session, left_ns=0)
        if self._ledger is not None:
            wills.remember(session, self._ledger)
        return session, present

    def granted_expiry(self, asked_s: int | None) -> float:
        """How long a session may outlive its connection."""
        longest = self._settings.session_expiry
        return longest if asked_s is None else min(float(asked_s), longest)

    def resume(self, session: Session, connect: Connect, now: float) -> None:
        """CONNACK is out: send what the session is owed."""
        session.arrive(
            connect.version,
            connect.receive_maximum,
            connect.maximum_packet,
            now,
            min(connect.topic_aliases, self._settings.topic_aliases),
        )

    def leave(self, session: Session, link: Link, now: float, *, publish_will: bool) -> None:
        """A connection ended. Nothing, when another connection has taken the session over already."""
        if session.link is not link:
            return
        session.link = None
        session.leave(now)
        if session.expiry_s:
            self._remember(session, left_ns=self._clock.wall_ns())
        if session.will is not None and publish_will:
            session.will_at = now + min(float(session.will.delay_s), session.expiry_s)
        else:
            self.renounce(session)
        self._tend(session, now)

    def spare(self, session: Session) -> None:
        """The node goes, the client didn't fail: no will, unless it's stored and so the business of the next life."""
        if not session.will_row:
            session.will = None

    def renounce(self, session: Session) -> None:
        """The client's will isn't to be published."""
        session.will = None
        if self._ledger is not None:
            wills.forget(session, self._ledger)

    def released(self, session: Session, pids: list[bytes], link: Link) -> None:
        """A client released QoS 2 messages: PUBCOMP once it's on disk that their identifiers are free."""
        known, unknown = session.received.release(pids)
        if unknown:
            link.completed(unknown, Reason.PID_NOT_FOUND)
        if known and session.number and self._ledger is not None:
            self._ledger.add(*of_pids(session.number, known, release))
            self._ledger.after(lambda: link.completed(known, Reason.SUCCESS))
        elif known:
            link.completed(known, Reason.SUCCESS)

    def when_stored(self, session: Session, then: Callable[[], None]) -> None:
        """Go on once everything about a session so far is on disk; at once for one that isn't stored."""
        if session.number and self._ledger is not None:
            self._ledger.after(then)
        else:
            then()

    def tick(self, now: float) -> None:
        """Publish wills that are due, end sessions that expired, say how the broker is."""
        for topic, payload in self._sys.due(now, self._counts, self.tally, self.received).items():
            self._say(topic, payload)
        orphans, self._orphans = self._orphans, []
        for session in (*orphans, *self._sessions.values()):
            self._tend(session, now)

    def _counts(self) -> dict[str, int]:
        online = sum(session.online for session in self._sessions.values())
        return {
            "clients/connected": online,
            "clients/disconnected": len(self._sessions) - online,
            "clients/total": len(self._sessions),
            "subscriptions/count": self.subscriptions,
            "retained messages/count": len(self.retained),
        }

    def _say(self, topic: str, payload: bytes) -> None:
        """Publish about the broker itself: retained in memory, since the next life says it anew."""
        publication = Publication(topic, fields.text(topic), (payload,), qos=0, retain=True)
        self._route(publication, self.subscribed.of(topic), None, None)
        self._keep(publication, tell=False)

    def _tend(self, session: Session, now: float) -> None:
        if session.will_at is not None and now >= session.will_at:
            self._publish_will(session)
        if session.ends_at is not None and now >= session.ends_at:
            self._end(session)

    def _take_over(self, session: Session, now: float) -> None:
        link = session.link
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
        self.subscribed.forget(session)
        if session.number and self._ledger is not None:
            self._ledger.add(*drop_session(session.number))
        session.number = 0
        self._hand_on(session, self._clock.monotonic())

    def _hand_on(self, session: Session, now: float) -> None:
        """What a session that ended was owed as a member of groups goes to their other members."""
        for letter in session.close():
            note = self._note()
            publication = letter.publication.of((letter.payload,))
            self.tally.dropped_waiting += self._share(publication, letter.group, now, note)
            self._store(note, _nothing)

    def _remember(self, session: Session, left_ns: int) -> None:
        """Store a session that may outlive its connection; forget one that no longer may.

        One that wasn't stored before is new: a session without expiry ended with its connection.
        """
        if self._ledger is None:
            return
        if session.expiry_s:
            session.number = session.number or self._ledger.new_session()
            self._ledger.add(put_session(session.number, session.client, session.user, session.expiry_s, left_ns))
        elif session.number:
            self._ledger.add(*drop_session(session.number))
            session.number = 0

    def _publish_will(self, session: Session) -> None:
        will, session.will, session.will_at = session.will, None, None
        if will is not None:
            row, session.will_row = session.will_row, 0
            self.accept(wills.run_of(will), session, NO_RECEIPT, drop_will(row) if row else None)


def _nothing() -> None:
    """Nobody waits."""

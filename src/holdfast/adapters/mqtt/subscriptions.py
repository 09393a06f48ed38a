"""Who subscribed to what: granting, routes, shared groups, and the retained messages of a new subscription."""

from collections.abc import Callable, Iterable

from holdfast.adapters.mqtt.ledger import Ledger, Note
from holdfast.adapters.mqtt.names import filter_problem, shared
from holdfast.adapters.mqtt.packets import Subscribe, Unsubscribe, Wish
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.retained import RetainedStore
from holdfast.adapters.mqtt.session import Session
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.shared import Group, Groups
from holdfast.adapters.mqtt.topics import Destination, Grant, Routes
from holdfast.journal.mqtt_sessions import StoredSubscription, subscribe, unsubscribe

_NO_LOCAL, _AS_PUBLISHED = 4, 8


class Subscriptions:
    """The subscriptions of all sessions."""

    def __init__(self, settings: MqttSettings, retained: RetainedStore, ledger: Ledger | None) -> None:
        self._settings = settings
        self._retained = retained
        self._ledger = ledger
        self._groups = Groups()
        self._routes: Routes[Session] = Routes(settings.bus)
        self.of: Callable[[str], Destination[Session]] = self._routes.of
        """Where a topic's messages go."""

    def group(self, name: str) -> Group | None:
        """A shared subscription that has members."""
        return self._groups.get(name)

    def subscribe(self, session: Session, packet: Subscribe, now: float) -> tuple[list[int], Callable[[], None]]:
        """Grant what may be granted: SUBACK's codes, and what sends the retained messages after it."""
        codes: list[int] = []
        granted: list[tuple[str, Grant]] = []
        for wish in packet.wishes:
            code = self._grantable(session, wish)
            codes.append(code)
            if code < Reason.UNSPECIFIED:
                grant = Grant(code, wish.no_local, wish.retain_as_published, packet.identifier)
                is_known = wish.topic_filter in session.subscriptions
                self._add(session, wish.topic_filter, grant)
                self._write(session, wish.topic_filter, grant)
                is_wanted = wish.retain_handling == 0 or (wish.retain_handling == 1 and not is_known)
                if is_wanted and shared(wish.topic_filter) is None:  # MQTT 5 §4.8.2: none for shared ones
                    granted.append((wish.topic_filter, grant))
        return codes, lambda: self._send_retained(session, granted, now)

    def unsubscribe(self, session: Session, packet: Unsubscribe) -> list[int]:
        """UNSUBACK's codes."""
        codes: list[int] = []
        for topic_filter in packet.filters:
            known = session.subscriptions.pop(topic_filter, None) is not None
            self._remove(session, topic_filter)
            if session.number and self._ledger is not None:
                self._ledger.add(unsubscribe(session.number, topic_filter))
            codes.append(Reason.SUCCESS if known else Reason.NO_SUBSCRIPTION_EXISTED)
        return codes

    def forget(self, session: Session) -> None:
        """A session ended."""
        for topic_filter in session.subscriptions:
            self._remove(session, topic_filter)
        session.subscriptions.clear()

    def restore(self, session: Session, stored: Iterable[StoredSubscription]) -> None:
        """What an earlier life of the node had granted."""
        for one in stored:
            grant = Grant(
                one.grants & 3, bool(one.grants & _NO_LOCAL), bool(one.grants & _AS_PUBLISHED), one.identifier
            )
            self._add(session, one.topic_filter, grant)

    def _grantable(self, session: Session, wish: Wish) -> int:
        if filter_problem(wish.topic_filter):
            return Reason.FILTER_INVALID
        is_known = wish.topic_filter in session.subscriptions
        if len(session.subscriptions) >= self._settings.max_subscriptions and not is_known:
            return Reason.QUOTA_EXCEEDED
        return wish.qos

    def _add(self, session: Session, topic_filter: str, grant: Grant) -> None:
        session.subscriptions[topic_filter] = grant
        parts = shared(topic_filter)
        if parts is None:
            self._routes.add(topic_filter, session, grant)
        else:
            self._groups.join(topic_filter, session, grant)
            self._routes.share(parts[1], topic_filter)

    def _remove(self, session: Session, topic_filter: str) -> None:
        parts = shared(topic_filter)
        if parts is None:
            self._routes.remove(topic_filter, session)
        elif self._groups.leave(topic_filter, session):
            self._routes.unshare(parts[1], topic_filter)

    def _write(self, session: Session, topic_filter: str, grant: Grant) -> None:
        if session.number and self._ledger is not None:
            bits = grant.qos | _NO_LOCAL * grant.no_local | _AS_PUBLISHED * grant.retain_as_published
            self._ledger.add(subscribe(session.number, topic_filter, bits, grant.identifier))

    def _send_retained(self, session: Session, granted: list[tuple[str, Grant]], now: float) -> None:
        if session.link is None:
            return
        note = None if self._ledger is None else Note(self._ledger)
        for topic_filter, grant in granted:
            for message in self._retained.matching(topic_filter, now):
                session.deliver_retained(message, grant, now, note)
        if note and self._ledger is not None:
            self._ledger.keep(note, lambda: None)

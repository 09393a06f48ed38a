"""A client's session: what it is owed, in which order, and what gives way when it doesn't keep up. Pure.

    QoS 0  goes out at once while the client is connected and its socket keeps up; else it waits in `_quiet`.
           Full: the oldest gives way. A client that isn't connected gets none.
    QoS 1  goes out while the window has room (the client's Receive Maximum, and our own `inflight`); else it waits in
           `_waiting`, also while the client is away. Full: the oldest gives way. What was sent and not acknowledged
           is sent again, with DUP and the same packet identifier, when the client comes back.

All waiting bytes of all sessions share one `Budget`. Every message that gives way is counted in `Tally`.
Invariants: len(_sent) <= window; a packet identifier is in _sent at most once; _again holds identifiers that
aren't in _sent, and is empty before _waiting is served.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.packets import Will
from holdfast.adapters.mqtt.publication import Publication
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.topics import Grant, Route

_OVERHEAD = 120  # objects around a waiting message, bytes, about
_QOS1 = packets.PUBLISH << 4 | 2
_DUP = 8


@dataclass(slots=True)
class Tally:
    """Counts over all sessions."""

    sent: int = 0
    dropped_quiet: int = 0
    dropped_waiting: int = 0
    dropped_oversize: int = 0


@dataclass(slots=True)
class Budget:
    """Bytes that all sessions together may keep waiting."""

    limit: int
    used: int = 0


class Letter:
    """One message owed to one subscriber."""

    __slots__ = ("cost", "identifiers", "payload", "publication", "retain")

    def __init__(self, publication: Publication, payload: bytes, identifiers: tuple[int, ...], *, retain: bool) -> None:
        self.publication = publication
        self.payload = payload
        self.identifiers = identifiers
        self.retain = retain
        self.cost = len(payload) + _OVERHEAD

    def packet(self, version: int, pid: int, now: float, *, again: bool = False) -> bytes:
        """The PUBLISH; QoS 0 when `pid` is 0."""
        first = (_QOS1 if pid else packets.PUBLISH << 4) | self.retain | (_DUP if again else 0)
        said = self.publication.said(version, self.identifiers, now)
        pid_bytes = pid.to_bytes(2, "big") if pid else b""
        return packets.publish(first, self.publication.field, pid_bytes, said, self.payload)


class _Queue:
    """Waiting letters, oldest first, bounded by count, bytes and the shared budget."""

    __slots__ = ("_budget", "_bytes", "_letters", "_max_bytes", "_max_letters")

    def __init__(self, settings: MqttSettings, budget: Budget) -> None:
        self._letters: deque[Letter] = deque()
        self._bytes = 0
        self._max_letters = settings.queue_messages
        self._max_bytes = settings.queue_bytes
        self._budget = budget

    def __len__(self) -> int:
        return len(self._letters)

    def put(self, letter: Letter) -> int:
        """Add a letter; how many gave way, the oldest first (the letter itself when it alone is too much)."""
        self._letters.append(letter)
        self._move(letter.cost)
        dropped = 0
        while self._letters and self._over():
            self.pop()
            dropped += 1
        return dropped

    def pop(self) -> Letter:
        """Take the oldest."""
        letter = self._letters.popleft()
        self._move(-letter.cost)
        return letter

    def clear(self) -> int:
        """Drop all; how many there were."""
        count = len(self._letters)
        self._move(-self._bytes)
        self._letters.clear()
        return count

    def _over(self) -> bool:
        return (
            len(self._letters) > self._max_letters
            or self._bytes > self._max_bytes
            or self._budget.used > self._budget.limit
        )

    def _move(self, cost: int) -> None:
        self._bytes += cost
        self._budget.used += cost


@dataclass(slots=True)
class Terms:
    """What holds while a client is connected."""

    version: int
    window: int
    maximum_packet: int = 0
    keeps_up: bool = True  # False while its socket takes no more
    frames: list[bytes] = field(default_factory=list)


class Session:
    """One client's subscriptions and deliveries; outlives its connections until it expires."""

    def __init__(self, client: str, user: str | None, settings: MqttSettings, budget: Budget, tally: Tally) -> None:
        self.client = client
        self.user = user
        self.subscriptions: dict[str, Grant] = {}
        self.expiry_s = 0.0
        self.ends_at: float | None = None
        """When an unconnected session is over; None while connected."""
        self.will: Will | None = None
        self.will_at: float | None = None
        self._inflight = settings.inflight
        self._quiet = _Queue(settings, budget)
        self._waiting = _Queue(settings, budget)
        self._sent: dict[int, Letter] = {}
        self._again: deque[tuple[int, Letter]] = deque()  # sent on an earlier connection, to be sent again
        self._last_pid = 0
        self._terms: Terms | None = None
        self._tally = tally

    @property
    def owed(self) -> int:
        """QoS 1 messages waiting or sent without an acknowledgement."""
        return len(self._waiting) + len(self._again) + len(self._sent)

    @property
    def waiting(self) -> int:
        """Messages that wait for room, of both QoS."""
        return len(self._waiting) + len(self._quiet)

    def arrive(self, version: int, receive_maximum: int, maximum_packet: int, now: float) -> Sequence[bytes]:
        """The client connected: what it gets right after CONNACK, old deliveries first."""
        terms = self._terms = Terms(version, min(receive_maximum, self._inflight), maximum_packet)
        self.ends_at = None
        return self._pump(terms, now)

    def leave(self, now: float) -> None:
        """The connection is gone."""
        self._terms = None
        self._again.extendleft(reversed(self._sent.items()))
        self._sent.clear()
        self._tally.dropped_quiet += self._quiet.clear()
        self.ends_at = now + self.expiry_s

    def close(self) -> None:
        """The session is over: what it still was owed is dropped and counted."""
        self._terms = None
        self._tally.dropped_quiet += self._quiet.clear()
        self._tally.dropped_waiting += self._waiting.clear() + len(self._sent) + len(self._again)
        self._sent.clear()
        self._again.clear()

    def deliver(self, publication: Publication, route: Route["Session"], now: float) -> Sequence[bytes]:
        """A matching publication: packets to send now. QoS is the lower of published and granted."""
        terms = self._terms
        retain = publication.retain and route.retain_as_published
        if publication.qos and route.qos:
            return self._deliver_acked(publication, route.identifiers, now, retain=retain)
        if terms is None:
            return ()
        if terms.keeps_up and not self._quiet and not terms.maximum_packet:
            frames = publication.unacked(terms.version, route.identifiers, now, retain=retain)
            self._tally.sent += len(frames)
            return frames
        for payload in publication.payloads:
            self._tally.dropped_quiet += self._quiet.put(Letter(publication, payload, route.identifiers, retain=retain))
        return self._pump(terms, now)

    def deliver_retained(self, publication: Publication, grant: Grant, now: float) -> Sequence[bytes]:
        """A retained message for a new subscription; RETAIN stays set."""
        identifiers = (grant.identifier,) if grant.identifier else ()
        letter = Letter(publication, publication.payloads[0], identifiers, retain=True)
        if publication.qos and grant.qos:
            self._tally.dropped_waiting += self._waiting.put(letter)
        else:
            self._tally.dropped_quiet += self._quiet.put(letter)
        return self._pump(self._terms, now) if self._terms else ()

    def acked(self, pids: Sequence[bytes], now: float) -> Sequence[bytes]:
        """PUBACKs came: room in the window. Unknown identifiers are ignored, as a repeat after a reconnect is."""
        for pid in pids:
            self._sent.pop(int.from_bytes(pid, "big"), None)
        return self._pump(self._terms, now) if self._terms else ()

    def keeps_up(self, now: float, *, yes: bool) -> Sequence[bytes]:
        """The socket takes more, or no more."""
        if self._terms is None:
            return ()
        self._terms.keeps_up = yes
        return self._pump(self._terms, now)

    def _deliver_acked(
        self, publication: Publication, identifiers: tuple[int, ...], now: float, *, retain: bool
    ) -> Sequence[bytes]:
        for payload in publication.payloads:
            self._tally.dropped_waiting += self._waiting.put(Letter(publication, payload, identifiers, retain=retain))
        return self._pump(self._terms, now) if self._terms else ()

    def _pump(self, terms: Terms, now: float) -> Sequence[bytes]:
        """Send what may go: QoS 1 into the window, old deliveries first, then QoS 0 while the socket keeps up."""
        while self._again and len(self._sent) < terms.window:
            pid, letter = self._again.popleft()
            self._sent[pid] = letter
            self._put_packet(terms, letter.packet(terms.version, pid, now, again=True), pid)
        while self._waiting and len(self._sent) < terms.window:
            letter = self._waiting.pop()
            if not letter.publication.expired(now):
                pid = self._free_pid()
                self._sent[pid] = letter
                self._put_packet(terms, letter.packet(terms.version, pid, now), pid)
        while self._quiet and terms.keeps_up:
            letter = self._quiet.pop()
            if not letter.publication.expired(now):
                self._put_packet(terms, letter.packet(terms.version, 0, now), 0)
        frames, terms.frames = terms.frames, []
        return frames

    def _put_packet(self, terms: Terms, frame: bytes, pid: int) -> None:
        if terms.maximum_packet and len(frame) > terms.maximum_packet:  # MQTT 5 §3.1.2.11.4: as if it were delivered
            self._sent.pop(pid, None)
            self._tally.dropped_oversize += 1
            return
        self._tally.sent += 1
        terms.frames.append(frame)

    def _free_pid(self) -> int:
        pid = self._last_pid
        while True:
            pid = pid % 65_535 + 1
            if pid not in self._sent:
                self._last_pid = pid
                return pid

"""A client's session: what it is owed, in which order, and what gives way when it doesn't keep up. Pure.

    QoS 0     goes out at once while the client is connected and its socket keeps up; else it waits in `_quiet`.
              Full: the oldest gives way. A client that isn't connected gets none.
    QoS 1, 2  go out while the window has room (the client's Receive Maximum, and our own `inflight`); else they wait in
              `_waiting`, also while the client is away. Full: the oldest gives way. What was sent and not finished is
              taken up again when the client comes back: PUBLISH with DUP and the same packet identifier, or PUBREL.

A session that may outlive its connection is stored (`number`), and so are its letters. A QoS 2 letter of such a session
leaves only after its packet identifier is on disk, and its PUBREL only after the PUBREC is: after a kill the client
would else take a message for a repeat, or a repeat for a message. QoS 1 waits for nothing: a repeat is lawful.

All waiting bytes of all sessions share one `Budget`. Every message that gives way is counted in `Tally`.
Invariants: len(_sent) <= window; a packet identifier is in _sent at most once; _again holds letters with identifiers
that aren't in _sent, and is empty before _waiting is served.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.inbound import Received
from holdfast.adapters.mqtt.ledger import Ledger, Note
from holdfast.adapters.mqtt.letters import Budget, Letter, Queue, Tally
from holdfast.adapters.mqtt.packets import Will
from holdfast.adapters.mqtt.ports import Link
from holdfast.adapters.mqtt.publication import Publication
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.topics import Grant, Route
from holdfast.journal.mqtt_sessions import drop_letter, move_letter

_NO_TOPIC = b"\0\0"


@dataclass(slots=True)
class Terms:
    """What holds while a client is connected. now: when it was last served."""

    version: int
    window: int
    maximum_packet: int = 0
    max_aliases: int = 0
    keeps_up: bool = True  # False while its socket takes no more
    frames: list[bytes] = field(default_factory=list)
    aliases: dict[bytes, int] = field(default_factory=dict)
    now: float = 0.0

    @property
    def is_plain(self) -> bool:
        """Packets may be shared with other subscribers."""
        return not self.maximum_packet and not self.max_aliases

    def frame(self, letter: Letter, now: float) -> bytes | None:
        """The letter's PUBLISH, by alias where there is one; None when it's larger than the client takes."""
        whole = letter.publication.field
        alias, is_known = self.aliases.get(whole, 0), whole in self.aliases
        if not is_known and len(self.aliases) < self.max_aliases:
            alias = len(self.aliases) + 1
        frame = letter.packet(self.version, now, alias, _NO_TOPIC if is_known else whole)
        if self._fits(frame):
            if alias:
                self.aliases[whole] = alias
            return frame
        if alias and not is_known:
            frame = letter.packet(self.version, now, 0, whole)
        return frame if self._fits(frame) else None

    def _fits(self, frame: bytes) -> bool:
        return not self.maximum_packet or len(frame) <= self.maximum_packet


class Session:
    """One client's subscriptions and deliveries; outlives its connections until it expires."""

    __slots__ = (
        "_again",
        "_inflight",
        "_last_pid",
        "_ledger",
        "_quiet",
        "_sent",
        "_tally",
        "_terms",
        "_waiting",
        "client",
        "ends_at",
        "expiry_s",
        "link",
        "number",
        "received",
        "subscriptions",
        "user",
        "will",
        "will_at",
        "will_row",
    )

    def __init__(
        self,
        client: str,
        user: str | None,
        settings: MqttSettings,
        budget: Budget,
        tally: Tally,
        ledger: Ledger | None = None,
    ) -> None:
        self.client = client
        self.user = user
        self.number = 0
        """Its row in the journal; 0 while it isn't stored."""
        self.link: Link | None = None
        self.subscriptions: dict[str, Grant] = {}
        self.received = Received()
        self.expiry_s = 0.0
        self.ends_at: float | None = None
        """When an unconnected session is over; None while connected."""
        self.will: Will | None = None
        self.will_at: float | None = None
        self.will_row = 0
        """The will's row in the journal; 0 while it isn't stored."""
        self._inflight = settings.inflight
        self._quiet = Queue(settings, budget)
        self._waiting = Queue(settings, budget)
        self._sent: dict[int, Letter] = {}
        self._again: list[Letter] = []  # sent on an earlier connection, to be taken up again; the next one last
        self._last_pid = 0
        self._terms: Terms | None = None
        self._tally = tally
        self._ledger = ledger

    @property
    def online(self) -> bool:
        """The client is connected."""
        return self._terms is not None

    @property
    def owed(self) -> int:
        """QoS 1 and 2 messages waiting or sent and not finished."""
        return len(self._waiting) + len(self._again) + len(self._sent)

    @property
    def waiting(self) -> int:
        """Messages that wait for room, of every QoS."""
        return len(self._waiting) + len(self._quiet)

    def arrive(self, version: int, receive_maximum: int, maximum_packet: int, now: float, aliases: int = 0) -> None:
        """The client connected: send what it gets right after CONNACK, old deliveries first."""
        terms = self._terms = Terms(version, min(receive_maximum, self._inflight), maximum_packet, aliases)
        self.ends_at = None
        self._pump(terms, now)

    def leave(self, now: float) -> None:
        """The connection is gone."""
        self._terms = None
        for letter in self._sent.values():
            letter.on_wire = False
        self._again.extend(reversed(self._sent.values()))
        self._sent.clear()
        self._tally.dropped_quiet += len(self._quiet.clear())
        self.ends_at = now + self.expiry_s

    def close(self) -> list[Letter]:
        """The session is over: what it was owed of shared subscriptions and others may have; the rest is counted.

        A QoS 2 letter that was begun to be sent goes to nobody else (MQTT-4.8.2-5).
        """
        self._terms = None
        self._tally.dropped_quiet += len(self._quiet.clear())
        owed = [
            one for one in (*reversed(self._again), *self._sent.values(), *self._waiting.clear()) if not one.released
        ]
        self._sent.clear()
        self._again.clear()
        shared = [one for one in owed if one.group and (one.qos == 1 or not one.sends)]
        self._tally.dropped_waiting += len(owed) - len(shared)
        return shared

    def restore(self, letters: Iterable[Letter]) -> None:
        """What an earlier life of the node still owed, in order."""
        sent: list[Letter] = []
        for letter in letters:
            if letter.pid:
                letter.sends = 1
                sent.append(letter)
                self._last_pid = letter.pid
            else:
                self._wait(letter)
        self._again[:0] = reversed(sent)

    # Deliveries

    def deliver(
        self, publication: Publication, route: Route["Session"], now: float, note: Note | None = None, group: str = ""
    ) -> None:
        """A matching publication. QoS is the lower of published and granted."""
        terms = self._terms
        retain = publication.retain and route.retain_as_published
        qos = min(publication.qos, route.qos)
        if qos:
            for payload in publication.payloads:
                letter = Letter(publication, payload, route.identifiers, qos=qos, retain=retain, group=group)
                self._owe(letter, note)
        elif terms is None:
            return
        elif terms.keeps_up and not self._quiet and terms.is_plain:
            frames = publication.unacked(terms.version, route.identifiers, now, retain=retain)
            self._tally.sent += len(frames)
            self._send_all(frames)
            return
        else:
            for payload in publication.payloads:
                letter = Letter(publication, payload, route.identifiers, qos=0, retain=retain)
                self._tally.dropped_quiet += len(self._quiet.put(letter))
        self._pump(terms, now)

    def deliver_retained(self, publication: Publication, grant: Grant, now: float, note: Note | None = None) -> None:
        """A retained message for a new subscription; RETAIN stays set."""
        identifiers = (grant.identifier,) if grant.identifier else ()
        qos = min(publication.qos, grant.qos)
        letter = Letter(publication, publication.payloads[0], identifiers, qos=qos, retain=True)
        if qos:
            self._owe(letter, note)
        else:
            self._tally.dropped_quiet += len(self._quiet.put(letter))
        self._pump(self._terms, now)

    def acked(self, kind: int, pids: Sequence[bytes], reason: int, now: float) -> None:
        """PUBACKs or PUBCOMPs came: room in the window. Unknown identifiers are ignored, as repeats are."""
        for pid in pids:
            number = int.from_bytes(pid, "big")
            letter = self._sent.get(number)
            if letter is not None and (letter.qos == 1 if kind == packets.PUBACK else letter.released):
                del self._sent[number]
                self._tally.refused += reason >= Reason.UNSPECIFIED
                if letter.qos == 1 and reason < Reason.UNSPECIFIED:
                    letter.heard()
                self._gone(letter)
        self._pump(self._terms, now)

    def half_acked(self, pids: Sequence[bytes], reason: int, now: float) -> None:
        """PUBRECs came: PUBREL once that is on disk; a refusal ends the delivery (MQTT 5 §4.3.3)."""
        terms = self._terms
        if terms is None:
            return
        unknown: list[bytes] = []
        for pid in pids:
            letter = self._sent.get(int.from_bytes(pid, "big"))
            if letter is None or letter.qos != 2 or not letter.on_wire:
                unknown.append(pid)
            elif reason >= Reason.UNSPECIFIED:
                if not letter.released:
                    del self._sent[letter.pid]
                    self._tally.refused += 1
                    self._gone(letter)
            else:
                if not letter.released:
                    letter.released = True
                    letter.heard()
                    self._moved(letter)
                self._send(terms, letter, now)
        if unknown and reason < Reason.UNSPECIFIED:
            terms.frames.append(packets.acks(packets.PUBREL, terms.version, unknown, Reason.PID_NOT_FOUND))
        self._pump(terms, now)

    def keeps_up(self, now: float, *, yes: bool) -> None:
        """The socket takes more, or no more."""
        if self._terms is not None:
            self._terms.keeps_up = yes
            self._pump(self._terms, now)

    def kept(self, letter: Letter) -> None:
        """A QoS 2 letter's state is on disk: go on with it."""
        waited, letter.safe = not letter.safe, True
        terms = self._terms
        if waited and terms is not None and self._sent.get(letter.pid) is letter:
            self._send(terms, letter, terms.now)
            self._pump(terms, terms.now)

    def _owe(self, letter: Letter, note: Note | None) -> None:
        if self.number and note is not None:
            note.owe(self, letter)
        self._wait(letter)

    def _wait(self, letter: Letter) -> None:
        for dropped in self._waiting.put(letter):
            self._tally.dropped_waiting += 1
            self._gone(dropped)

    def _gone(self, letter: Letter) -> None:
        letter.gone = True
        if letter.stored and self._ledger is not None:
            self._ledger.add(drop_letter(letter.number))

    def _moved(self, letter: Letter) -> None:
        """A letter's state changed: written by itself, or with the note it is in."""
        if not letter.number:
            return
        letter.safe = letter.qos != 2
        if letter.stored and self._ledger is not None:
            self._ledger.add(move_letter(letter.number, letter.pid, released=letter.released))
            if not letter.safe:
                self._ledger.after(lambda: self.kept(letter))

    def _pump(self, terms: Terms | None, now: float) -> None:
        """Send what may go: QoS 1 and 2 into the window, old ones first, then QoS 0 while the socket keeps up."""
        if terms is None:
            return
        terms.now = now
        while self._again and len(self._sent) < terms.window:
            letter = self._again.pop()
            self._sent[letter.pid] = letter
            self._send(terms, letter, now)
        while self._waiting and len(self._sent) < terms.window:
            letter = self._waiting.pop()
            if letter.publication.expired(now):
                self._tally.expired += 1
                self._gone(letter)
                continue
            letter.pid = self._free_pid()
            self._sent[letter.pid] = letter
            self._moved(letter)
            self._send(terms, letter, now)
        while self._quiet and terms.keeps_up:
            letter = self._quiet.pop()
            if not letter.publication.expired(now):
                self._send(terms, letter, now)
        frames, terms.frames = terms.frames, []
        self._send_all(frames)

    def _send(self, terms: Terms, letter: Letter, now: float) -> None:
        """The next packet about a letter, unless it waits for the disk: then `kept` sends it."""
        if not letter.safe:
            return
        if letter.released:
            letter.on_wire = True
            terms.frames.append(packets.acks(packets.PUBREL, terms.version, [letter.pid.to_bytes(2, "big")]))
            return
        frame = terms.frame(letter, now)
        if frame is None:  # MQTT 5 §3.1.2.11.4: as if it were delivered
            self._sent.pop(letter.pid, None)
            self._tally.dropped_oversize += 1
            self._gone(letter)
            return
        letter.sends += 1
        letter.on_wire = True
        self._tally.sent += 1
        terms.frames.append(frame)

    def _send_all(self, frames: Sequence[bytes]) -> None:
        if frames and self.link is not None:
            self.link.send(frames)

    def _free_pid(self) -> int:
        pid = self._last_pid
        while True:
            pid = pid % 65_535 + 1
            if pid not in self._sent:
                self._last_pid = pid
                return pid

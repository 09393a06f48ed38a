"""Hostile clients: valid packets bent in random places, and noise, from a seed. Real reader, connection and broker.

Each client speaks for a while; what it may do is be closed, or go on lawfully. After each its socket is gone. Checked
after every feed: nothing raised; a closed connection is silent for good; queues and tables are within their bounds.
"""

from dataclasses import dataclass, field
from random import Random

from tests.unit.adapters.mqtt.doubles import (
    Client,
    SettlingInbox,
    Site,
    connect,
    puback,
    publish,
    subscribe,
    text,
)

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.phases import NEXT, Phase
from holdfast.adapters.mqtt.settings import MqttSettings

SETTINGS = MqttSettings(
    anonymous=True,
    max_packet=10_000,
    max_sessions=50,
    max_subscriptions=20,
    receive_maximum=50,
    inflight=10,
    queue_messages=50,
    queue_bytes=20_000,
    queue_total=200_000,
    retained_messages=50,
    retained_bytes=20_000,
    session_expiry=60.0,
)
_TOPICS = ("a", "a/b", "local/x", "$share/g/a/#", "+/b", "#", "", "$SYS/x", "a/#/b", "$share/", "é/ü")


class ForgetfulInbox(SettlingInbox):
    """Settles at once and keeps nothing, so that memory is the server's own."""

    def offer(self, arrival: object) -> bool:
        room = super().offer(arrival)  # type: ignore[arg-type]
        self.arrivals.clear()
        return room


@dataclass
class Outcome:
    """What became of it all. packets: made; closed: clients that were turned away for them."""

    packets: int = 0
    clients: int = 0
    closed: int = 0
    faults: dict[str, int] = field(default_factory=dict)


def fuzz(seed: int, count: int) -> Outcome:
    """Let hostile clients send about `count` packets."""
    rng = Random(seed)
    site = Site(ForgetfulInbox(), SETTINGS)
    outcome = Outcome()
    while outcome.packets < count:
        client = site.client()
        outcome.clients += 1
        version = rng.choice((4, 5))
        client.send(_greeting(rng, version))
        for _ in range(rng.randrange(1, 60)):
            data = _packet(rng, version)
            outcome.packets += 1
            _feed(rng, client, data)
            if client.connection.phase is Phase.CLOSED:
                break
        outcome.closed += client.connection.phase is Phase.CLOSED
        client.vanish()
        site.clock.advance(rng.random())
        site.broker.tick(site.clock.monotonic())
        _check_bounds(site)
    for reason in site.faults:
        outcome.faults[reason.name] = outcome.faults.get(reason.name, 0) + 1
    return outcome


def _feed(rng: Random, client: Client, data: bytes) -> None:
    cut = rng.randrange(len(data) + 1) if rng.random() < 0.3 else len(data)
    for piece in (data[:cut], data[cut:]):
        was_closed = client.connection.phase is Phase.CLOSED
        said = client.send(piece)
        assert client.connection.phase in NEXT
        assert not (was_closed and said), "a closed connection spoke"
        assert client.wire.closed is (client.connection.phase is Phase.CLOSED)
    client.wire.pids.clear()


def _check_bounds(site: Site) -> None:
    broker = site.broker
    assert broker.sessions <= SETTINGS.max_sessions
    assert broker.subscriptions <= SETTINGS.max_sessions * SETTINGS.max_subscriptions
    assert broker.waiting <= 2 * SETTINGS.queue_messages * SETTINGS.max_sessions
    assert len(broker.retained) <= SETTINGS.retained_messages


def _greeting(rng: Random, version: int) -> bytes:
    flags = rng.choice((0, 2, 2, 0x06, 0x16, 0x36))
    more = b""
    if flags & 4:
        more = (b"\0" if version == 5 else b"") + text(rng.choice(_TOPICS)) + text("gone")
    said = rng.choice((b"", b"\x11\0\0\0\x3c", b"\x21\0\x05\x22\0\x03", b"\x27\0\0\0\x20")) if version == 5 else b""
    whole = connect(rng.choice("abcdefgh"), version=version, flags=flags, said=said, more=more)
    return _bent(rng, whole) if rng.random() < 0.2 else whole


def _packet(rng: Random, version: int) -> bytes:
    kind = rng.random()
    if kind < 0.01:
        return rng.randbytes(rng.randrange(1, 40))
    whole = _valid(rng, version)
    return _bent(rng, whole) if kind < 0.1 else whole


def _valid(rng: Random, version: int) -> bytes:
    said = b"" if version == 5 else None
    pid = rng.randrange(1, 12)
    topic = rng.choice(_TOPICS[:3]) if rng.random() < 0.995 else rng.choice(_TOPICS)
    match rng.randrange(9):
        case 0 | 1 | 2:
            if said is not None:
                said = rng.choice((b"", b"\x23\0\x01", b"\x02\0\0\0\x01", b"\x01\x01", b"\x26\0\x01a\0\x01b"))
            payload = rng.randbytes(rng.choice((0, 5, 200)))
            qos = rng.randrange(3)
            return publish(topic, payload, pid=qos and pid, qos=qos, retain=rng.random() < 0.2, said=said)
        case 3:
            return subscribe(rng.choice(_TOPICS), rng.randrange(3), pid=pid, said=said)
        case 4:
            about = b"\0" if version == 5 else b""
            return packets.packet(0xA2, pid.to_bytes(2, "big"), about, text(rng.choice(_TOPICS)))
        case 5:
            return puback(pid)
        case 6 | 7:
            return bytes((rng.choice((0x50, 0x62, 0x70)), 2)) + pid.to_bytes(2, "big")
        case _:
            return rng.choice((b"\xc0\x00", b"\xc0\x00", b"\xc0\x00", b"\xe0\x00"))


def _bent(rng: Random, whole: bytes) -> bytes:
    data = bytearray(whole)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data))
        match rng.randrange(5):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 4))
            case 3 if len(data) > 2:
                del data[at : at + rng.randrange(1, 4)]
            case _:
                data += data[at:]
        if not data:
            return b"\0"
    return bytes(data)

"""Our MQTT server against clients we didn't write: Debian's mosquitto tools, paho-mqtt, and raw sockets."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
import uvloop
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.unit.adapters.mqtt.doubles import HoldingInbox, SettlingInbox, connect, publish, subscribe
from tests.waiting import wait_until

from holdfast.adapters.mqtt.errors import ListenFailed
from holdfast.adapters.mqtt.server import MqttServer
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.kernel.clock import SystemClock
from holdfast.telemetry.happenings import Telemetry

pytestmark = pytest.mark.system
VERSIONS = ["mqttv311", "mqttv5"]
needs_mosquitto = pytest.mark.skipif(shutil.which("mosquitto_sub") is None, reason="mosquitto-clients isn't installed")


class Running:
    """A server on its own loop and thread."""

    def __init__(self, inbox: HoldingInbox, settings: MqttSettings) -> None:
        clock = SystemClock()
        self.inbox = inbox
        self.log: list[str] = []
        self.server = MqttServer(settings, inbox, clock, Telemetry(clock, self.log.append))
        self.loop = uvloop.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()
        assert self._up.wait(5)

    @property
    def port(self) -> int:
        return self.server.port

    def call(self, function: Callable[[], Any]) -> Any:
        """Run something on the loop's thread."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(5)

    def stop(self, deadline_s: float = 0.1) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(deadline_s), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

    def _live(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.server.start())
        self._up.set()
        self.loop.run_forever()


@contextlib.contextmanager
def serving(inbox: HoldingInbox | None = None, settings: MqttSettings | None = None) -> Iterator[Running]:
    settings = settings or MqttSettings(listen="127.0.0.1:0", anonymous=True)
    running = Running(inbox or SettlingInbox(), settings)
    try:
        yield running
    finally:
        if not running.loop.is_closed():
            running.stop()


def mosquitto(tool: str, running: Running, *args: str, version: str = "mqttv311") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [f"mosquitto_{tool}", "-p", str(running.port), "-V", version, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )


def done(process: subprocess.Popen[str], text: str | None = None) -> tuple[int, list[str]]:
    out, _ = process.communicate(text, timeout=10)
    return process.returncode, out.split()


def raw(running: Running, *frames: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", running.port), timeout=5)
    sock.sendall(b"".join(frames))
    return sock


def read_until_closed(sock: socket.socket) -> bytes:
    out = b""
    with sock, contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65_536):
            out += piece
    return out


def packets_in(data: bytes) -> list[bytes]:
    """The packets in a short answer: none is longer than 127 bytes."""
    found = []
    while data:
        found.append(data[: data[1] + 2])
        data = data[data[1] + 2 :]
    return found


class Paho:
    """A paho client with what it heard."""

    def __init__(self, running: Running, name: str, *, five: bool = False, lasting: bool = False) -> None:
        self.heard: list[tuple[str, bytes, int, bool]] = []
        self.acked: set[int] = set()
        self.answers: list[Any] = []
        self.subscribed = threading.Event()
        version = MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311
        clean = None if five else not lasting
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name, clean_session=clean, protocol=version)
        self.client.on_message = lambda _c, _u, m: self.heard.append((m.topic, bytes(m.payload), m.qos, m.retain))
        self.client.on_publish = lambda _c, _u, mid, *_: self.acked.add(mid)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_connect = lambda _c, _u, flags, reason, _p: self.answers.append((flags, reason))
        said = None
        if five and lasting:
            said = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            said.SessionExpiryInterval = 60
        first = {"clean_start": not lasting, "properties": said} if five else {}
        self.client.connect("127.0.0.1", running.port, 30, **first)  # type: ignore[arg-type]
        self.client.loop_start()
        wait_until(lambda: self.answers)

    def subscribe(self, topic_filter: str, qos: int) -> "Paho":
        self.subscribed.clear()
        self.client.subscribe(topic_filter, qos)
        assert self.subscribed.wait(5)
        return self

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@needs_mosquitto
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", ["0", "1"])
def test_mosquitto_sub_receives_what_mosquitto_pub_sends(version: str, qos: str) -> None:
    with serving() as running:
        listener = mosquitto("sub", running, "-t", "site/+/state", "-q", "1", "-C", "3", "-v", version=version)
        wait_until(lambda: running.server.stats().subscriptions == 1)
        device = mosquitto("pub", running, "-t", "site/press-07/state", "-q", qos, "-l", version=version)
        assert done(device, "1\n2\n3\n")[0] == 0
        code, words = done(listener)
        assert (code, words[1::2]) == (0, ["1", "2", "3"])
        assert set(words[::2]) == {"site/press-07/state"}
        wait_until(lambda: running.inbox.payloads == [b"1", b"2", b"3"])


@needs_mosquitto
@pytest.mark.parametrize("version", VERSIONS)
def test_mosquitto_tools_see_retained_messages_and_alerts_of_the_node(version: str) -> None:
    with serving() as running:
        assert (
            done(mosquitto("pub", running, "-t", "local/mode", "-m", "day", "-r", "-q", "1", version=version))[0] == 0
        )
        assert done(mosquitto("sub", running, "-t", "local/#", "-C", "1", "-W", "5", version=version)) == (0, ["day"])
        wait_until(lambda: running.server.stats().subscriptions == 0)
        listener = mosquitto("sub", running, "-t", "alerts/#", "-q", "1", "-C", "1", version=version)
        wait_until(lambda: running.server.stats().subscriptions == 1)
        running.call(lambda: running.server.publisher.publish("alerts/local", b"hot"))
        assert done(listener) == (0, ["hot"])
        assert running.inbox.arrivals == []


@needs_mosquitto
@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_password_is_turned_away_and_a_right_one_let_in(version: str) -> None:
    with serving(settings=MqttSettings(listen="127.0.0.1:0", users={"press": "right"})) as running:
        for password, good in [("wrong", False), ("right", True)]:
            device = mosquitto("pub", running, "-t", "t", "-m", "x", "-u", "press", "-P", password, version=version)
            assert (done(device)[0] == 0) is good
        assert done(mosquitto("pub", running, "-t", "t", "-m", "x", version=version))[0] != 0
        wait_until(lambda: running.inbox.payloads == [b"x"])
        assert any("reason=bad_credentials" in line for line in running.log)


@needs_mosquitto
@pytest.mark.parametrize("version", VERSIONS)
def test_a_persistent_session_of_mosquitto_sub_gets_what_it_missed(version: str) -> None:
    expiry = ["-x", "60"] if version == "mqttv5" else []
    lasting = ["-i", "s", "-c", "-t", "t", "-q", "1", *expiry]
    with serving() as running:
        assert done(mosquitto("sub", running, *lasting, "-E", version=version))[0] == 0
        for payload in ("1", "2"):
            assert done(mosquitto("pub", running, "-t", "t", "-q", "1", "-m", payload, version=version))[0] == 0
        assert done(mosquitto("sub", running, *lasting, "-C", "2", version=version)) == (0, ["1", "2"])


@pytest.mark.parametrize("five", [False, True])
def test_paho_publishes_and_subscribes_at_both_qos(*, five: bool) -> None:
    with serving() as running:
        listener, device = Paho(running, "s", five=five), Paho(running, "d", five=five)
        listener.subscribe("a/#", 1).subscribe("b/+", 0)
        infos = [device.client.publish("a/b", b"%d" % i, qos=1) for i in range(50)]
        device.client.publish("b/c", b"quiet", qos=1)
        device.client.publish("a", b"zero", qos=0)
        wait_until(lambda: len(listener.heard) == 52)
        assert [h for h in listener.heard if h[0] == "a/b"] == [("a/b", b"%d" % i, 1, False) for i in range(50)]
        assert {("b/c", b"quiet", 0, False), ("a", b"zero", 0, False)} <= set(listener.heard)
        wait_until(lambda: {info.mid for info in infos} <= device.acked)
        device.leave()
        listener.leave()


@pytest.mark.parametrize("five", [False, True])
def test_paho_hears_nothing_of_its_message_until_it_is_settled(*, five: bool) -> None:
    inbox = HoldingInbox()
    with serving(inbox) as running:
        device = Paho(running, "d", five=five)
        info = device.client.publish("t", b"x", qos=1)
        wait_until(lambda: inbox.arrivals)
        assert device.client.publish("t", b"y", qos=0).rc == 0
        wait_until(lambda: len(inbox.payloads) == 2)
        assert (device.acked - {info.mid + 1}, running.server.stats().unsettled) == (set(), 1)
        running.call(inbox.arrivals[0].receipt.settle)
        wait_until(lambda: info.mid in device.acked)
        device.leave()


@pytest.mark.parametrize("five", [False, True])
def test_a_persistent_session_of_paho_is_resumed(*, five: bool) -> None:
    with serving() as running:
        Paho(running, "s", five=five, lasting=True).subscribe("t", 1).leave()
        running.call(lambda: running.server.publisher.publish("t", b"missed"))
        again = Paho(running, "s", five=five, lasting=True)
        wait_until(lambda: again.heard == [("t", b"missed", 1, False)])
        assert again.answers[0][0].session_present
        again.leave()


def test_a_refused_message_closes_the_connection_without_a_puback() -> None:
    inbox = HoldingInbox()
    with serving(inbox) as running:
        sock = raw(running, connect("d"), publish("t", b"x", pid=1))
        wait_until(lambda: inbox.arrivals)
        running.call(inbox.arrivals[0].receipt.refuse)
        assert read_until_closed(sock) == b"\x20\x02\x00\x00"


def test_a_window_is_acknowledged_in_order() -> None:
    with serving() as running:
        window = b"".join(publish("t", b"x" * i, pid=i) for i in range(1, 201))
        sock = raw(running, connect("d"), window, b"\xe0\x00")
        wanted = b"".join(b"\x40\x02" + i.to_bytes(2, "big") for i in range(1, 201))
        assert read_until_closed(sock) == b"\x20\x02\x00\x00" + wanted


def test_a_silent_client_is_closed_and_one_that_pings_is_not() -> None:
    with serving() as running:
        steady = Paho(running, "p")
        started = time.monotonic()
        sock = raw(running, connect("mute", version=5, keep_alive=1))
        assert read_until_closed(sock).endswith(b"\xe0\x01\x8d")
        assert 1.4 < time.monotonic() - started < 3.5
        assert steady.client.is_connected()
        steady.leave()


@pytest.mark.parametrize(
    ("frames", "answer"),
    [
        (b"\x36\x03\0\x01a", 0x81),
        (connect("twice", version=5), 0x82),
        (b"\x30\xff\xff\xff\x7f", 0x95),
        (publish("a/#", b"x", said=b""), 0x90),
        (b"\x34\x06\0\x01a\0\0\0", 0x82),
    ],
)
def test_a_malformed_packet_closes_only_its_connection(frames: bytes, answer: int) -> None:
    with serving() as running:
        steady = Paho(running, "steady").subscribe("t", 1)
        greeting, goodbye = packets_in(read_until_closed(raw(running, connect("bad", version=5), frames)))
        assert (greeting[0], goodbye[0], goodbye[2]) == (0x20, 0xE0, answer)
        assert read_until_closed(raw(running, connect("bad"), frames[:1] + b"\xff\xff\xff\xff")) == b"\x20\x02\0\0"
        steady.client.publish("t", b"still here", qos=1)
        wait_until(lambda: steady.heard)
        steady.leave()


def test_a_payload_above_the_codecs_limit_arrives_and_the_connection_lives_on() -> None:
    with serving() as running:
        device = Paho(running, "d")
        for size in (300_000, 3):
            device.client.publish("t", b"x" * size, qos=1).wait_for_publish(5)
        assert [len(payload) for payload in running.inbox.payloads] == [300_000, 3]
        device.leave()


def test_while_the_inbox_is_full_nothing_more_is_offered_and_all_comes_later() -> None:
    inbox = SettlingInbox(room=1)
    with serving(inbox) as running:
        devices = [Paho(running, f"d{i}") for i in range(3)]
        devices[0].client.publish("t", b"first", qos=1)
        wait_until(lambda: running.server.stats().paused)
        infos = [device.client.publish("t", b"later", qos=1) for device in devices for _ in range(20)]
        listener = raw(running, connect("s"), subscribe("alerts/#"), b"\xc0\x00")
        assert listener.recv(4) == b"\x20\x02\0\0"
        assert inbox.payloads == [b"first"]
        running.call(inbox.drain)
        for info in infos:
            info.wait_for_publish(5)
        assert len(inbox.payloads) == 61
        listener.close()
        for device in devices:
            device.leave()


def test_a_subscriber_that_stops_reading_loses_its_oldest_messages_and_nobody_else_suffers() -> None:
    settings = MqttSettings(listen="127.0.0.1:0", anonymous=True, queue_messages=10)
    with serving(settings=settings) as running:
        stuck = raw(running, connect("stuck"), subscribe("#", 0))
        wait_until(lambda: running.server.stats().subscriptions == 1)
        device = Paho(running, "d")
        for _ in range(200):
            device.client.publish("t", b"x" * 100_000, qos=1).wait_for_publish(5)
        assert running.server.stats().dropped > 0
        stuck.close()
        device.leave()


def test_stopping_lets_outstanding_messages_settle_and_says_goodbye() -> None:
    inbox = HoldingInbox()
    with serving(inbox) as running:
        sock = raw(running, connect("d", version=5), publish("t", b"x", pid=1, said=b""))
        wait_until(lambda: inbox.arrivals)
        running.loop.call_soon_threadsafe(running.loop.call_later, 0.2, inbox.arrivals[0].receipt.settle)
        running.stop(deadline_s=5.0)
        assert read_until_closed(sock).endswith(b"\x40\x02\0\x01\xe0\x01\x8b")
        assert any("unsettled=0" in line for line in running.log)


def test_stopping_does_not_wait_beyond_its_deadline() -> None:
    inbox = HoldingInbox()
    with serving(inbox) as running:
        sock = raw(running, connect("d"), publish("t", b"x", pid=1))
        wait_until(lambda: inbox.arrivals)
        running.stop(deadline_s=0.2)
        assert read_until_closed(sock) == b"\x20\x02\0\0"
        assert any("unsettled=1" in line for line in running.log)


def test_what_hurries_has_left_before_the_loop_does_anything_else() -> None:
    with serving() as running:
        sock = raw(running, connect("s"), subscribe("alerts/#", 0))
        sock.settimeout(2)
        assert sock.recv(9, socket.MSG_WAITALL) == b"\x20\x02\0\0\x90\x03\0\x01\0"

        def alert() -> bytes:
            running.server.publisher.publish("alerts/a", b"hot", qos=0)
            running.server.hurry()
            return sock.recv(100)  # the loop stands still meanwhile

        with sock:
            assert running.call(alert) == publish("alerts/a", b"hot")


def test_what_hurries_and_does_not_fit_the_socket_comes_whole_and_in_order() -> None:
    sent = [bytes([n]) * 900_000 for n in range(6)]
    with serving() as running:
        sock = raw(running, connect("s"), subscribe("alerts/#", 0))
        sock.settimeout(10)

        def alerts() -> None:
            for payload in sent:
                running.server.publisher.publish("alerts/a", payload, qos=0)
                running.server.hurry()

        with sock, sock.makefile("rb") as stream:
            assert stream.read(9) == b"\x20\x02\0\0\x90\x03\0\x01\0"
            running.call(alerts)
            for payload in sent:
                wanted = publish("alerts/a", payload)
                assert stream.read(len(wanted)) == wanted


def test_a_port_in_use_is_explained() -> None:
    async def scene(port: int) -> None:
        clock = SystemClock()
        server = MqttServer(MqttSettings(listen=f"127.0.0.1:{port}"), SettlingInbox(), clock, Telemetry(clock))
        with pytest.raises(ListenFailed, match="in use") as caught:
            await server.start()
        assert "mqtt.listen" in caught.value.hint

    with serving() as running:
        asyncio.run(scene(running.port))


def test_too_many_connections_are_turned_away() -> None:
    settings = MqttSettings(listen="127.0.0.1:0", anonymous=True, max_connections=1)
    with serving(settings=settings) as running:
        first = raw(running, connect("a"))
        assert first.recv(4) == b"\x20\x02\0\0"
        assert read_until_closed(raw(running, connect("b"))) == b""
        first.close()


def test_after_a_start_subscribers_may_come_back_before_publishers_are_read() -> None:
    settings = MqttSettings(listen="127.0.0.1:0", anonymous=True, subscribers_first=1.0)
    with serving(settings=settings) as running:
        address = ("127.0.0.1", running.port)
        with socket.create_connection(address, 5) as device, socket.create_connection(address, 5) as screen:
            device.sendall(connect("device") + publish("t/1", b"first words", pid=1))
            screen.sendall(connect("screen") + subscribe("t/#", 0))
            heard = b""
            while b"first words" not in heard:
                piece = screen.recv(4096)
                assert piece
                heard += piece
            assert device.recv(4)[:1] == b"\x20"

"""Hostile devices on real sockets: nobody else suffers, and nothing gets in that shouldn't."""

import contextlib
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.system.test_mqtt_clients import Running, raw, read_until_closed, serving
from tests.unit.adapters.mqtt.doubles import HoldingInbox, SettlingInbox, connect, publish, subscribe
from tests.waiting import wait_until

from holdfast.adapters.mqtt.door_settings import RateSettings
from holdfast.adapters.mqtt.packets import packet
from holdfast.adapters.mqtt.reader import LONGEST_CONNECT
from holdfast.adapters.mqtt.settings import MqttSettings

pytestmark = pytest.mark.system
ACCEPTED = b"\x20\x02\0\0"
HERE = "127.0.0.1:0"


class Healthy:
    """A device that publishes one message at a time and measures how long its PUBACK takes."""

    def __init__(self, running: Running) -> None:
        self.sock = raw(running, connect("healthy"))
        assert self.sock.recv(4) == ACCEPTED

    def p99_s(self, messages: int) -> float:
        took = []
        for i in range(1, messages + 1):
            started = time.monotonic()
            self.sock.sendall(publish("site/healthy", b"1", pid=i))
            assert self.sock.recv(4) == b"\x40\x02" + i.to_bytes(2, "big")
            took.append(time.monotonic() - started)
            time.sleep(0.002)
        return sorted(took)[len(took) * 99 // 100]


@contextlib.contextmanager
def healthy_beside(running: Running):  # type: ignore[no-untyped-def]
    device = Healthy(running)
    try:
        yield device
    finally:
        device.sock.close()


def test_a_stranger_can_not_send_much_before_he_is_known() -> None:
    with serving() as running, healthy_beside(running) as device:
        with raw(running, b"\x10" + b"\xff\xff\x3f") as sock:  # announces 1 MiB of CONNECT
            assert read_until_closed(sock) == b""
        most = connect("d", more=b"x" * LONGEST_CONNECT)
        with raw(running, most) as sock:
            assert read_until_closed(sock) == b""
        with raw(running, connect("d", version=5), b"\x30\xff\xff\xff\x7f") as sock:
            assert b"\x95" in read_until_closed(sock)[-80:]
        assert device.p99_s(50) < 0.5


def test_a_connect_that_trickles_in_is_cut_at_its_time() -> None:
    settings = MqttSettings(listen=HERE, anonymous=True, connect_timeout=1.0)
    with serving(settings=settings) as running:
        started = time.monotonic()
        with raw(running) as sock, contextlib.suppress(OSError):
            for i in range(40):
                sock.sendall(connect("slow" * 20)[i : i + 1])
                time.sleep(0.1)
        assert time.monotonic() - started < 3.5
        wait_until(lambda: running.server.stats().connections == 0)


@pytest.mark.parametrize(
    "topic",
    [
        b"a/+",
        b"a/#",
        b"#",
        b"$SYS/broker",
        b"a\0b",
        b"",
        b"x" * 257,
        b"/".join([b"a"] * 17),
        b"\xff\xfe",
        b"a\x1b[2J",
        b"\xed\xa0\x80",
    ],
)
@pytest.mark.parametrize("version", [4, 5])
def test_a_topic_that_is_none_closes_and_reaches_nobody(topic: bytes, version: int) -> None:
    with serving() as running:
        listener = raw(running, connect("s"), subscribe("#", 0))
        wait_until(lambda: running.server.stats().subscriptions == 1)
        frame = packet(0x32, struct.pack(">H", len(topic)), topic, b"\0\1", b"\0" if version == 5 else b"", b"x")
        with raw(running, connect("d", version=version), frame) as sock:
            assert b"\x40\x02" not in read_until_closed(sock)
        assert running.inbox.arrivals == []
        assert running.server.stats().sent == 0
        listener.close()


STORM = """
import socket, sys, time
began, tried = time.monotonic(), 0
while time.monotonic() - began < 4:
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1) as sock:
            sock.sendall(bytes.fromhex(sys.argv[2]))
    except OSError:
        pass
    tried += 1
    time.sleep(max(0, began + tried / 2000 - time.monotonic()))
print(tried)
"""


def test_a_storm_of_connects_is_refused_at_the_door_while_a_device_is_served() -> None:
    settings = MqttSettings(listen=HERE, anonymous=True, rates=RateSettings(connects=50.0))
    with serving(settings=settings) as running, healthy_beside(running) as device:
        calm = device.p99_s(200)
        command = [sys.executable, "-c", STORM, str(running.port), connect("storm").hex()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as storm:
            wait_until(lambda: running.server.entrance.counts.refused_rate > 100)
            stormy = device.p99_s(500)
            tried = int(storm.communicate()[0])
        assert running.server.entrance.counts.refused_rate > tried // 2 > 500
        assert stormy < max(0.25, 10 * calm)  # loose: other tests share this machine; benchmarks/hostile.py measures


def test_one_address_can_not_use_up_the_connects_of_all() -> None:
    rates = RateSettings(connects_per_address=3.0)
    with serving(settings=MqttSettings(listen=HERE, anonymous=True, rates=rates)) as running:
        socks = [raw(running, connect(f"d{i}")) for i in range(4)]
        assert [sock.recv(4) for sock in socks[:3]] == [ACCEPTED] * 3
        assert read_until_closed(socks[3]) == b""
        with socket.create_connection(("127.0.0.1", running.port), 5, source_address=("127.0.0.2", 0)) as other:
            other.sendall(connect("other"))
            assert other.recv(4) == ACCEPTED
        for sock in socks:
            sock.close()


def test_a_client_over_its_rate_is_slowed_down_and_loses_nothing() -> None:
    rates = RateSettings(messages=100.0)
    with serving(settings=MqttSettings(listen=HERE, anonymous=True, rates=rates)) as running:
        started = time.monotonic()
        for burst in range(3):  # a new connection gets no new credit
            window = b"".join(publish("t", b"%d" % (burst * 100 + i), pid=i + 1) for i in range(100))
            with raw(running, connect("fast")) as sock:
                sock.sendall(window)
                got = b""
                while len(got) < 4 + 400:
                    got += sock.recv(4_096)
        assert running.inbox.payloads == [b"%d" % i for i in range(300)]
        with raw(running, connect("other"), publish("t", b"quick", pid=1)) as other:
            wait_until(lambda: running.inbox.payloads[-1] == b"quick", within_s=0.5)
            assert other.recv(4) == ACCEPTED
        with raw(running, connect("fast")) as sock:
            sock.sendall(publish("t", b"a", pid=1))
            time.sleep(0.05)
            sock.sendall(publish("t", b"last", pid=2))
            wait_until(lambda: running.inbox.payloads[-1] == b"last")
        assert time.monotonic() - started > 1.8
        assert running.server.entrance.counts.throttled >= 2


def flood(sock: socket.socket, stop: threading.Event) -> None:
    frames = b"".join(publish("t/flood", b"x" * 100) for _ in range(500))
    with contextlib.suppress(OSError):
        while not stop.is_set():
            sock.sendall(frames)


def test_a_flood_does_not_keep_others_from_being_read() -> None:
    inbox = Narrow()
    with serving(inbox) as running:
        stop = threading.Event()

        def drain() -> None:
            while not stop.is_set():
                running.call(lambda: inbox.drain(2))
                time.sleep(0.002)

        floods = [raw(running, connect(f"flood-{i}")) for i in range(3)]
        quiet = [raw(running, connect(f"quiet-{i}")) for i in range(5)]
        threads = [threading.Thread(target=flood, args=(sock, stop)) for sock in floods]
        threads.append(threading.Thread(target=drain))
        for thread in threads:
            thread.start()
        wait_until(lambda: running.server.stats().paused)
        for i, sock in enumerate(quiet):
            sock.sendall(publish(f"t/quiet-{i}", b"here"))
        wait_until(lambda: {f"quiet-{i}" for i in range(5)} <= {a.source for a in list(inbox.arrivals)})
        stop.set()
        for sock in [*floods, *quiet]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in threads:
            thread.join()


class Narrow(SettlingInbox):
    """Takes two arrivals, then none until it's drained."""

    def __init__(self) -> None:
        super().__init__(2)


def test_nothing_of_a_refused_client_stays(tmp_path: Path) -> None:
    with serving(HoldingInbox(), MqttSettings(listen=HERE)) as running:
        for i in range(200):
            with raw(running, connect(f"stranger-{i}"), publish("t", b"x", pid=1)) as sock:
                assert read_until_closed(sock) in (b"\x20\x02\0\x05", b"")
        stats = running.server.stats()
        assert (stats.connections, stats.sessions, stats.received) == (0, 0, 0)
        assert running.server.entrance.counts.faults_unlogged > 0
        assert sum("MqttConnectionFaulted" in line for line in running.log) < 200

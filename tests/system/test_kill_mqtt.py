"""kill -9 of a gateway under QoS 2 in both directions: stored once, delivered once, and the sessions are still there.

The profile names no message id, so nothing but MQTT's own packet identifiers tells a repeat. The same check must fail
on a build that forgets to store them beside the readings.
"""

import contextlib
import random
import socket
import struct
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.system.kill.exact import Device, Listener
from tests.system.kill.site import ROOT, Site, mutant
from tests.unit.adapters.mqtt.doubles import connect, subscribe, text

from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.mqtt_sessions import read_sessions, read_wills
from holdfast.journal.reader import JournalReader
from holdfast.model.lane import Lane

pytestmark = pytest.mark.system
PROFILE = """profiles:
  oven:
    topic: ovens/{device}
    version: 1
    time: {field: ts, unit: s}
    fields:
      temp: {metric: air.temperature, unit: Cel}
"""
SETTINGS = """node: gw
data: gw
mqtt: {listen: '127.0.0.1:%d', anonymous: true}
journal: {ballast: 0MB}
profiles: [ovens.yaml]
"""


def torment(folder: Path, source: Path, kills: int, seed: int) -> tuple[Device, Listener, Counter[int]]:
    """Publish and listen while the node is killed; what device and listener know, and how often each time is stored."""
    site = Site(folder, source)
    (folder / "ovens.yaml").write_text(PROFILE)
    (folder / "gw.yaml").write_text(SETTINGS % site.mqtt)
    rng = random.Random(seed)
    site.bring_up(["gw"])
    listener = Listener(site.mqtt, "ovens/#")
    device = None
    try:
        _wait(lambda: listener.is_subscribed)
        device = Device(site.mqtt, "ovens/one")
        for _ in range(kills):
            before = device.done
            _wait(lambda: device.done > before + 20)  # noqa: B023  # called in this turn
            time.sleep(rng.uniform(0.0, 0.1))
            site.kill("gw")
            site.start("gw")
        site.wait_up("gw")
        device.finish(60)
        _wait(lambda: len(listener.kept) >= device.said)
        time.sleep(0.5)  # for what must not come
    finally:
        for client in (device, listener):
            if client is not None:
                client.end()
        site.stop()
    return device, listener, _stored(folder / "gw" / FILE_NAME)


def _stored(path: Path) -> Counter[int]:
    reader = JournalReader(path)
    times = [decode_readings(group.blob).ts for group in reader.read(Lane.BULK, 0, 10**9)]
    reader.close()
    return Counter(int(one) // 10**9 - 1_700_000_000 for each in times for one in each.tolist())


def _wait(true: object, within_s: float = 90.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


@pytest.mark.timeout(300)
def test_qos_2_is_exactly_once_in_and_out_whatever_is_killed(tmp_path: Path) -> None:
    device, listener, stored = torment(tmp_path, ROOT / "src", kills=6, seed=1)
    assert stored == Counter(range(1, device.said + 1))
    heard = Counter(int(payload.split(b":")[1].split(b",")[0]) - 1_700_000_000 for payload in listener.kept)
    assert heard == stored
    assert device.resumed[0] is listener.resumed[0] is False
    assert all(device.resumed[1:])
    assert all(listener.resumed[1:])
    assert min(len(device.resumed), len(listener.resumed)) > 6


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_check_notices_identifiers_that_are_not_stored(tmp_path: Path) -> None:
    forgetful = mutant(
        tmp_path, {"adapters/mqtt/ledger.py": [("steps += of_pids(owner.number, pids, receive)", "pass")]}
    )
    for seed in range(5):
        folder = tmp_path / str(seed)
        folder.mkdir()
        _, _, stored = torment(folder, forgetful, kills=6, seed=seed)
        if max(stored.values()) > 1:
            return
    raise AssertionError("a build without stored identifiers passed")


def vanish(port: int, name: str, delay_s: int, *, stays: bool = False) -> socket.socket:
    """A device with a delayed will whose connection breaks, unless it stays until the node is killed."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    hour, delay = b"\x11\0\0\x0e\x10", b"\x05\x18" + delay_s.to_bytes(4, "big")
    sock.sendall(connect(name, version=5, flags=0x0C, said=hour, more=delay + text("gone") + text(name)))
    assert sock.recv(1) == b"\x20"
    if not stays:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, as a lost link ends
        sock.close()
    return sock


def wills_heard(sock: socket.socket, quiet_s: float) -> bytes:
    """What comes until nothing has come for a while; acknowledged."""
    heard = b""
    sock.settimeout(quiet_s)
    with contextlib.suppress(TimeoutError):
        while data := sock.recv(4096):
            heard += data
    return heard


@pytest.mark.timeout(300)
def test_delayed_wills_outlive_a_kill_and_are_published_once_unless_their_clients_came_back(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (tmp_path / "ovens.yaml").write_text(PROFILE)
    (tmp_path / "gw.yaml").write_text(SETTINGS % site.mqtt)
    site.bring_up(["gw"])
    stored = JournalReader(tmp_path / "gw" / FILE_NAME)
    try:
        with socket.create_connection(("127.0.0.1", site.mqtt), timeout=10) as listener:
            listener.sendall(connect("listener", flags=0) + subscribe("gone"))
            assert b"".join(listener.recv(1) for _ in range(9)).endswith(b"\x90\x03\0\x01\x01")
        vanish(site.mqtt, "lost", 2)
        vanish(site.mqtt, "returning", 60)
        caught = vanish(site.mqtt, "caught", 2, stays=True)
        _wait(lambda: len(read_wills(stored)) == 3)
        _wait(lambda: sum(1 for one in read_sessions(stored) if one.left_ns) == 3)
        site.kill("gw")
        caught.close()
        site.bring_up(["gw"])
        back = vanish(site.mqtt, "returning", 60, stays=True)
        back.sendall(b"\xe0\x00")  # says goodbye: no will
        _wait(lambda: read_wills(stored) == [])
        with socket.create_connection(("127.0.0.1", site.mqtt), timeout=10) as listener:
            listener.sendall(connect("listener", flags=0))
            heard = wills_heard(listener, 1.0)
        back.close()
        site.kill("gw")
        site.bring_up(["gw"])
        assert (_quarantined(stored, b"lost"), _quarantined(stored, b"caught")) == (1, 1)
        with socket.create_connection(("127.0.0.1", site.mqtt), timeout=10) as listener:
            listener.sendall(connect("late", flags=2) + subscribe("gone"))
            after = wills_heard(listener, 3.5)
        assert [heard.count(name) for name in (b"lost", b"caught", b"returning")] == [1, 1, 0]
        assert after.count(b"gone") == 0
        assert (_quarantined(stored, b"lost"), _quarantined(stored, b"caught")) == (1, 1)
    finally:
        stored.close()
        site.stop()


def _quarantined(stored: JournalReader, payload: bytes) -> int:
    """How often a will came to the journal: no profile claims its topic, so it's kept aside."""
    return sum(one.payload == payload for one in stored.quarantined(99))

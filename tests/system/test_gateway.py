"""A gateway as its users meet it: foreign MQTT clients, bad payloads, a full disk, SIGTERM, wrong settings."""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.system.kill.site import ROOT
from tests.waiting import wait_until

pytestmark = pytest.mark.system

HOLDFAST = [sys.executable, "-m", "holdfast"]


class Gateway:
    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder, self.mqtt, self.api = folder, free_port(), free_port()
        self.settings = folder / "gw.yaml"
        self.settings.write_text(
            f"node: gw\ndata: data\nmqtt: {{listen: '127.0.0.1:{self.mqtt}', anonymous: true}}\n"
            f"api: {{listen: '127.0.0.1:{self.api}'}}\n"
            f"profiles: ['builtin:rooms']\nrules: ['builtin:rooms']\n{more}"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self.folder / "gw.log").open("ab")
        self.process = subprocess.Popen([*HOLDFAST, "run", str(self.settings)], stderr=log, stdout=log)
        log.close()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            with contextlib.suppress(OSError):
                if self.get("/readyz")["ready"]:
                    return
            time.sleep(0.05)
        raise AssertionError(self.log())

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def log(self) -> str:
        return (self.folder / "gw.log").read_text()

    def get(self, path: str) -> dict[str, object]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.api}{path}", timeout=5) as answer:
            found: dict[str, object] = json.load(answer)
            return found

    def counters(self) -> dict[str, int]:
        found = self.get("/api/v1/status")["counters"]
        assert isinstance(found, dict)
        return found

    def publish(self, topic: str, payload: bytes, *more: str) -> int:
        command = ["mosquitto_pub", "-p", str(self.mqtt), "-q", "1", "-t", topic, "-s", *more]
        return subprocess.run(command, input=payload, timeout=20, check=False).returncode


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    one = Gateway(tmp_path)
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        assert one.stop() == 0, one.log()


def reading(number: int, temperature: float = 21.5, ts: float | None = None) -> bytes:
    when = time.time() if ts is None else ts
    return f'{{"id":{number},"ts":{when:.3f},"temp_c":{temperature},"hum":40,"lux":100,"co2":500,"occ":false}}'.encode()


def test_mosquitto_pub_and_sub_work_and_an_overheated_room_raises_an_alert_that_says_why(gateway: Gateway) -> None:
    subscriber = subprocess.Popen(
        ["mosquitto_sub", "-p", str(gateway.mqtt), "-t", "alerts/#", "-C", "1", "-W", "15"], stdout=subprocess.PIPE
    )
    time.sleep(0.5)
    for number in range(3):
        assert gateway.publish("acme/room-1/telemetry", reading(number, 30.0)) == 0
    out, _ = subscriber.communicate(timeout=20)
    alert = json.loads(out)
    assert (alert["kind"], alert["rule"], alert["device"], alert["severity"]) == (
        "alert.raised",
        "overheat",
        "room-1",
        "critical",
    )
    assert "26.0" in json.dumps(alert["why"])
    assert gateway.counters()["messages_accepted"] == 3


def test_bad_payloads_go_to_quarantine_with_their_bytes_and_the_good_ones_are_kept(gateway: Gateway) -> None:
    bad = {
        "malformed": b'{"id":1,',
        "wrong_type": reading(2).replace(b"21.5", b'"warm"'),
        "missing_field": b'{"id":3}',
        "not_a_number": reading(4).replace(b"21.5", b"NaN"),
        "too_large": b'{"x":"' + b"y" * 300_000 + b'"}',
        "too_deep": b"[" * 40 + b"]" * 40,
        "stale": reading(5, ts=time.time() - 3600),
    }
    for payload in bad.values():
        assert gateway.publish("acme/room-1/telemetry", payload) == 0
    assert gateway.publish("nobody/knows", b"1") == 0
    assert gateway.publish("acme/room-1/telemetry", reading(6)) == 0
    assert gateway.publish("acme/room-1/telemetry", reading(6)) == 0
    counters = gateway.counters()
    for reason in (*bad, "no_profile"):
        assert counters[f"messages_rejected.{reason}"] == 1, reason
    assert (counters["messages_accepted"], counters["messages_rejected.duplicate"]) == (1, 1)
    quarantined = gateway.get("/api/v1/quarantine?limit=20")
    assert "malformed" in json.dumps(quarantined)
    ledger = gateway.get("/api/v1/ledger")
    assert ledger["balanced"] is True


def test_a_repeated_message_is_counted_as_a_duplicate_also_after_a_restart(gateway: Gateway) -> None:
    message = reading(77)
    for _ in range(2):
        assert gateway.publish("acme/room-1/telemetry", message) == 0
    assert gateway.stop() == 0
    gateway.start()
    assert gateway.publish("acme/room-1/telemetry", message) == 0
    counters = gateway.counters()
    assert (counters["messages_accepted"], counters["messages_rejected.duplicate"]) == (1, 2)


def test_a_client_that_breaks_mqtt_loses_its_connection_and_nobody_else(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.mqtt)) as rude:
        rude.sendall(b"\xff\xff\xff\xff\xff")
        rude.settimeout(5)
        assert rude.recv(10) == b""
    assert gateway.publish("acme/room-1/telemetry", reading(1)) == 0


def test_every_mistake_in_the_settings_is_told_at_once_and_nothing_starts(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules:\n  hot:\n    select: avg(air.temperature) as t\n    when: t >\n")
    (tmp_path / "node.yaml").write_text(
        "node: gw\nmqqt: {}\nhost: {every: often}\nprofiles: ['builtin:none']\nrules: [rules.yaml]\n"
    )
    done = subprocess.run(
        [*HOLDFAST, "run", str(tmp_path / "node.yaml")], capture_output=True, text=True, check=False, timeout=20
    )
    assert done.returncode == 78
    assert "node.yaml:2: mqqt: unknown key; did you mean `mqtt`?" in done.stderr
    assert "node.yaml:3: host.every: expected a duration" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_says_what_to_do(tmp_path: Path) -> None:
    one = Gateway(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", one.mqtt))
        taken.listen()
        done = subprocess.run(
            [*HOLDFAST, "run", str(one.settings)], capture_output=True, text=True, check=False, timeout=20
        )
    assert done.returncode == 69
    assert "in use" in done.stderr


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount and root")
def test_a_full_disk_stops_the_acks_and_they_resume_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("tmpfs can't be mounted here")
    try:
        one = Gateway(tmp_path)
        one.settings.write_text(one.settings.read_text().replace("data: data", "data: disk"))
        one.start()
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as out:
            while out.write(b"x" * 4096):
                pass
        blocked = subprocess.Popen(
            ["mosquitto_pub", "-p", str(one.mqtt), "-q", "1", "-t", "acme/room-1/telemetry", "-s"],
            stdin=subprocess.PIPE,
        )
        assert blocked.stdin is not None
        # too large for the WAL's free space: it can't be committed until the filler goes
        blocked.stdin.write(b'{"raw":"' + bytes(range(32, 34)) * 50_000 + b"}")
        blocked.stdin.close()
        wait_until(lambda: "condition=full" in one.log())
        assert blocked.poll() is None
        with pytest.raises(urllib.request.HTTPError):
            one.get("/readyz")
        filler.unlink()
        freed = time.monotonic()
        assert blocked.wait(10) == 0
        assert time.monotonic() - freed < 5
        assert one.get("/readyz")["ready"] is True
        assert one.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_doctor_looks_at_a_nodes_ports_and_disk(gateway: Gateway) -> None:
    done = subprocess.run(
        [*HOLDFAST, "doctor", str(gateway.settings)], capture_output=True, text=True, check=False, timeout=60
    )
    assert "sqlite" in done.stdout
    assert "synchronous" in done.stdout
    assert str(gateway.mqtt) in done.stdout


def test_the_source_tree_is_the_one_under_test() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import holdfast; print(holdfast.__file__)"], capture_output=True, text=True, check=True
    )
    assert str(ROOT / "src") in done.stdout

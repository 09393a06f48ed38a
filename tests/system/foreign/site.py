"""Foreign brokers as processes, a node as a process, and an MQTT client we didn't write."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from tests.ports import free_port
from tests.waiting import wait_until

from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.reader import JournalReader
from holdfast.model.lane import Lane

ROOT = Path(__file__).parents[3]
PROFILES = """
profiles:
  room:
    topic: rooms/{device}
    version: 1
    time: {field: ts, unit: ms}
    id: id
    fields:
      n: {metric: test.n, unit: Cel}
"""


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Broker:
    """Mosquitto (Debian) or nats-server (PyPI), killed and restarted on the same port and files."""

    def __init__(self, kind: Literal["mosquitto", "nats"], folder: Path, extra: str = "") -> None:
        self.kind, self.folder, self.port = kind, folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        self.conf = folder / "broker.conf"
        if kind == "mosquitto":
            self.conf.write_text(
                f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
                f"persistence_location {folder}/\nmax_queued_messages 0\n{extra}"
            )
        else:
            self.conf.write_text(
                f'server_name: test\nlisten: "127.0.0.1:{free_port()}"\njetstream {{ store_dir: "{folder}/js" }}\n'
                f'mqtt {{ listen: "127.0.0.1:{self.port}", ack_wait: "3s" }}\n'
            )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        nats = Path(sys.executable).parent / "nats-server"
        argv = ["mosquitto"] if self.kind == "mosquitto" else [str(nats)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*argv, "-c", str(self.conf)], stdout=log, stderr=log)
        wait_until(lambda: listens(self.port))

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class NodeProcess:
    """`holdfast run` of a node.yaml."""

    def __init__(self, folder: Path, settings: str, env: Mapping[str, str] | None = None) -> None:
        self.folder, self._env = folder, dict(env or {})
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "profiles.yaml").write_text(PROFILES)
        (folder / "node.yaml").write_text(
            f"node: gw\nprofiles: [profiles.yaml]\njournal: {{ballast: 0MB, scrub: 0}}\n{settings}"
        )
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **self._env}
        with self.log.open("ab") as log:
            argv = [sys.executable, "-m", "holdfast", "run", str(self.folder / "node.yaml")]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, env=env)

    def says(self, what: str, times: int = 1) -> bool:
        return self.log.read_text().count(what) >= times

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(30) == 0
            self.process = None

    def stored(self) -> list[int]:
        """The numbers in lane 2, in order."""
        reader = JournalReader(self.folder / "data" / FILE_NAME)
        try:
            groups = reader.read(Lane.BULK, 0, 10**9)
            return [int(v) for group in groups for v in decode_readings(group.blob).value.tolist()]
        finally:
            reader.close()

    def rows(self) -> int:
        """Rows in lane 2, also while the node runs."""
        reader = JournalReader(self.folder / "data" / FILE_NAME)
        try:
            return reader.heads()[Lane.BULK]
        finally:
            reader.close()


class Feeder:
    """Publishes numbered messages with paho at a QoS until stopped; knows which ones the broker acknowledged."""

    def __init__(self, port: int, qos: int, rate: float, devices: int = 5) -> None:
        self.acked: set[int] = set()
        self.sent = 0
        self._mids: dict[int, int] = {}
        self._lock = threading.Lock()
        self._early: set[int] = set()
        self._qos, self._pause, self._devices = qos, 1 / rate, devices
        self._stopping = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="feeder", clean_session=False)
        # Mosquitto throws out who has more of QoS 2 in flight than its own `max_inflight_messages`, again and again.
        self._client.max_inflight_messages_set(20)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = self._on_publish
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _on_publish(self, _client: Any, _data: Any, mid: int, *_rest: Any) -> None:
        with self._lock:
            if mid in self._mids:
                self.acked.add(self._mids.pop(mid))
            else:
                self._early.add(mid)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause):
            n = self.sent = self.sent + 1
            body = json.dumps({"id": f"m{n}", "ts": time.time_ns() // 1_000_000, "n": n})
            mid = self._client.publish(f"rooms/r{n % self._devices}", body, self._qos).mid
            with self._lock:
                if mid in self._early:
                    self._early.discard(mid)
                    self.acked.add(n)
                else:
                    self._mids[mid] = n

    def finish(self) -> None:
        """Send no more; wait until everything is acknowledged."""
        self._stopping.set()
        self._thread.join()
        wait_until(lambda: len(self.acked) == self.sent)
        self._client.loop_stop()
        self._client.disconnect()


class Upstream:
    """Subscribes with paho and keeps what comes."""

    def __init__(self, port: int, topic: str) -> None:
        self.messages: list[tuple[str, Any]] = []
        self._topic = topic
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="cloud", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _c, _d, m: self.messages.append((m.topic, json.loads(m.payload)))
        self._up = threading.Event()
        self._client.on_subscribe = lambda *_: self._up.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._up.wait(10)

    def _on_connect(self, client: paho.Client, *_: Any) -> None:
        client.subscribe(self._topic, 1)

    def stop(self) -> None:
        self._client.loop_stop()
        self._client.disconnect()


def have_mosquitto() -> bool:
    return shutil.which("mosquitto") is not None


def have_nats() -> bool:
    return (Path(sys.executable).parent / "nats-server").exists()

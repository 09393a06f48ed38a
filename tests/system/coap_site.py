"""A node that speaks CoAP, libcoap's programs beside it, and a load that knows what was answered."""

import itertools
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from tests.ports import free_port
from tests.system.test_gateway import Gateway, reading
from tests.unit.adapters.coap.doubles import FORMAT, request
from tests.waiting import wait_until

from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME, load_catalogue
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GroupKind
from holdfast.model.lane import Lane


def have_libcoap() -> bool:
    return shutil.which("coap-client-notls") is not None and shutil.which("coap-server-notls") is not None


def libcoap(*words: str, timeout_s: float = 20.0) -> str:
    """libcoap's client, once; what it printed."""
    found = subprocess.run(
        ["coap-client-notls", "-B", "10", *words], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    return found.stdout + found.stderr


class CoapNode(Gateway):
    """A gateway with `coap:`."""

    def __init__(self, folder: Path, coap: str, profiles: Sequence[str] = ("builtin:senml", "builtin:rooms")) -> None:
        self.coap = free_port()
        super().__init__(folder, coap.replace("PORT", str(self.coap)))
        text = self.settings.read_text().replace("profiles: ['builtin:rooms']", f"profiles: [{', '.join(profiles)}]")
        self.settings.write_text(text.replace("rules: ['builtin:rooms']\n", "journal: {ballast: 0MB}\n"))

    def start(self) -> None:
        super().start()
        wait_until(lambda: self.adapter("coap:field")["state"] == "working")

    def newest(self) -> dict[str, dict[str, Any]]:
        rows = self.get("/api/v1/series")["series"]
        assert isinstance(rows, list)
        return {row["name"].removeprefix("gw/"): row for row in rows}

    def value(self, series: str) -> tuple[Any, Any, Any]:
        """Value, unit and quality of a series; Nones before it's known."""
        row = self.newest().get(series, {})
        return row.get("value"), row.get("unit"), row.get("quality")

    def device(self, adapter: str) -> dict[str, Any]:
        """The only device of an adapter, as the API tells of it."""
        found: list[dict[str, Any]] = httpx.get(
            f"http://127.0.0.1:{self.api}/api/v1/adapters/{adapter}/devices", timeout=5
        ).json()
        return found[0]

    def adapter(self, name: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = httpx.get(f"http://127.0.0.1:{self.api}/api/v1/adapters", timeout=5).json()
        return next(one for one in found if one["name"] == name)

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.api}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    def command(self, device: str, **values: Any) -> dict[str, Any]:
        """Write points, and what became of it."""
        base = f"http://127.0.0.1:{self.api}/api/v1/devices/{device}/commands"
        made = httpx.post(base, json={"name": "write", "params": values, "deadline": 20.0}, timeout=5)
        assert made.status_code in (200, 202), made.text
        found: dict[str, Any] = httpx.get(f"{base}/{made.json()['id']}?wait=15", timeout=20).json()
        return found

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)

    def stored(self, metric: str) -> list[float]:
        """All values of a metric in the journal, in order."""
        path = self.folder / "data" / FILE_NAME
        reader, catalogue = JournalReader(path), load_catalogue(path)
        found = []
        for group in itertools.chain(*(reader.between(0, 2**62, lane) for lane in Lane)):
            if group.kind is GroupKind.READINGS:
                batch = decode_readings(group.blob)
                pairs = zip(batch.series.tolist(), batch.value.tolist(), strict=True)
                found += [value for number, value in pairs if catalogue[number].metric == metric]
        reader.close()
        return found


class LibcoapServer:
    """libcoap's server: `/time` is observable, `/example_data` can be written."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"coap://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self._folder / "libcoap.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["coap-server-notls", "-A", "127.0.0.1", "-p", str(self.port)], stdout=log, stderr=log
            )
        wait_until(lambda: "example_data" in libcoap("-B", "1", f"{self.url}/.well-known/core"))

    def send(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)
            self.process = None


class SlowCable:
    """Datagrams of one client to one server and back, each late by `delay_s`."""

    def __init__(self, to: int) -> None:
        self.port, self.delay_s = free_port(), 0.0
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind(("127.0.0.1", self.port))
        self._back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._back.connect(("127.0.0.1", to))
        self._client: Any = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        waiting: list[tuple[float, bool, bytes]] = []
        while not self._stopping.is_set():
            ready, _, _ = select.select([self._front, self._back], [], [], 0.01)
            for sock in ready:
                try:
                    data, address = sock.recvfrom(65_536)
                except ConnectionRefusedError:
                    continue
                if sock is self._front:
                    self._client = address
                waiting.append((time.monotonic() + self.delay_s, sock is self._front, data))
            due = [one for one in waiting if one[0] <= time.monotonic()]
            waiting = [one for one in waiting if one not in due]
            for _, is_there, data in due:
                try:
                    self._back.send(data) if is_there else self._front.sendto(data, self._client)
                except ConnectionRefusedError:
                    continue

    def cut(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._front.close()
        self._back.close()


class Pusher:
    """A device that pushes numbered readings as confirmable messages, again and again until each is answered 2.04."""

    WINDOW, AGAIN_S = 40, 0.4

    def __init__(self, port: int) -> None:
        self.stored: set[int] = set()
        self._port, self._sent = port, 0
        self._open: dict[int, tuple[float, bytes]] = {}
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.settimeout(0.02)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set() or self._open:
            while len(self._open) < self.WINDOW and not self._stopping.is_set():
                self._sent += 1
                body = reading(self._sent).replace(b'"co2":500', b'"co2":%d' % self._sent)
                self._open[self._sent] = (0.0, request(self._sent, "acme/press/telemetry", body, extra=FORMAT[50]))
            self._send_due()
            self._receive()

    def _send_due(self) -> None:
        now = time.monotonic()
        for number, (at, data) in self._open.items():
            if now - at > self.AGAIN_S:
                self._open[number] = (now, data)
                try:
                    self._sock.sendto(data, ("127.0.0.1", self._port))
                except ConnectionRefusedError:
                    return

    def _receive(self) -> None:
        try:
            data = self._sock.recv(1_000)
        except (TimeoutError, ConnectionRefusedError):
            return
        size = data[0] & 15
        if data[1] == 0x44 and size == 3:  # 2.04 with its token
            number = int.from_bytes(data[5:7], "big")
            if self._open.pop(number, None) is not None:
                self.stored.add(number)
        if data[0] >> 4 & 3 == 0:  # a separate response is confirmable: acknowledge it
            self._sock.sendto(b"\x60\x00" + data[2:4], ("127.0.0.1", self._port))

    def finish(self) -> None:
        """Begin no more, and have everything answered."""
        self._stopping.set()
        self._thread.join(60)
        assert not self._open
        self._sock.close()

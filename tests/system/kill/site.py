"""A gateway and a hub as real processes that can be killed, and the check of a device's record against the hub."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tests.ports import free_port

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.identity.tokens import issue_token
from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME, load_catalogue
from holdfast.journal.reader import JournalReader
from holdfast.model.lane import Lane

ROOT = Path(__file__).parents[3]
START_S = 90.0  # for a machine that does much else, too
METRICS = {"air.temperature", "air.humidity", "light.illuminance", "air.co2", "room.occupied"}
PROFILE = """profiles:
  acme-room:
    topic: acme/{device}/telemetry
    version: 1
    time: {field: ts, unit: s}
    id: id  # and no `stale_after`: a message may be sent again and again while its gateway is killed
    fields:
      temp_c: {metric: air.temperature, unit: Cel, min: -40, max: 85}
      hum: {metric: air.humidity, unit: "%RH", min: 0, max: 100}
      lux: {metric: light.illuminance, unit: lx, min: 0}
      co2: {metric: air.co2, unit: ppm, to: ppm, min: 0, max: 40000}
      occ: {metric: room.occupied, type: bool}
"""


@dataclass
class Site:
    """One hub, one gateway. `source` is the tree the nodes run from, so that a mutant can be tried.

    more, more_hub: further settings of the gateway and the hub, as YAML
    """

    folder: Path
    source: Path = ROOT / "src"
    more: str = ""
    more_hub: str = ""
    mqtt: int = field(default_factory=free_port)
    hub: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def prepare(self) -> None:
        create_authority(self.folder)
        certificate = issue_certificate(self.folder, "hub", ["127.0.0.1"])
        issue_token(self.folder / "gw.token")
        (self.folder / "hub.yaml").write_text(
            f"node: hub\ndata: hub\napi: {{listen: '127.0.0.1:{self.hub}', "
            f"tls: {{certificate: {certificate.certificate}, key: {certificate.key}}}}}\n"
            f"children: {{tokens: {{gw: gw.token}}}}\n{self.more_hub}"
        )
        (self.folder / "rooms.yaml").write_text(PROFILE)
        (self.folder / "gw.yaml").write_text(
            f"node: gw\ndata: gw\nmqtt: {{listen: '127.0.0.1:{self.mqtt}', anonymous: true}}\n"
            "profiles: [rooms.yaml]\n"
            f"parent: {{url: 'https://127.0.0.1:{self.hub}', ca: ca.pem, token_file: gw.token, linger: 5ms, "
            "min_rows: 1, backoff_min: 50ms, backoff_max: 200ms}\n"
            f"{self.more}"
        )

    def start(self, name: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        env = {**os.environ, "PYTHONPATH": str(self.source)}
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "holdfast.node", str(self.folder / f"{name}.yaml")],
            env=env,
            stdout=log,
            stderr=log,
            cwd=self.folder,
        )
        log.close()

    def wait_up(self, name: str) -> None:
        port = self.mqtt if name == "gw" else self.hub
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self.processes[name].poll() is None, f"{name} ended:\n{self.log(name)}"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError(f"{name} did not come up:\n{self.log(name)}")

    def bring_up(self, names: Sequence[str]) -> None:
        """Start these and wait until they take connections; their starts overlap."""
        for name in names:
            self.start(name)
        for name in names:
            self.wait_up(name)

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def head(self, name: str) -> int:
        """Rows of the bulk lane that a node has committed, read from its file."""
        reader = JournalReader(self.folder / name / FILE_NAME)
        try:
            return reader.counters().get("rows_committed.lane2", 0)
        finally:
            reader.close()

    def wait_growing(self, name: str) -> None:
        """Wait until a node commits rows."""
        before, deadline = self.head(name), time.monotonic() + START_S
        while self.head(name) <= before:
            assert time.monotonic() < deadline, f"{name} commits nothing:\n{self.log(name)}"
            time.sleep(0.005)

    def wait_synced(self, seconds: float = 180) -> None:
        """Wait until the hub has as many rows as the gateway; a lost row shows in the check, not here."""
        deadline = time.monotonic() + seconds
        last = (-1, 0.0)
        while time.monotonic() < deadline:
            hub = self.head("hub")
            if hub >= self.head("gw"):
                return
            if hub != last[0]:
                last = hub, time.monotonic()
            time.sleep(0.1)


@dataclass(frozen=True)
class Verdict:
    """What became of the messages the device had a PUBACK for."""

    acked: int
    lost: int
    doubled: int
    wrong: int


def judge(site: Site, record: Path) -> Verdict:
    """Compare the device's own record with what the hub's journal holds, reading by reading."""
    acked = [line.split() for line in record.read_text().splitlines()]
    found = hub_readings(site)
    lost = doubled = wrong = 0
    for device, ms, co2 in acked:
        counts = [len(found.get((device, metric, int(ms)), ())) for metric in METRICS]
        lost += min(counts) == 0
        doubled += max(counts) > 1
        wrong += any(v != int(co2) / 100 for v in found.get((device, "air.co2", int(ms)), ()))
    repeats = sum(1 for values in found.values() if len(values) > 1)
    return Verdict(len(acked), lost, max(doubled, repeats), wrong)


def hub_readings(site: Site) -> dict[tuple[str, str, int], list[float]]:
    path = site.folder / "hub" / FILE_NAME
    catalogue = load_catalogue(path)
    reader = JournalReader(path)
    found: dict[tuple[str, str, int], list[float]] = {}
    for group in reader.between(0, 2**62, Lane.BULK):
        batch = decode_readings(group.blob)
        times = batch.ts // 1_000_000
        for series, ms, value in zip(batch.series.tolist(), times.tolist(), batch.value.tolist(), strict=True):
            name = catalogue[series]
            found.setdefault((name.device, name.metric, ms), []).append(value)
    reader.close()
    return found


def mutant(folder: Path, patches: dict[str, list[tuple[str, str]]]) -> Path:
    """A copy of the source tree with each (old, new) replaced; every `old` must stand there exactly once."""
    source = folder / "mutant-src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    for name, changes in patches.items():
        path = source / "holdfast" / name
        text = path.read_text()
        for old, new in changes:
            assert text.count(old) == 1, f"{name} changed: {old!r} stands there {text.count(old)} times"
            text = text.replace(old, new)
        path.write_text(text)
    return source


def tally(names: list[str]) -> str:
    return ", ".join(f"{n} x {name}" for name, n in sorted(Counter(names).items()))


def seeded(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)

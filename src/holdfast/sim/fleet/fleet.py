"""The fleet's loop: publishes at a steady rate over all devices, reads PUBACKs, keeps the record."""

import selectors
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np

from holdfast.kernel.clock import NS_PER_MS, Clock
from holdfast.sim.fleet.client import DeviceClient
from holdfast.sim.fleet.record import Kind, Record
from holdfast.sim.fleet.recording import load_recording
from holdfast.sim.fleet.script import DeviceScript, Message, Mix

SETTLE_S = 30.0
_IDLE_S = 0.002
_CONNECTING_S = 1.0


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What a fleet does. rate: messages a second over all devices."""

    host: str
    port: int
    devices: int
    rate: float
    seconds: float
    seed: int = 1
    window: int = 20
    mix: Mix = field(default_factory=Mix)


class Progress(msgspec.Struct, frozen=True):
    """How far a fleet is."""

    published: int
    acked: int
    crossings: int


class Ledger:
    """Growing columns of the record."""

    def __init__(self) -> None:
        self.device, self.kind, self.readings = array("h"), array("b"), array("b")
        self.ts_ms, self.size = array("q"), array("i")
        self.temperature, self.t_send, self.t_ack = array("d"), array("d"), array("d")
        self.crossing = array("b")
        self.acked = self.crossings = 0

    def __len__(self) -> int:
        return len(self.device)

    def sent(self, device: int, message: Message, now: float) -> int:
        """Note a message; returns its number."""
        self.device.append(device)
        self.kind.append(message.kind)
        self.ts_ms.append(message.ts_ms)
        self.readings.append(message.readings)
        self.temperature.append(message.temperature)
        self.crossing.append(message.crossing)
        self.size.append(len(message.payload))
        self.t_send.append(now)
        self.t_ack.append(float("nan"))
        self.crossings += message.crossing
        return len(self.device) - 1

    def record(self, names: list[str]) -> Record:
        """The columns as arrays."""
        return Record(
            names=names,
            device=np.array(self.device, np.int64),
            kind=np.array(self.kind, np.int8),
            ts_ms=np.array(self.ts_ms, np.int64),
            readings=np.array(self.readings, np.int8),
            temperature=np.array(self.temperature),
            crossing=np.array(self.crossing, np.bool_),
            size=np.array(self.size, np.int32),
            t_send=np.array(self.t_send),
            t_ack=np.array(self.t_ack),
        )


class Fleet:
    """All devices in one thread."""

    def __init__(self, plan: FleetPlan, clock: Clock) -> None:
        recording = load_recording()
        self.reconnects = 0
        self._plan = plan
        self._clock = clock
        self._ledger = Ledger()
        self._scripts = [DeviceScript(n, plan.seed, recording, plan.mix) for n in range(plan.devices)]
        self._clients = [
            DeviceClient(plan.host, plan.port, s.name, s.topic, plan.window, self._acked) for s in self._scripts
        ]
        self._turn = 0
        self._selector = selectors.EpollSelector()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(len(self._ledger), self._ledger.acked, self._ledger.crossings)

    def run(self, stopping: Callable[[], bool], tell: Callable[[Progress], None]) -> Record:
        """Publish until the time is over or `stopping`, then wait for the last PUBACKs. Tells once a second."""
        start = told = self._clock.monotonic()
        total = round(self._plan.rate * self._plan.seconds)
        while not stopping() and len(self._ledger) < total:
            now = self._clock.monotonic()
            self._connect(now, now + _CONNECTING_S)
            self._publish(min(total, int((now - start) * self._plan.rate)))
            self._poll(_IDLE_S)
            if now - told >= 1.0:
                told = now
                tell(self.progress)
        self._settle(tell)
        self.reconnects = sum(client.reconnects for client in self._clients)
        return self._ledger.record([script.name for script in self._scripts])

    def _connect(self, now: float, until: float) -> None:
        """Those without a connection, as many as there's time for, by turns: a broker may let each wait."""
        for _ in self._clients:
            client = self._clients[self._turn]
            self._turn = (self._turn + 1) % len(self._clients)
            if client.sock is None and client.connect(now) and client.sock is not None:
                if client.sock.fileno() in self._selector.get_map():  # a connection lost while writing had the number
                    self._selector.unregister(client.sock.fileno())
                self._selector.register(client.sock, selectors.EVENT_READ, client)
                client.write()
            if self._clock.monotonic() > until:
                return

    def _publish(self, due: int) -> None:
        while len(self._ledger) < due:
            k = len(self._ledger) % len(self._scripts)
            message = self._scripts[k].next(self._clock.wall_ns() // NS_PER_MS)
            number = self._ledger.sent(k, message, self._clock.monotonic())
            self._clients[k].publish(number, message.payload)

    def _poll(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            client: DeviceClient = key.data
            client.read()
            if client.sock is None:
                self._selector.unregister(key.fileobj)
        for client in self._clients:
            if client.wants_write:
                client.write()

    def _settle(self, tell: Callable[[Progress], None]) -> None:
        deadline = self._clock.monotonic() + SETTLE_S
        while not all(c.is_settled for c in self._clients) and (now := self._clock.monotonic()) < deadline:
            self._connect(now, min(deadline, now + _CONNECTING_S))
            self._poll(0.02)
        for client in self._clients:
            client.close()
        tell(self.progress)

    def _acked(self, number: int) -> None:
        self._ledger.t_ack[number] = self._clock.monotonic()
        self._ledger.acked += 1


def summary(record: Record, reconnects: int, seconds: float) -> dict[str, int | float]:
    """What `holdfast sim` prints at the end."""
    kinds = {kind: int((record.kind == kind).sum()) for kind in Kind}
    return {
        "published": len(record.kind),
        "acked": int((~np.isnan(record.t_ack)).sum()),
        "valid": kinds[Kind.VALID],
        "malformed": kinds[Kind.MALFORMED],
        "stale": kinds[Kind.STALE],
        "duplicates": kinds[Kind.DUPLICATE],
        "crossings": int(record.crossing.sum()),
        "payload_bytes_valid": int(record.size[record.kind == Kind.VALID].sum()),
        "reconnects": reconnects,
        "seconds": round(seconds, 2),
    }

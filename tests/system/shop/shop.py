"""A shop: two checkout workers on one database, a gateway, a link that can be cut, a hub, and the books."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import free_port
from tests.system.cable import Cable
from tests.system.kill.site import ROOT, Site
from tests.system.shop import books, till

from holdfast.identity.tokens import issue_token
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.ledger import Ledger, balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.queued import Depth
from holdfast.journal.reader import JournalReader

START_S = 30.0
APPS = ("till-0", "till-1", "books")


@dataclass
class Shop:
    """Everything of it as processes. `source`: the tree they run from."""

    folder: Path
    source: Path = ROOT / "src"
    lease: str = "2s"
    api: int = field(default_factory=free_port)
    tills: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))

    def __post_init__(self) -> None:
        queues = "queues: {orders: {}, stock: {}}\napps: {shop: {token: shop.token, put: [orders, stock]}}\n"
        more = f"api: {{listen: '127.0.0.1:{self.api}'}}\n{queues}"
        self.site = Site(self.folder, self.source, more)
        self.link = Cable(self.site.hub)
        self.apps: dict[str, subprocess.Popen[bytes]] = {}

    def prepare(self) -> None:
        self.site.prepare()
        issue_token(self.folder / "shop.token")
        issue_token(self.folder / "books.token")
        gateway = self.folder / "gw.yaml"
        text = gateway.read_text()
        assert text.count(str(self.site.hub)) == 1
        gateway.write_text(text.replace(str(self.site.hub), str(self.link.port)))
        with (self.folder / "hub.yaml").open("a") as out:
            out.write(
                f"queues: {{orders: {{consume: true, lease: {self.lease}}}, "
                f"stock: {{consume: true, lease: {self.lease}}}}}\n"
                "apps: {books: {token: books.token, consume: [orders, stock]}}\n"
            )

    def open(self, apps: Sequence[str] = APPS) -> None:
        self.prepare()
        self.site.bring_up(("hub", "gw"))
        for name in apps:
            self.start(name)
        for name in apps:
            if name.startswith("till"):
                self.wait_till(name)

    def start(self, name: str) -> None:
        if name in ("gw", "hub"):
            self.site.start(name)
            return
        here = Path(__file__).parent
        near = (f"http://127.0.0.1:{self.api}", self.folder / "shop.token")
        far = (f"https://127.0.0.1:{self.site.hub}", self.folder / "books.token", self.folder / "ca.pem")
        args: tuple[object, ...]
        if name == "books":
            args = (here / "books.py", self.folder / "books.db", *far)
        elif name == "source":
            args = (here / "warehouse.py", name, self.folder / "source.db", *near)
        elif name == "replica":
            args = (here / "warehouse.py", name, self.folder / "replica.db", *far)
        else:
            args = (here / "till.py", self.folder / "till.db", self.till(name), *near)
        log = (self.folder / f"{name}.log").open("ab")
        env = {**os.environ, "PYTHONPATH": f"{self.source}:{ROOT}"}
        self.apps[name] = subprocess.Popen([sys.executable, *map(str, args)], env=env, stdout=log, stderr=log)
        log.close()

    def till(self, name: str) -> int:
        return self.tills[int(name[-1])]

    def wait_till(self, name: str) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.till(name)), timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError(f"{name} did not come up:\n{self.log(name)}")

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def kill(self, name: str) -> None:
        """`kill -9`, whatever it's doing."""
        process = self.site.processes[name] if name in ("gw", "hub") else self.apps[name]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def restart(self, name: str) -> None:
        self.kill(name)
        self.start(name)

    def close(self) -> None:
        for process in self.apps.values():
            process.kill()
            process.wait()
        self.site.stop()
        self.link.close()

    def order(self, number: str, first: int = 0, patience_s: float = 60.0) -> float:
        """Order at a worker, at the other when it doesn't answer; returns how long the answer took, seconds."""
        line = json.dumps({"id": number, "goods": "tea"}).encode() + b"\n"
        began = time.monotonic()
        at = first
        while time.monotonic() - began < patience_s:
            with contextlib.suppress(OSError), self._door(at) as door:
                door.sendall(line)
                if door.recv(16) == b"ok\n":
                    return time.monotonic() - began
            at += 1
            time.sleep(0.001)
        raise AssertionError(f"no worker answers:\n{self.log('till-0')}")

    def _door(self, at: int) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.tills[at % 2]), timeout=1.0)

    def booked(self) -> list[tuple[str, str, int]]:
        """(order, source, number), in the order of their effect."""
        db = books.opened(self.folder / "books.db")
        try:
            return list(db.execute("SELECT id, source, n FROM booked ORDER BY at"))
        finally:
            db.close()

    def ordered(self) -> set[str]:
        """What the shop's own database has."""
        db = till.connection(self.folder / "till.db")
        try:
            return {name for (name,) in db.execute("SELECT id FROM orders")}
        finally:
            db.close()

    def wait_booked(self, seconds: float = 90.0) -> None:
        """Wait until as many are booked as were ordered; whether they're right is `judge`'s to say."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(sqlite3.OperationalError):
                if len(self.booked()) >= len(self.ordered()):
                    return
            time.sleep(0.2)

    def depth(self, queue: str = "orders") -> Depth:
        reader = JournalReader(self.folder / "hub" / FILE_NAME)
        try:
            (found,) = [one for one in reader.queue_depths() if one.queue == queue]
            return found
        finally:
            reader.close()

    def ledger(self, node: str) -> Ledger:
        reader = JournalReader(self.folder / node / FILE_NAME)
        try:
            return balance(reader.accounts(CONSUMER, count=True), has_parent=node != "hub")
        finally:
            reader.close()


@dataclass(frozen=True)
class Verdict:
    """What became of the orders. answered: the customers' own record; invented: booked and never ordered."""

    answered: int
    lost: int
    doubled: int
    invented: int
    swapped: int

    @property
    def is_exact(self) -> bool:
        return (self.lost, self.doubled, self.invented, self.swapped) == (0, 0, 0, 0)


def judge(shop: Shop, answered: set[str]) -> Verdict:
    booked = shop.booked()
    counts = Counter(name for name, _, _ in booked)
    ordered = shop.ordered()
    swapped, last = 0, dict[str, int]()
    for _, source, n in booked:
        swapped += n <= last.get(source, 0)
        last[source] = n
    lost = len((answered | ordered) - counts.keys())
    doubled = sum(1 for n in counts.values() if n > 1)
    return Verdict(len(answered), lost, doubled, len(counts.keys() - ordered), swapped)

"""A stopped node's folder with a real journal in it, and the command line in this process."""

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.unit.journal.kept import a_store, do, some
from typer.testing import CliRunner, Result

from holdfast.cli.main import app
from holdfast.journal.records import QuarantineRow
from holdfast.journal.store import FILE_NAME
from holdfast.journal.transaction import Transaction
from holdfast.model.lane import Lane
from holdfast.transport.addresses import Address
from holdfast.transport.server import WebServer
from holdfast.web.app import build_app
from holdfast.web.deps import WebDeps

RECEIVED_NS = 1_795_187_068 * 10**9
SETTINGS = "node: gw\nprofiles: [profile.yaml]\n"
PROFILE = """profiles:
  press:
    topic: plant/{{device}}
    version: 1
    time: {{field: ts, unit: s}}
    id: id
    stale_after: {stale_after}
    fields:
      t: {{metric: temperature, unit: Cel}}
"""


def message(number: int, reason: str = "stale", topic: str = "plant/press-1", payload: bytes = b"") -> QuarantineRow:
    good = json.dumps({"id": number, "ts": RECEIVED_NS / 1e9 - 600, "t": float(number)}).encode()
    return QuarantineRow(0, RECEIVED_NS + number * 10**9, "client", topic, reason, "detail", payload or good)


def make_site(folder: Path, refused: list[QuarantineRow], rows: int = 10, groups: int = 4, more: str = "") -> Path:
    """node.yaml of a stopped node with `groups` groups of bulk rows and some refused messages."""
    (folder / "node.yaml").write_text(SETTINGS + more)
    (folder / "profile.yaml").write_text(PROFILE.format(stale_after="1s"))

    def refuse(tx: Transaction) -> None:
        tx.quarantine(refused, 1000)
        for one in refused:
            tx.count("messages_received")
            tx.count(f"messages_rejected.{one.reason}")

    store = a_store(folder / "data")
    for _ in range(groups):
        batch = some(store, rows, store.state.heads[Lane.BULK] + 1)

        def append(tx: Transaction) -> None:
            tx.append_readings(Lane.BULK, batch)  # noqa: B023  # committed in this turn
            tx.count("readings_accepted", rows)
            tx.count("messages_received")
            tx.count("messages_accepted")

        do(store, append)
    do(store, refuse)
    store.close()
    return folder / "node.yaml"


def mend(folder: Path) -> None:
    """The profile takes old messages now."""
    (folder / "profile.yaml").write_text(PROFILE.format(stale_after="1h"))


def journal(folder: Path) -> Path:
    return folder / "data" / FILE_NAME


def holdfast(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def told(*words: object, code: int = 0) -> Any:
    """What the command printed as JSON."""
    done = holdfast(*words, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


@contextmanager
def served(deps: WebDeps, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The app on a port of its own, on a loop in another thread; the port."""
    loop = asyncio.new_event_loop()
    server = WebServer(build_app(deps), Address("127.0.0.1", 0), tls)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield server.address.port
        asyncio.run_coroutine_threadsafe(server.stop(0.1), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

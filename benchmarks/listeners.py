"""The listeners that `benchmarks.listener` compares: ours in two forms, Mosquitto and nats-server in two settings each.

What a setting promises differs, so each says it: `promise`. Brokers get a subscriber to everything, since what nobody
waits for needn't be kept; the durable settings give it a persistent session that acknowledges, as only that makes them
store. Ours journals what comes, whoever listens, and has no subscriber.
"""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.messages import make_device
from benchmarks.processes import free_port, python, running, wait_for_port
from benchmarks.tally import read_tally
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.reader import JournalReader

PROFILE = """profiles:
  hall:
    topic: hall/{device}/t
    version: 1
    time: {field: ts, unit: s}
    id: id
    fields:
      temp_c: {metric: air.temperature, unit: Cel}
"""


@dataclass
class Open:
    """A listener that takes connections. received: messages so far, for QoS 0; pids: server first, then helpers."""

    port: int
    pids: list[int]
    received: Callable[[], int]


@dataclass(frozen=True)
class Listener:
    """One row of the comparison."""

    name: str
    promise: str
    opened: Callable[[Path, int], contextlib.AbstractContextManager[Open]]
    is_durable: bool


@contextlib.contextmanager
def ours_bare(folder: Path, qos: int) -> Iterator[Open]:  # noqa: ARG001  # the same at each
    with running(*python("benchmarks.bare", str(folder)), stdout=subprocess.PIPE, log=folder / "log") as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield Open(port, [process.pid], lambda: read_tally(folder / "tally"))


@contextlib.contextmanager
def ours_node(folder: Path, qos: int) -> Iterator[Open]:  # noqa: ARG001
    port = free_port()
    (folder / "profile.yaml").write_text(PROFILE)
    (folder / "node.yaml").write_text(
        f"node: gw\ndata: data\nmqtt: {{listen: '127.0.0.1:{port}', anonymous: true, max_connections: 4000}}\n"
        "profiles: [profile.yaml]\njournal: {quota: 20GB, ballast: 0MB}\n"
    )
    with running(*python("holdfast.node", str(folder / "node.yaml")), log=folder / "log") as process:
        wait_for_port(port)
        reader = JournalReader(folder / "data" / FILE_NAME)
        try:
            yield Open(port, [process.pid], lambda: reader.counters().get("rows_committed.lane2", 0))
        finally:
            reader.close()


@contextlib.contextmanager
def _with_subscriber(folder: Path, port: int, server: int, qos: int, *, keep: bool) -> Iterator[Open]:
    size, tally = make_device(0, qos, is_small=True).packet_bytes, folder / "tally"
    wanted = qos if keep else 0
    size -= 2 if qos and not wanted else 0  # QoS 0 has no packet identifier
    options = ["--qos", str(wanted), "--packet", str(size), "--tally", str(tally), *(["--keep"] * keep)]
    command = python("benchmarks.null_subscriber", str(port), *options)
    with running(*command, stdout=subprocess.PIPE, log=folder / "subscriber") as subscriber:
        assert subscriber.stdout is not None
        if subscriber.stdout.readline() != "ready\n":
            raise SystemExit(f"no subscriber: {(folder / 'subscriber').read_text()}")
        yield Open(port, [server, subscriber.pid], lambda: read_tally(tally) if tally.exists() else 0)


def _mosquitto(durable: bool) -> Callable[[Path, int], contextlib.AbstractContextManager[Open]]:  # noqa: FBT001
    @contextlib.contextmanager
    def opened(folder: Path, qos: int) -> Iterator[Open]:
        port, settings = free_port(), folder / "mosquitto.conf"
        keeping = f"true\npersistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1"
        settings.write_text(
            f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 1000\n"
            f"max_queued_messages 0\nset_tcp_nodelay true\npersistence {keeping if durable else 'false'}\n"
        )
        with running("mosquitto", "-c", str(settings), log=folder / "log") as broker:
            wait_for_port(port)
            with _with_subscriber(folder, port, broker.pid, qos, keep=durable) as found:
                yield found

    return opened


def _nats(durable: bool) -> Callable[[Path, int], contextlib.AbstractContextManager[Open]]:  # noqa: FBT001
    @contextlib.contextmanager
    def opened(folder: Path, qos: int) -> Iterator[Open]:
        port, settings = free_port(), folder / "nats.conf"
        sync = ", sync_interval: always" if durable else ""
        settings.write_text(
            f'server_name: bench\nlisten: "127.0.0.1:{free_port()}"\njetstream {{ store_dir: "{folder}/js"{sync} }}\n'
            f'mqtt {{ listen: "127.0.0.1:{port}", max_ack_pending: 1000 }}\n'
        )
        server = str(Path(sys.executable).parent / "nats-server")
        with running(server, "-c", str(settings), log=folder / "log") as broker:
            wait_for_port(port)
            with _with_subscriber(folder, port, broker.pid, qos, keep=durable) as found:
                yield found

    return opened


LISTENERS = (
    Listener("ours", "listener and journal: PUBACK after the commit of the payload's bytes", ours_bare, True),
    Listener("node", "whole node: PUBACK after the commit of the decoded readings", ours_node, True),
    Listener("mosquitto", "from memory, QoS 0 subscriber; promises nothing", _mosquitto(durable=False), False),
    Listener(
        "mosquitto-kept",
        "whole state saved after changes, PUBACK not waiting for it; persistent subscriber that acknowledges",
        _mosquitto(durable=True),
        True,
    ),
    Listener("nats", "JetStream file without fsync (every 2 min), QoS 0 subscriber", _nats(durable=False), False),
    Listener(
        "nats-sync",
        "JetStream file, fsync each message; persistent subscriber that acknowledges",
        _nats(durable=True),
        True,
    ),
)

"""How long a gateway with a full disk takes from `holdfast run` to its first CONNACK, and where that goes.

`cpu_s` is what of it the process itself computed: on a machine with other work the rest is waiting for a core. Building
the journal takes minutes and its size in disk; `--bytes` makes it smaller.
"""

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.backlog import appending
from benchmarks.data import ROOM, Site
from benchmarks.messages import connect_packet
from benchmarks.options import Figures, Options
from benchmarks.pair import Pair
from benchmarks.processes import cpu_s
from holdfast.journal import blobs
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.records import GroupKind
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import NODE_ITSELF, Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.node.node import Node
from holdfast.node.settings import read_plan
from holdfast.stream.engine import Engine
from holdfast.telemetry.happenings import Telemetry

BYTES, QUICK_BYTES = 10_000_000_000, 30_000_000
GOALS = {"after_kill_s": "<= 2", "cold_s": "<= 2"}
ROWS_PER_GROUP = 50_000  # of random values, that nothing compresses: about 600 kB
GROUPS_PER_COMMIT = 32
DEDUPE_KEYS = 262_144
TAIL_GROUPS, TAIL_MESSAGES = 1_000, 50  # since the last checkpoint: 5 s of 10,000 messages/s, to be replayed
_LIMIT_S = 60.0


def startup(folder: Path, options: Options) -> Figures:
    """Warm and cold page cache, after a clean end and after a kill; medians. The journal is gone afterwards."""
    pair = Pair(folder)
    settings = pair.write_settings()
    began = time.monotonic()
    wanted = options.bytes or options.size(BYTES, QUICK_BYTES)
    subprocess.run([sys.executable, "-m", "benchmarks.startup", "build", str(settings), str(wanted)], check=True)
    built_s = time.monotonic() - began
    path = folder / "gw" / FILE_NAME
    sizes = {"journal_gb": path.stat().st_size / 1e9, "wal_mb": wal_of(path).stat().st_size / 1e6}
    after_kill = [_start(pair)]
    turns = 2 if options.quick else 5
    after_kill += [_start(pair) for _ in range(turns - 1)]
    cold = []
    for _ in range(turns):
        _forget(path)
        cold.append(_start(pair))
    parts = [json.loads(_python("parts", settings)) for _ in range(turns)]
    return {
        **{name: round(value, 2) for name, value in sizes.items()},
        "built_s": round(built_s, 1),
        "after_kill_s": _middle(wall for wall, _ in after_kill),
        "first_after_build_s": round(after_kill[0][0], 3),
        "cold_s": _middle(wall for wall, _ in cold),
        "cold_max_s": round(max(wall for wall, _ in cold), 3),
        "cpu_s": _middle(cpu for _, cpu in after_kill + cold),
        "interpreter_s": _timed("pass"),
        "import_cli_s": _timed("import holdfast.cli.main"),
        "import_node_s": _timed("import gc; gc.disable(); import holdfast.node.running, holdfast.node.settings"),
        **{name: round(statistics.median(p[name] for p in parts), 3) for name in parts[0]},
    }


def _middle(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _start(pair: Pair) -> tuple[float, float]:
    """Seconds from `holdfast run` to CONNACK, and of CPU; the gateway is killed then, so that its WAL stays."""
    began = time.monotonic()
    pair.start("gw")
    try:
        while time.monotonic() - began < _LIMIT_S:
            try:
                with socket.create_connection(("127.0.0.1", pair.mqtt), timeout=5) as sock:
                    sock.sendall(connect_packet("first"))
                    if sock.recv(4, socket.MSG_WAITALL)[:1] == b"\x20":
                        return time.monotonic() - began, cpu_s(pair.pid("gw"))
            except OSError:
                time.sleep(0.005)
        raise SystemExit(f"the gateway did not come up: {pair.log('gw')}")
    finally:
        pair.processes["gw"].send_signal(signal.SIGKILL)
        pair.processes["gw"].wait()


def _forget(path: Path) -> None:
    """Have the kernel drop the files' cached pages."""
    for file in (path, wal_of(path)):
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def _timed(code: str) -> float:
    took = []
    for _ in range(5):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", code], check=True)
        took.append(time.monotonic() - began)
    return round(statistics.median(took), 3)


def _python(*arguments: object) -> str:
    command = [sys.executable, "-m", "benchmarks.startup", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def build(settings: Path, wanted: int) -> None:
    """A journal of `wanted` bytes, a full dedupe table of one key a commit, a checkpoint and rows after it."""
    plan = read_plan(settings)
    path = plan.data / FILE_NAME
    journal = Journal(path, "gw", JournalSettings(quota=60_000_000_000), SystemClock())
    site = Site(200, time.time_ns())
    for one in site.series:
        journal.catalogue.intern(one)
    rng = np.random.default_rng(1)
    ids = np.arange(ROWS_PER_GROUP, dtype=np.int32) % len(site.series)
    ts = time.time_ns() + np.arange(ROWS_PER_GROUP)
    batch = Batch(ids, ts, rng.random(ROWS_PER_GROUP), np.zeros(ROWS_PER_GROUP, np.uint8))
    filling = _filling(batch, blobs.canonical_readings(batch), blobs.encode_readings(batch))
    while journal.size_bytes() < wanted:
        await journal.submit(filling)
    for start in range(0, DEDUPE_KEYS, 4_096):
        keys = rng.integers(1, 2**63, min(4_096, DEDUPE_KEYS - start), np.uint64)
        await journal.submit(_remembering(keys))
    state, head = Engine(plan.rules, journal.catalogue, "gw").snapshot(), journal.head(Lane.BULK)
    await journal.submit(lambda transaction: transaction.checkpoint("rules", head, state))
    width = TAIL_MESSAGES * len(ROOM)
    rounds = TAIL_GROUPS * TAIL_MESSAGES // 200
    tail = site.rounds(0, rounds, rounds)
    for at in range(0, len(tail), width):
        await journal.submit(appending([tail.take(slice(at, at + width))]))  # type: ignore[arg-type]
    os._exit(0)  # like a power cut: the WAL stays


def _filling(batch: Batch, canonical: bytes, blob: bytes) -> Callable[[Transaction], None]:
    """The same group again and again, encoded once: what is in it doesn't matter to a start."""
    times = int(batch.ts[0]), int(batch.ts[-1])

    def write(tx: Transaction) -> None:
        for _ in range(GROUPS_PER_COMMIT):
            tx._append(Lane.BULK, GroupKind.READINGS, len(batch), times, canonical, blob, NODE_ITSELF)  # noqa: SLF001

    return write


def _remembering(keys: NDArray[np.uint64]) -> Callable[[Transaction], None]:
    def write(transaction: Transaction) -> None:
        for i in range(len(keys)):
            transaction.remember_keys(keys[i : i + 1], 262_144)

    return write


async def parts(settings: Path) -> dict[str, float]:
    """Seconds of each step, in this fresh process."""
    clock = SystemClock()
    marks = {"": time.monotonic()}
    plan = read_plan(settings)
    marks["settings_s"] = time.monotonic()
    journal = Journal(plan.data / FILE_NAME, "gw", plan.settings.journal, clock)
    marks["journal_open_s"] = time.monotonic()
    keys = journal.dedupe_keys()
    marks["dedupe_read_s"] = time.monotonic()
    del keys
    journal.close()
    marks["_"] = time.monotonic()
    node = Node(plan, clock, Telemetry(clock))
    marks["parts_made_s"] = time.monotonic()
    await asyncio.to_thread(node.intake.replay)
    marks["replay_s"] = time.monotonic()
    names = list(marks)
    found = {name: marks[name] - marks[before] for before, name in pairwise(names)}
    node.journal.close()
    return {name: took for name, took in found.items() if name != "_"}


if __name__ == "__main__":
    if sys.argv[1] == "build":
        asyncio.run(build(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        print(json.dumps(asyncio.run(parts(Path(sys.argv[2])))))

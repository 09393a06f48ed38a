"""Bytes that reach the disk per reading at a site's usual pace, 1,000 readings/s, and which commits cost what.

`write_bytes` of /proc/PID/io: what the process made dirty in the page cache or wrote, by the page; for SQLite that is
WAL frames and, at checkpoints, pages of the main file. The filesystem's own journal comes on top and isn't counted.

Three parts: a gateway and a hub as they come; both with commits that gather (`MORE`, PUBACKs take up to 20 s then);
and, faster than time, a journal alone for `COMMITS` commits at several cadences, with what a node commits beside the
rows (message keys, counters, what the parent has), delivered rows dropped at its quota, and all checkpoints. The first
two are over too soon for SQLite to checkpoint by itself, so one is made and counted. Takes about three minutes.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import numpy as np
from numpy.typing import NDArray

from benchmarks.data import ROOM, Site
from benchmarks.messages import READINGS_PER_MESSAGE
from benchmarks.options import Figures, Options
from benchmarks.pair import Pair
from benchmarks.wal import read_wal
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.parent import ACCOUNT, BUDGET, CONSUMER, SAFE
from holdfast.journal.relief import Delivered, Level, level_of, relieve
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.node.machine import filesystem_of

RATE, DEVICES = 200, 40
GOALS = {
    "gateway_bytes_per_reading": "<= 12",
    "gathered.gateway_bytes_per_reading": "<= 12",
    "4000_messages_a_commit.bytes_per_reading": "<= 12",
}
PARENT = ", remember_every: 20s"
MORE = "intake: {commit_every: 20s, checkpoint_every: 60s}\n"
CADENCES = (1, 20, 200, 1_000, 2_000, 4_000)
"""Messages a commit: at 200 messages/s that is every 5 ms, 100 ms, 1 s, 5 s, 10 s, 20 s."""
COMMITS, MOST_READINGS = 4_000, 4_000_000
QUOTA = 6_000_000


def flash(folder: Path, options: Options) -> Figures:
    """200 messages/s of 5 readings for 60 s, gateway and hub, twice; then the journal alone at other cadences."""
    seconds = options.size(60, 10)
    figures: Figures = {"filesystem": filesystem_of(folder), **_site(folder / "default", seconds)}
    found = _site(folder / "gathered", seconds, PARENT, MORE)
    figures |= {f"gathered.{name}": value for name, value in found.items()}
    for messages in CADENCES:
        readings = min(COMMITS * messages * len(ROOM), options.size(MOST_READINGS, 100_000))
        found = asyncio.run(_alone(folder / f"alone-{messages}", messages, readings))
        figures |= {f"{messages}_messages_a_commit.{name}": value for name, value in found.items()}
    return figures


def _site(folder: Path, seconds: float, parent: str = "", more: str = "") -> Figures:
    folder.mkdir()
    pair = Pair(folder)
    pair.write_settings(parent=parent, more=more)
    with pair.up("hub", "gw"):
        time.sleep(2)
        before = {name: written_bytes(pair.pid(name)) for name in ("gw", "hub")}
        command = [sys.executable, "-m", "benchmarks.pace", *map(str, (pair.mqtt, DEVICES, RATE, seconds))]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
        acked = int(json.loads(done.stdout)["acked"])
        pair.wait_synced(20)
        time.sleep(1)
        stories = {name: read_wal(folder / name / FILE_NAME) for name in ("gw", "hub")}
        written = {name: written_bytes(pair.pid(name)) - before[name] for name in ("gw", "hub")}
        written = {name: size + _checkpoint(folder / name / FILE_NAME) for name, size in written.items()}
    readings = acked * READINGS_PER_MESSAGE
    return {
        "readings": readings,
        "gateway_bytes_per_reading": round(written["gw"] / readings, 1),
        "hub_bytes_per_reading": round(written["hub"] / readings, 1),
        **{f"{name}_frames_per_commit": story.by_table for name, story in stories.items()},
        **{f"{name}_commits_in_wal": story.commits for name, story in stories.items()},
    }


def written_bytes(pid: int | str = "self") -> int:
    """`write_bytes` of a process so far."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes"):
            return int(line.split()[1])
    return 0


def _checkpoint(path: Path) -> int:
    """Copy what the WAL holds into the main file; returns the bytes that this wrote."""
    before = written_bytes()
    with closing(apsw.Connection(str(path))) as db:
        db.set_busy_timeout(5_000)
        db.execute("SELECT count(*) FROM sqlite_master").fetchall()  # before it, SQLite doesn't know that there's a WAL
        frames, copied = db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
        assert frames == copied > 0, (frames, copied)
    return written_bytes() - before


async def _alone(folder: Path, messages: int, total: int) -> Figures:
    """A journal that commits `messages` at a time; at its quota the delivered rows go."""
    settings = JournalSettings(quota=QUOTA)
    journal = Journal(folder / FILE_NAME, "gw", settings, SystemClock())
    site = Site(DEVICES, time.time_ns())
    for one in site.series:
        journal.catalogue.intern(one)
    rounds = max(1, total // len(site.series))
    await journal.submit(lambda transaction: transaction.count("messages_accepted"))
    rng = np.random.default_rng(1)
    before = written_bytes()
    step, dropped = messages * len(ROOM), 0
    rows = site.rounds(0, rounds, rounds)
    for number, start in enumerate(range(0, len(rows), step), 1):
        keys = rng.integers(1, 2**63, messages, np.uint64)
        await journal.submit(_commit(rows.take(np.arange(start, min(start + step, len(rows)))), keys))
        if number % max(1, 4_000 // messages) == 0:  # as every 20 s
            level = level_of(journal.used_bytes(), settings)
            dropped += await journal.submit(_remembering(journal.head(Lane.BULK), level, settings))
    story = read_wal(folder / FILE_NAME)
    blob = sum(len(g.blob) for g in journal.read(Lane.BULK, journal.cut(Lane.BULK)[0], 200 * step))
    kept = sum(len(g) for g in journal.read(Lane.BULK, journal.cut(Lane.BULK)[0], 200 * step))
    await asyncio.to_thread(journal.close)  # its checkpoint counts, too
    return {
        "bytes_per_reading": round((written_bytes() - before) / len(rows), 2),
        "blob_bytes_per_reading": round(blob / kept, 2),
        "readings": len(rows),
        "dropped": dropped,
        "frames_per_commit": story.by_table,
    }


def _remembering(upto: int, level: Level, settings: JournalSettings) -> Callable[[Transaction], int]:
    """What a node notes of its parent, and what it drops for that."""

    def write(transaction: Transaction) -> int:
        for consumer in (CONSUMER, SAFE):
            for lane in Lane:
                transaction.set_cursor(consumer, lane, upto if lane is Lane.BULK else 0)
        for key in (ACCOUNT, BUDGET):
            transaction.set_meta(key, json.dumps({"upto": upto, "at": time.time_ns()}))
        delivered = Delivered({Lane.BULK: upto}, {Lane.BULK: upto})
        return relieve(transaction, level, settings, delivered, time.time_ns()).dropped

    return write


def _commit(batch: Batch, keys: NDArray[np.uint64]) -> Callable[[Transaction], None]:
    def write(transaction: Transaction) -> None:
        transaction.append_readings(Lane.BULK, batch)
        transaction.remember_keys(keys, 262_144)
        for name in ("messages_received", "messages_accepted", "readings_accepted", "payload_bytes"):
            transaction.count(name, len(batch))

    return write

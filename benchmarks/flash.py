"""Bytes that reach the disk per reading at a site's usual pace, and which commits cost what.

`write_bytes` of /proc/PID/io: what the process made dirty in the page cache or wrote, by the page; for SQLite that is
WAL frames and, at checkpoints, pages of the main file. The filesystem's own journal comes on top and isn't counted.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import ROOM, Site
from benchmarks.messages import READINGS_PER_MESSAGE
from benchmarks.options import Figures, Options
from benchmarks.pair import Pair
from benchmarks.wal import WalStory, read_wal
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.node.machine import filesystem_of

RATE, DEVICES = 200, 40
GOALS = {"gateway_bytes_per_reading": "<= 12", "gathered.gateway_bytes_per_reading": "<= 12"}
PARENT = ", remember_every: 10s"
MORE = "intake: {commit_every: 10s, checkpoint_every: 60s}\n"
CADENCES = (1, 20, 200, 1_000, 2_000)
"""Messages a commit: at 200 messages/s that is every 5 ms, 100 ms, 1 s, 5 s, 10 s."""


def flash(folder: Path, options: Options) -> Figures:
    """200 messages/s of 5 readings for 60 s, gateway and hub; then the journal alone at other commit cadences."""
    seconds = options.size(60, 10)
    figures: Figures = {"filesystem": filesystem_of(folder), **_site(folder / "default", seconds)}
    found = _site(folder / "gathered", seconds, PARENT, MORE)
    figures |= {f"gathered.{name}": value for name, value in found.items()}
    for messages in CADENCES:
        story, written, blob = asyncio.run(_alone(folder / f"alone-{messages}", messages, RATE * seconds))
        name = f"{messages}_messages_a_commit"
        figures[f"{name}.bytes_per_reading"] = round(written, 2)
        figures[f"{name}.blob_bytes_per_reading"] = round(blob, 2)
        figures[f"{name}.frames_per_commit"] = story.by_table
    return figures


def _site(folder: Path, seconds: float, parent: str = "", more: str = "") -> Figures:
    folder.mkdir()
    pair = Pair(folder)
    pair.write_settings(parent=parent, more=more)
    with pair.up("hub", "gw"):
        time.sleep(1)
        before = {name: written_bytes(pair.pid(name)) for name in ("gw", "hub")}
        command = [sys.executable, "-m", "benchmarks.pace", *map(str, (pair.mqtt, DEVICES, RATE, seconds))]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
        acked = int(json.loads(done.stdout)["acked"])
        pair.wait_synced(20)
        time.sleep(1)
        written = {name: written_bytes(pair.pid(name)) - before[name] for name in ("gw", "hub")}
        stories = {name: read_wal(folder / name / FILE_NAME) for name in ("gw", "hub")}
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


async def _alone(folder: Path, messages: int, total: int) -> tuple[WalStory, float, float]:
    """A journal that commits rows, message keys and counters of `messages` at a time; bytes a reading, blobs' share."""
    journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), SystemClock())
    site = Site(DEVICES, time.time_ns())
    for one in site.series:
        journal.catalogue.intern(one)
    rounds = max(1, total // DEVICES)
    batch = site.rounds(0, rounds, rounds)
    await journal.submit(lambda transaction: transaction.count("messages_accepted"))
    rng = np.random.default_rng(1)
    before = written_bytes()
    step = messages * len(ROOM)
    for start in range(0, len(batch), step):
        keys = rng.integers(1, 2**63, messages, np.uint64)
        await journal.submit(_commit(batch.take(slice(start, start + step)), keys))  # type: ignore[arg-type]
    story = read_wal(folder / FILE_NAME)
    blob = sum(len(g.blob) for g in journal.between(0, 2**62, Lane.BULK)) / len(batch)
    await asyncio.to_thread(journal.close)
    return story, (written_bytes() - before) / len(batch), blob


def _commit(batch: Batch, keys: NDArray[np.uint64]) -> Callable[[Transaction], None]:
    def write(transaction: Transaction) -> None:
        transaction.append_readings(Lane.BULK, batch)
        transaction.remember_keys(keys, 262_144)
        for name in ("messages_received", "messages_accepted", "readings_accepted", "payload_bytes"):
            transaction.count(name, len(batch))

    return write

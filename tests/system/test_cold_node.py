"""A real node with an encrypted memory and a cold folder: killed while it sends, damaged, asked, checked."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.opening import Access
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.storage.keys import new_key_file

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
NS, DAYS, SERIES = 10**9, 3, 4
HOLDFAST = [sys.executable, "-m", "holdfast"]
NODE = """
node: gw-7
data: data
journal: {key: {file: journal.key}}
history:
  every: 1s
  settle: 0s
  cold: {folder: nas, rate: RATE}
"""


async def fill(folder: Path) -> int:
    """Three days that are over, as a gateway would have committed them."""
    key = new_key_file(folder / "journal.key")
    (folder / "data").mkdir()
    clock = SystemClock()
    journal = Journal(Access(folder / "data" / FILE_NAME, key), "gw-7", JournalSettings(), clock)
    for n in range(SERIES):
        journal.catalogue.intern(Series("gw-7", f"press-{n}", "bearing.temperature", "Cel", Kind.FLOAT))
    start = (clock.wall_ns() // (86_400 * NS) - DAYS) * 86_400 * NS
    chance = np.random.default_rng(1)
    for day in range(DAYS):
        seconds = np.arange(day * 86_400, (day + 1) * 86_400, 2)
        ids = np.tile(np.arange(SERIES, dtype=np.int32), len(seconds))
        value = np.round(20 + np.cumsum(chance.normal(0, 0.01, len(ids))), 3)
        batch = Batch(ids, np.repeat(start + seconds * NS, SERIES), value, np.zeros(len(ids), np.uint8))

        def write(tx: Any, batch: Batch = batch) -> None:
            tx.append_readings(Lane.BULK, batch)
            tx.count("readings_accepted", len(batch))

        await journal.submit(write)
    journal.close()
    return DAYS * 43_200 * SERIES


def cli(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run([*HOLDFAST, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def status(folder: Path) -> dict[str, Any]:
    return dict(json.loads(cli(folder, "history", "status", "node.yaml", "--json")[1])["memory"])


def run_until(folder: Path, done: Any, *, kill: bool) -> None:
    with (folder / "log").open("a") as log:
        node = subprocess.Popen([*HOLDFAST, "run", "node.yaml"], cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 90
        while not done():
            assert node.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            time.sleep(0.3)
    finally:
        node.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        node.wait(20)


def test_killed_while_it_sends_damaged_and_healed(tmp_path: Path) -> None:
    sent = asyncio.run(fill(tmp_path))
    (tmp_path / "nas").mkdir()
    settings = tmp_path / "node.yaml"
    settings.write_text(NODE.replace("RATE", "100kbit"))
    for _ in range(2):
        run_until(tmp_path, lambda: status(tmp_path)["sending"] > 0, kill=True)
        assert status(tmp_path)["sending"] > 0
    settings.write_text(NODE.replace("RATE", "0bit"))
    run_until(tmp_path, lambda: status(tmp_path)["cold_bytes"] >= status(tmp_path)["bytes"] > 0, kill=False)
    code, said = cli(tmp_path, "history", "status", "node.yaml")
    print(said)
    assert code == 0
    assert status(tmp_path)["readings"] == sent
    code, said = cli(tmp_path, "history", "check", "node.yaml", "--cold")
    print(said)
    assert code == 0
    objects = sorted((tmp_path / "nas/gw-7").rglob("*.parquet"))
    assert objects
    assert not any(b"press" in path.read_bytes() for path in objects)
    one = min((tmp_path / "data/lake/readings").rglob("*.parquet"))
    data = bytearray(one.read_bytes())
    data[len(data) // 2] ^= 1
    one.write_bytes(data)
    code, said = cli(tmp_path, "history", "check", "node.yaml")
    print(said)
    assert code == 1
    assert one.name in said
    run_until(tmp_path, lambda: cli(tmp_path, "history", "check", "node.yaml")[0] == 0, kill=False)
    log = (tmp_path / "log").read_text()
    print("\n".join(line for line in log.splitlines() if "Damage" in line or "Healed" in line))
    assert "HistoryFileHealed" in log
    (tmp_path / "journal.key").rename(tmp_path / "away.key")
    new_key_file(tmp_path / "journal.key")
    code, said = cli(tmp_path, "history", "check", "node.yaml")
    assert code == 2
    print(said)

"""kill -9 of gateway and hub while readings become files, files are merged, coarsened and let go.

At the end every message that the device had a PUBACK for is in each node's memory, once and with its value; and who
reads the Parquet files with DuckDB, at any time, sees no reading twice.
"""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from tests.system.kill.site import Site
from tests.system.test_kill import Plan, torment

from holdfast.history.lake.lake import Lake
from holdfast.history.lake.view import view
from holdfast.history.query import History
from holdfast.journal.journal import FILE_NAME, load_catalogue
from holdfast.journal.reader import JournalReader
from holdfast.storage.folder import DiskFolder

pytestmark = pytest.mark.system
HISTORY = "history: {every: 200ms, rows: 1500, settle: 1s}\n"
PLAN = Plan(8, pause=(0.4, 1.5), rate=600)
FAR = 2**62


@contextmanager
def history_of(data: Path) -> Iterator[History]:
    """The memory of a node that is stopped."""
    reader, lake = JournalReader(data / FILE_NAME), Lake(DiskFolder(data / "lake"))
    catalogue = load_catalogue(data / FILE_NAME)
    yield History(reader, catalogue, lambda low, high: view(lake, reader, catalogue.is_text, low, high))
    lake.close()
    reader.close()


def check(site: Site, record: Path, node: str) -> int:
    """Compare a node's memory with the device's record; returns how many messages came out of files."""
    acked = [line.split() for line in record.read_text().splitlines()]
    wanted = Counter((device, int(ms) * 10**6, int(co2) / 100) for device, ms, co2 in acked)
    found: Counter[tuple[str, int, float]] = Counter()
    filed = 0
    with history_of(site.folder / node) as history:
        for device in {device for device, *_ in acked}:
            answer = history.query([f"{device}/air.co2"], 0, FAR, None, limit=100_000)
            assert not answer.truncated
            assert not [source for source in answer.sources if source.note], answer.sources
            filed += sum(source.rows for source in answer.sources if source.tier == "warm")
            (column,) = answer.series
            found.update((device, ts, float(v or 0)) for ts, v in zip(column.ts, column.value or [], strict=True))
    lost, doubled = wanted - found, [one for one, n in found.items() if n > 1]
    assert not lost, f"{node}: {len(lost)} of {len(wanted)} lost, such as {list(lost)[:3]}"
    assert not doubled, f"{node}: {len(doubled)} doubled, such as {doubled[:3]}"
    return filed


def doubled_outside(lake: Path) -> int:
    """Readings that DuckDB sees twice in the folder as it stands."""
    files = f"{lake}/readings/*/[!.]*.parquet"
    if not list(lake.glob("readings/*/[!.]*.parquet")):
        return 0
    keys = "node, device, metric, ts"
    ask = f"SELECT count(*) FROM (SELECT {keys} FROM read_parquet('{files}') GROUP BY {keys} HAVING count(*) > 1)"  # noqa: S608
    (count,) = duckdb.connect().execute(ask).fetchone() or (0,)
    return int(count)


def one_site(folder: Path, plan: Plan, seed: int) -> int:
    folder = folder / str(seed)
    folder.mkdir()
    site = Site(folder, more=HISTORY, more_hub=HISTORY)
    seen: list[int] = []

    def settled(site: Site) -> None:
        site.wait_synced()
        time.sleep(2.0)  # the last rows become files
        seen.append(doubled_outside(site.folder / "gw" / "lake"))

    record = torment(site, plan, seed, settled)
    filed = check(site, record, "gw") + check(site, record, "hub")
    assert seen == [0]
    assert filed > 1_000
    print(f"seed {seed}: {filed} messages out of files, none lost, none doubled")
    return filed


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_kills_while_readings_become_files_lose_and_double_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda seed: one_site(tmp_path, PLAN, seed), range(2)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_kills_while_readings_become_files(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda seed: one_site(tmp_path, replace(PLAN, kills=100), seed), range(4)))

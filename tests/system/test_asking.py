"""A node that takes readings, makes files and merges them, while it's asked in every way there is; all must agree."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from tests.system.test_cli_core import holdfast, told
from tests.system.test_gateway import Gateway

from holdfast.client import Client
from holdfast.client import told as told_of

pytestmark = pytest.mark.system

READER = Path(__file__).with_name("lake_reader.py")
ROOMS = 4
Series = dict[tuple[str, str], tuple[int, float]]


@pytest.fixture
def gateway(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    # Files come every two seconds and merge twice a minute; for Spark, which takes long to start, at half that pace.
    pace = "{rows: 8000, every: 4s}" if "spark" in request.node.name else "{rows: 400, every: 1s}"
    one = Gateway(tmp_path, f"history: {pace}\n")
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        assert one.stop() == 0, one.log()


def feed(gateway: Gateway, seconds: float, first: int = 0) -> int:
    """Publish readings of some rooms for a while; how many messages went out."""
    clients = []
    for room in range(ROOMS):
        command = ["mosquitto_pub", "-p", str(gateway.mqtt), "-q", "1", "-t", f"acme/room-{room}/telemetry", "-l"]
        clients.append(subprocess.Popen(command, stdin=subprocess.PIPE))
    sent, end = first, time.monotonic() + seconds
    while time.monotonic() < end:
        for client in clients:
            assert client.stdin is not None
            line = {
                "id": sent,
                "ts": time.time(),
                "temp_c": 20 + sent % 50 / 10,
                "hum": 40,
                "lux": 100,
                "co2": 500 + sent % 90,
                "occ": sent % 3 == 0,
            }
            client.stdin.write(json.dumps(line).encode() + b"\n")
            client.stdin.flush()
        sent += 1
        time.sleep(0.01)
    for client in clients:
        assert client.stdin is not None
        client.stdin.close()
        assert client.wait(30) == 0
    return sent


def settled(gateway: Gateway, messages: int) -> None:
    """Wait until all that was sent is stored and lies in files."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if gateway.counters().get("messages_accepted", 0) >= messages:
            waiting = metric(gateway, "holdfast_history_waiting_rows")
            if waiting == 0:
                return
        time.sleep(0.3)
    raise AssertionError(gateway.log())


def metric(gateway: Gateway, name: str) -> float:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.api}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


GONE = ("FileNotFound", "No such file", "does not exist", "NoSuchFile")


def read(reader: str, gateway: Gateway, python: str = sys.executable) -> Any:
    """What a foreign reader finds. One that lists first and opens then may miss a file that a merge took: once more."""
    command = [python, str(READER), reader, str(gateway.folder / "data" / "lake")]
    for _ in range(6):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode == 0:
            return json.loads(done.stdout.splitlines()[-1])
        assert any(word in done.stderr for word in GONE), done.stderr[:6000]
    raise AssertionError(done.stderr[:6000])


def as_series(rows: Any) -> Series:
    return {(device, name): (n, round(mean, 9)) for device, name, n, mean in rows}


def by_query(gateway: Gateway) -> Series:
    """`holdfast query`, to Parquet: every reading."""
    table = Client(f"http://127.0.0.1:{gateway.api}").query("*", "-1h")
    assert told_of(table)["missing"] == []
    usable = table.filter(pc.and_(pc.not_equal(table["quality"].cast("string"), "bad"), pc.is_valid(table["value"])))
    plain = usable.set_column(2, "device", usable["device"].cast("string"))
    plain = plain.set_column(3, "metric", plain["metric"].cast("string")).select(["device", "metric", "value"])
    grouped = plain.group_by(["device", "metric"]).aggregate([("value", "count"), ("value", "mean")]).to_pylist()
    return as_series([[r["device"], r["metric"], r["value_count"], r["value_mean"]] for r in grouped])


def by_sql(gateway: Gateway) -> Series:
    statement = (
        "SELECT device, metric, count(*) AS n, avg(value) AS mean FROM readings "
        "WHERE quality <> 'bad' AND value IS NOT NULL GROUP BY ALL"
    )
    lines = holdfast("sql", gateway.settings, statement, "--format", "json").splitlines()
    return as_series([list(json.loads(line).values()) for line in lines])


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_way_of_asking_agrees_while_files_come_and_merge(gateway: Gateway) -> None:
    counts: list[int] = []
    sent: list[int] = []
    feeding = threading.Thread(target=lambda: sent.append(feed(gateway, 15.0)))
    feeding.start()
    deadline = time.monotonic() + 40
    while feeding.is_alive() and time.monotonic() < deadline:
        if list((gateway.folder / "data" / "lake").glob("readings/*/*.parquet")):
            for reader in ("polars", "duckdb"):
                found = read(reader, gateway)
                assert found["rows"] == found["distinct"], "a reading was seen twice"
                counts.append(found["rows"])
        time.sleep(0.2)
    feeding.join()
    assert counts == sorted(counts), "readings went away while files were merged"
    assert len(set(counts)) > 2
    settled(gateway, sent[0] * ROOMS)

    asked = by_query(gateway)
    assert sum(n for n, _ in asked.values()) >= sent[0] * ROOMS * 4
    assert by_sql(gateway) == asked
    assert as_series(read("polars", gateway)["series"]) == asked
    assert as_series(read("duckdb", gateway)["series"]) == asked
    answer = json.loads(
        holdfast("query", gateway.settings, "room-0/air.temperature", "--step", "1h", "--format", "json")
    )
    assert sum(answer["series"][0]["count"]) == asked[("room-0", "air.temperature")][0]


@pytest.mark.timeout(120)
def test_after_a_kill_the_newest_readings_and_all_others_are_still_told(gateway: Gateway) -> None:
    sent = feed(gateway, 3.0)
    settled(gateway, sent * ROOMS)
    before = told("last", gateway.settings)["series"]
    asked = by_query(gateway)
    assert gateway.process is not None
    gateway.process.send_signal(signal.SIGKILL)
    gateway.process.wait()
    stopped = told("last", gateway.settings)["series"]
    gateway.start()
    after = told("last", gateway.settings)["series"]
    for rows in (stopped, after):
        assert [(r["series"], r["ts"], r["value"]) for r in rows] == [
            (r["series"], r["ts"], r["value"]) for r in before
        ]
    assert {row["tier"] for row in stopped} <= {"warm", "journal"}
    assert by_query(gateway) == asked == by_sql(gateway)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with pyspark: the one in HOLDFAST_SPARK_PYTHON, or one made here (it's 0.5 GB)."""
    if os.environ.get("HOLDFAST_SPARK_PYTHON"):
        return os.environ["HOLDFAST_SPARK_PYTHON"]
    folder = tmp_path_factory.mktemp("spark")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(folder / "bin" / "pip"), "install", "-q", "pyspark"], check=True, timeout=1200)
    return str(folder / "bin" / "python")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_spark_reads_the_lake_while_the_node_writes_and_agrees_with_query(gateway: Gateway, spark: str) -> None:
    sent: list[int] = []
    feeding = threading.Thread(target=lambda: sent.append(feed(gateway, 120.0)))
    feeding.start()
    counts: list[int] = []
    while feeding.is_alive():
        if list((gateway.folder / "data" / "lake").glob("readings/*/*.parquet")):
            found = read("spark", gateway, spark)
            assert found["rows"] == found["distinct"]
            counts.append(found["rows"])
        time.sleep(0.2)
    feeding.join()
    settled(gateway, sent[0] * ROOMS)
    assert counts == sorted(counts)
    assert len(counts) > 1
    assert as_series(read("spark", gateway, spark)["series"]) == by_query(gateway)

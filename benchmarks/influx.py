"""A foreign store to measure against: InfluxDB 1.x (Debian's `influxd`), our own process in a folder of its own.

As a program it writes readings at a steady pace: python -m benchmarks.influx PORT READINGS_PER_S, until SIGTERM.
"""

import contextlib
import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.pace import until_told
from benchmarks.processes import free_port, running, wait_for_port

DATABASE = "site"
_FEED_S = 0.2
_FEED_SERIES = 1_000
_POST_LINES = 20_000
# What differs from Debian's defaults: places, ports, no log of requests; no bound on an answer's size; and files that
# nobody writes to any more are packed after seconds instead of hours, so that their size is the smallest there is.
_CONFIG = """reporting-enabled = false
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
  cache-snapshot-write-cold-duration = "5s"
  compact-full-write-cold-duration = "5s"
  max-select-buckets = 0
[coordinator]
  query-timeout = "0s"
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
  max-row-limit = 0
[monitor]
  store-enabled = false
"""


class Influx:
    """One running influxd. Not to be shared between threads."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self.port = folder, port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def write(self, lines: pa.StringArray) -> None:
        """Readings in line protocol, times in s."""
        for at in range(0, len(lines), _POST_LINES):
            body = "\n".join(lines.slice(at, _POST_LINES).to_pylist()).encode()
            self._ask("POST", f"/write?db={DATABASE}&precision=s", body)

    def query(self, text: str) -> Any:
        """The decoded JSON of its answer, times in s."""
        answer = msgspec.json.decode(self._ask("GET", "/query?" + urlencode({"db": DATABASE, "epoch": "s", "q": text})))
        result = answer["results"][0]
        if "error" in result:
            raise SystemExit(f"InfluxDB refuses {text}: {result['error']}")
        return result

    def create(self) -> None:
        self._ask("POST", "/query?" + urlencode({"q": f"CREATE DATABASE {DATABASE}"}), b"")

    def settled(self, quiet_s: float = 12.0, most_s: float = 300.0) -> int:
        """Bytes of all its files once they have not changed for a while."""
        sizes, deadline = [self.size()], time.monotonic() + most_s
        while time.monotonic() < deadline and (len(sizes) < quiet_s or len(set(sizes[-int(quiet_s) :])) > 1):
            time.sleep(1)
            sizes.append(self.size())
        return sizes[-1]

    def size(self) -> int:
        """Bytes that are allocated: its series files are 32 MiB of mostly nothing."""
        total = 0
        for path in self._folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_blocks * 512 if path.is_file() else 0
        return total

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"InfluxDB answers {answer.status} to {path[:200]}: {data[:500]!r}")
        return data


@contextlib.contextmanager
def influx(folder: Path) -> Iterator[tuple[Influx, subprocess.Popen[str]]]:
    """One that runs inside the block, with an empty database."""
    folder.mkdir()
    port = free_port()
    config = folder / "influxdb.conf"
    config.write_text(_CONFIG.format(folder=folder, rpc=free_port(), http=port))
    command = ("influxd", "-config", str(config))
    with running(*command, log=folder / "influxd.log", stdout=subprocess.DEVNULL) as process:
        wait_for_port(port)
        store = Influx(folder, port)
        store.create()
        yield store, process


def lines(group: str, series: pa.Array, ts_s: pa.Array, value: pa.Array) -> pa.StringArray:
    """Line protocol: r,g=GROUP,s=SERIES v=VALUE TIME."""
    words = [f"r,g={group},s=", series, " v=", value.cast(pa.string()), " ", ts_s.cast(pa.string()), ""]
    return pc.binary_join_element_wise(*words)


def feed(port: int, rate: float, is_over: Callable[[], bool]) -> int:
    """Write so many readings a second of _FEED_SERIES series, stamped now; returns how many were taken."""
    store, rng = Influx(Path(), port), np.random.default_rng(2)
    count = round(rate * _FEED_S)
    names = pa.array([f"live-{n:04d}" for n in range(_FEED_SERIES)])
    began, turns = time.monotonic(), 0
    while not is_over():
        number = (turns * count + np.arange(count)) % _FEED_SERIES
        values = pa.array(np.round(20 + rng.normal(0, 1, count), 2))
        store.write(lines("live", names.take(pa.array(number)), pa.array(np.full(count, int(time.time()))), values))
        turns += 1
        time.sleep(max(0.0, began + turns * _FEED_S - time.monotonic()))
    return turns * count


if __name__ == "__main__":
    print(feed(int(sys.argv[1]), float(sys.argv[2]), until_told()))

"""Bytes on the link per reading of real data in bulk, TLS and HTTP of both ways included, beside other ways to send."""

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.backlog import store
from benchmarks.data import Rows, nab, occupancy
from benchmarks.drain import GROUP
from benchmarks.options import Figures, Options
from benchmarks.pair import Pair
from benchmarks.processes import free_port, wait_for_port

GOALS = {"occupancy.link": "<= 4.0", "nab.link": "<= 4.0"}
_LIMIT_S = 60.0


def linkbytes(folder: Path, options: Options) -> Figures:
    """All occupancy rows (six columns, and the five that devices send) and all NAB rows, each as one backlog."""
    sets = {"occupancy": occupancy(), "occupancy_with_ratio": occupancy(ratio=True), "nab": nab()}
    figures: Figures = {}
    for name, rows in sets.items():
        kept = _first(rows, 20_000) if options.quick else rows
        for way, size in {**_others(folder, kept), **_ours(folder / name, kept)}.items():
            figures[f"{name}.{way}"] = round(size / len(kept), 3)
        figures[f"{name}.readings"] = len(kept)
    return figures


def _first(rows: Rows, count: int) -> Rows:
    return Rows(rows.series, rows.batch.take(slice(0, count)))  # type: ignore[arg-type]


def _ours(folder: Path, rows: Rows) -> dict[str, int]:
    folder.mkdir()
    port = free_port()
    pair = Pair(folder)
    settings = pair.write_settings(parent_port=port)
    store(settings, rows, GROUP)
    command = [sys.executable, "-m", "benchmarks.proxy", str(port), str(pair.hub), "0", "0"]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        with pair.up("hub"):
            wait_for_port(port)
            with pair.up("gw"):
                until = time.monotonic() + _LIMIT_S
                while not pair.agree() and time.monotonic() < until:
                    time.sleep(0.05)
                if not pair.agree():
                    raise SystemExit(f"the hub has {pair.rows('hub')} of {len(rows)} readings")
    finally:
        proxy.terminate()
        said, _ = proxy.communicate(timeout=10)
    carried = json.loads(said)
    return {"link": carried["up"] + carried["down"], "link_up": carried["up"]}


def _others(folder: Path, rows: Rows) -> dict[str, int]:
    """One JSON object a reading, as bridges send them; the same gzipped in one piece; the same rows as Parquet."""
    batch = rows.batch
    lines = [
        json.dumps({"device": (s := rows.series[i]).device, "metric": s.metric, "ts": ts // 1_000_000, "value": value})
        for i, ts, value in zip(batch.series.tolist(), batch.ts.tolist(), batch.value.tolist(), strict=True)
    ]
    text = "\n".join(lines).encode()
    table = pa.table(
        {
            "device": pa.array([rows.series[i].device for i in batch.series.tolist()]).dictionary_encode(),
            "metric": pa.array([rows.series[i].metric for i in batch.series.tolist()]).dictionary_encode(),
            "ts": pa.array(batch.ts, pa.timestamp("ns")),
            "value": batch.value,
        }
    )
    path = folder / "rows.parquet"
    pq.write_table(table, path, compression="zstd")
    return {"json": len(text), "json_gzip": len(gzip.compress(text, 6)), "parquet_zstd": path.stat().st_size}

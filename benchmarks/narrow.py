"""Alerts over a link of 64 kbit/s that a backlog wants for itself: a token bucket both ways, 50 ms of delay each.

Twice: as a gateway comes, which sends little but alerts over a link under `trickle_below`; and with that level off, so
that the backlog uses whatever the alerts leave. Takes about three minutes.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.backlog import store_site
from benchmarks.drain import GROUP
from benchmarks.options import Figures, Options, percentiles
from benchmarks.pair import Pair
from benchmarks.processes import free_port, wait_for_port
from holdfast.model.lane import Lane

LINK_BYTES_PER_S = 8_000
DELAY_MS = 50
GOALS = {"alert_ms_p99": "<= 3000", "busy.alert_ms_p99": "<= 3000"}
BUSY = ", adapt: {trickle_below: 1000}"
_ALARMS_PER_S = 1.0


def narrow(folder: Path, options: Options) -> Figures:
    """1 M readings wait; one alert a second; 90 s. Goodput is what the hub committed, per byte that the link can."""
    busy = _narrow(folder / "busy", options, BUSY)
    return {**_narrow(folder / "plain", options, ""), **{f"busy.{name}": value for name, value in busy.items()}}


def _narrow(folder: Path, options: Options, parent: str) -> Figures:
    folder.mkdir()
    seconds = options.size(90, 12)
    port = free_port()
    pair = Pair(folder)
    settings = pair.write_settings(parent_port=port, parent=parent)
    store_site(settings, options.readings or options.size(1_000_000, 100_000), GROUP)
    command = [sys.executable, "-m", "benchmarks.proxy", *map(str, (port, pair.hub, LINK_BYTES_PER_S, DELAY_MS))]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        with pair.up("hub"):
            wait_for_port(port)
            with pair.up("gw"):
                began = time.monotonic()
                with pair.alarms(_ALARMS_PER_S) as watcher:
                    time.sleep(seconds)
                took = time.monotonic() - began
                rows = pair.rows("hub")
                missing = pair.rows("gw", Lane.CRITICAL) - len(watcher.latencies_ms)
                log = (pair.folder / "gw.log").read_text()
    finally:
        proxy.terminate()
        said, _ = proxy.communicate(timeout=10)
    carried = json.loads(said)
    return {
        "link_bytes_per_s": LINK_BYTES_PER_S,
        "delay_ms_each_way": DELAY_MS,
        "seconds": round(took, 1),
        **percentiles(watcher.latencies_ms, "alert_ms"),
        "alerts": len(watcher.latencies_ms),
        "alerts_not_yet_there": missing,
        "link_used": round(carried["up_busy_s"] / took, 3),
        "readings_per_s": round(rows / took, 1),
        "bytes_per_reading_applied": round(carried["up"] / max(1, rows), 2),
        "connections": carried["connections"],
        "links_lost": log.count("UplinkLost"),
    }

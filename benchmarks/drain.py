"""How fast a backlog leaves a gateway for a hub on the same machine, and how long live alerts take meanwhile."""

import time
from pathlib import Path

from benchmarks.backlog import store_site
from benchmarks.options import Figures, Options, percentiles
from benchmarks.pair import Pair
from benchmarks.processes import cpu_s, rss_mib
from holdfast.journal.journal import FILE_NAME

READINGS, QUICK_READINGS = 10_000_000, 300_000
GROUP = 1_000  # one second of 1,000 readings/s
SMALL_READINGS, SMALL_GROUP = 1_000_000, 5
GOALS = {"readings_per_s": ">= 500000", "alert_ms_p99": "<= 250"}
_LIMIT_S = 70.0
_ALARMS_PER_S = 20.0


def drain(folder: Path, options: Options) -> Figures:
    """10 M readings in groups of 1,000; and 1 M in groups of 5, what a commit for every message leaves behind."""
    figures = _drain(folder / "large", options.readings or options.size(READINGS, QUICK_READINGS), GROUP)
    small = _drain(folder / "small", options.size(SMALL_READINGS, QUICK_READINGS // 10), SMALL_GROUP)
    wanted = ("readings_per_s", "gateway_cpu_us_per_reading", "hub_cpu_us_per_reading", "alert_ms_p99", "agree")
    return {**figures, **{f"group_of_{SMALL_GROUP}.{name}": small[name] for name in wanted}}


def _drain(folder: Path, readings: int, group: int) -> Figures:
    """With 20 alerts a second raised or cleared while it drains."""
    folder.mkdir()
    pair = Pair(folder)
    settings = pair.write_settings()
    began = time.monotonic()
    backlog = store_site(settings, readings, group)
    built_s = time.monotonic() - began
    size = (folder / "gw" / FILE_NAME).stat().st_size
    with pair.up("hub", "gw"):
        cpu = {name: cpu_s(pair.pid(name)) for name in ("hub", "gw")}
        at, first = time.monotonic(), pair.rows("hub")
        with pair.alarms(_ALARMS_PER_S) as watcher:
            while (rows := pair.rows("hub")) < backlog and time.monotonic() - at < _LIMIT_S:
                time.sleep(0.02)
            took = time.monotonic() - at
            during = sum(1 for seen in watcher.seen_at if seen <= at + took)
        cpu = {name: cpu_s(pair.pid(name)) - before for name, before in cpu.items()}
        memory = {f"{name}_rss_mib": round(rss_mib(pair.pid(name)), 1) for name in ("hub", "gw")}
    moved = rows - first
    return {
        "backlog": backlog,
        "group": group,
        "built_s": round(built_s, 1),
        "journal_bytes_per_reading": round(size / backlog, 2),
        "drain_s": round(took, 2),
        "readings_per_s": round(moved / took),
        "gateway_cpu_us_per_reading": round(cpu["gw"] / moved * 1e6, 3),
        "hub_cpu_us_per_reading": round(cpu["hub"] / moved * 1e6, 3),
        **memory,
        **percentiles(watcher.latencies_ms[:during], "alert_ms"),
        "alerts": during,
        "agree": rows >= backlog and pair.agree(),
    }

"""`make bench`: the figures of docs/performance.md, with Mosquitto beside us.

python -m benchmarks [--repeat 3] [--seconds 8] [--only intake,alerts,link] [--json out/bench.json]
                     [--readings 10000000] [--bytes 10000000000] [--quick]

Without --only: the figures of one node. Those of the durable core (drain, narrow, linkbytes, flash, startup) and of the
site's memory (history) move millions of readings or fill a disk, so each is asked for by name; its module says what it
does and takes how long.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.system.kill.site import Site

from benchmarks import drain, flash, history, linkbytes, narrow, startup
from benchmarks.messages import READINGS_PER_MESSAGE
from benchmarks.options import Figures, Options
from benchmarks.processes import cpu_s, free_port, load, python, rss_mib, running, wait_for_port


def intake_whole_path(folder: Path, options: Options) -> Figures:
    """100 devices, windows of 20: decode three shapes, rules, journal, uplink to a hub, all on this machine."""
    site = Site(folder)
    site.prepare()
    settings = site.folder / "gw.yaml"
    text = settings.read_text().split("parent:")[0]
    parent = f"parent: {{url: 'https://127.0.0.1:{site.hub}', ca: ca.pem, token_file: gw.token}}\n"
    settings.write_text(f"{text}rules: ['builtin:rooms']\njournal: {{quota: 20GB}}\n{parent}")
    try:
        for name in ("hub", "gw"):
            site.start(name)
            site.wait_up(name)
        pids = {name: process.pid for name, process in site.processes.items()}
        result = load(site.mqtt, seconds=options.seconds)
        cpu = {name: cpu_s(pid) for name, pid in pids.items()}
        rss = rss_mib(pids["gw"])
        behind = site.head("gw") - site.head("hub")
        site.wait_synced(120)
        gateway, hub = site.head("gw"), site.head("hub")
    finally:
        site.stop()
    if not gateway == hub == result["acked"] * READINGS_PER_MESSAGE:
        raise SystemExit(f"not everything arrived: acked {result['acked']}, gateway {gateway}, hub {hub} readings")
    return {
        "messages_per_s": result["per_s"],
        "readings_per_s": result["per_s"] * READINGS_PER_MESSAGE,
        "hub_behind_rows_at_end": behind,
        "gateway_cpu_us_per_message": cpu["gw"] / result["acked"] * 1e6,
        "hub_cpu_us_per_message": cpu["hub"] / result["acked"] * 1e6,
        "load_cpu_us_per_message": result["load_cpu_s"] / result["acked"] * 1e6,
        "gateway_rss_mib": rss,
    }


def intake_bare(folder: Path, options: Options) -> Figures:
    """Listener and journal only."""
    with running(*python("benchmarks.bare", str(folder)), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        return {"messages_per_s": load(port, seconds=options.seconds)["per_s"]}


def mosquitto(folder: Path, options: Options) -> Figures:
    """The same load through Mosquitto, in memory, to a subscriber that reads it to nowhere at QoS 0."""
    port = free_port()
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "max_inflight_messages 1000\nmax_queued_messages 0\n"
    )
    with running("mosquitto", "-c", str(settings), stdout=subprocess.DEVNULL):
        wait_for_port(port)
        with running(*python("benchmarks.null_subscriber", str(port)), stdout=subprocess.PIPE) as subscriber:
            assert subscriber.stdout is not None
            subscriber.stdout.readline()
            return {"messages_per_s": load(port, seconds=options.seconds)["per_s"]}


def demo(folder: Path, *arguments: str) -> Figures:
    """A demo run's own report."""
    report = folder / "report.json"
    command = [*python("holdfast", "demo", "--json", str(report), "--dir", str(folder / "run")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if not report.exists():
        raise SystemExit(f"demo failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    figures: Figures = json.loads(report.read_text())
    return figures


def alerts(folder: Path, options: Options) -> Figures:
    """Alert latency at 10,000 messages/s (50,000 readings/s)."""
    report = demo(folder, "--rate", "10000", "--seconds", str(max(10, options.seconds)), "--outage", "0")
    return {**report["alert_latency_ms"], "alerts": report["alerts"], "balanced": float(report["balanced"])}


def link(folder: Path, options: Options) -> Figures:
    """Link bytes per reading on the demo's data, and memory at 1,000 series, through an outage."""
    seconds = max(20, options.seconds)
    report = demo(folder, "--devices", "200", "--seconds", str(seconds), "--outage", "8")
    wanted = (
        "uplink_bytes_per_reading",
        "raw_bytes_per_reading",
        "times_smaller",
        "gateway_rss_mb",
        "hub_rss_mb",
        "backlog_max",
        "drain_s",
    )
    return {**{name: report[name] for name in wanted}, "balanced": float(report["balanced"])}


SUITE: dict[str, Callable[[Path, Options], Figures]] = {
    "intake": intake_whole_path,
    "bare": intake_bare,
    "mosquitto": mosquitto,
    "alerts": alerts,
    "link": link,
}
CORE: dict[str, Callable[[Path, Options], Figures]] = {
    "drain": drain.drain,
    "narrow": narrow.narrow,
    "linkbytes": linkbytes.linkbytes,
    "flash": flash.flash,
    "startup": startup.startup,
    "history": history.history,
}
GOALS = {
    "drain": drain.GOALS,
    "narrow": narrow.GOALS,
    "linkbytes": linkbytes.GOALS,
    "flash": flash.GOALS,
    "startup": startup.GOALS,
    "history": history.GOALS,
}


def median(runs: list[Figures]) -> Figures:
    """Of each figure; what is no number stands as the last run told it."""
    return {name: _median([run[name] for run in runs]) for name in runs[0]}


def _median(values: list[Any]) -> Any:
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return round(statistics.median(values), 3)
    return all(values) if all(isinstance(value, bool) for value in values) else values[-1]


def compare(name: str, figures: Figures) -> None:
    """Each goal beside the figure."""
    for figure, goal in GOALS.get(name, {}).items():
        sign, wanted = goal.split()
        value = figures.get(figure)
        if value is None:
            continue
        reached = {">=": value >= float(wanted), "<=": value <= float(wanted)}[sign]
        print(f"{name}: {figure} = {value}, goal {goal}: {'reached' if reached else 'MISSED'}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of load, where a benchmark has load")
    parser.add_argument("--only", default=",".join(SUITE), help=f"of {', '.join({**SUITE, **CORE})}")
    parser.add_argument("--json", type=Path, default=Path("out/bench.json"))
    parser.add_argument("--readings", type=int, help="backlog of drain and narrow, instead of their own sizes")
    parser.add_argument("--bytes", type=int, help="size of the journal that startup opens")
    parser.add_argument("--quick", action="store_true", help="sizes for a test; the figures mean little")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    options = Options(args.seconds, args.quick, args.readings, args.bytes)
    runs: dict[str, list[Figures]] = {}
    for turn in range(args.repeat):
        for name in args.only.split(","):  # side by side in time, so that a slow minute hits all
            load_before = round(os.getloadavg()[0], 2)
            with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
                figures = {**SUITE, **CORE}[name](Path(folder), options)
            figures["load_before"] = load_before
            runs.setdefault(name, []).append(figures)
            print(turn + 1, name, json.dumps(figures), flush=True)
    medians = {name: median(of) for name, of in runs.items()}
    print(f"\nmedians of {args.repeat}, {platform.machine()}, Python {platform.python_version()}")
    for name, figures in medians.items():
        print(f"{name:10s} {json.dumps(figures)}")
        compare(name, figures)
    if {"intake", "mosquitto"} <= medians.keys():
        ours, theirs = medians["intake"]["messages_per_s"], medians["mosquitto"]["messages_per_s"]
        print(f"durable whole path / Mosquitto passing on from memory: {ours / theirs:.2f}")
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps({"medians": medians, "runs": runs}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

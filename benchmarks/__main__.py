"""`make bench`: every figure of docs/performance.md, in one run, with Mosquitto beside us.

python -m benchmarks [--repeat 3] [--seconds 8] [--only intake,alerts,link] [--json out/bench.json]
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.system.kill.site import Site

from benchmarks.messages import READINGS_PER_MESSAGE
from benchmarks.processes import cpu_s, free_port, load, python, rss_mib, running, wait_for_port

Figures = dict[str, Any]


def intake_whole_path(folder: Path, seconds: float) -> Figures:
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
        result = load(site.mqtt, seconds=seconds)
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


def intake_bare(folder: Path, seconds: float) -> Figures:
    """Listener and journal only."""
    with running(*python("benchmarks.bare", str(folder)), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        return {"messages_per_s": load(port, seconds=seconds)["per_s"]}


def mosquitto(folder: Path, seconds: float) -> Figures:
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
            return {"messages_per_s": load(port, seconds=seconds)["per_s"]}


def demo(folder: Path, *arguments: str) -> Figures:
    """A demo run's own report."""
    report = folder / "report.json"
    command = [*python("holdfast", "demo", "--json", str(report), "--dir", str(folder / "run")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if not report.exists():
        raise SystemExit(f"demo failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    figures: Figures = json.loads(report.read_text())
    return figures


def alerts(folder: Path, seconds: float) -> Figures:
    """Alert latency at 10,000 messages/s (50,000 readings/s)."""
    report = demo(folder, "--rate", "10000", "--seconds", str(max(10, seconds)), "--outage", "0")
    return {**report["alert_latency_ms"], "alerts": report["alerts"], "balanced": float(report["balanced"])}


def link(folder: Path, seconds: float) -> Figures:
    """Link bytes per reading on the demo's data, and memory at 1,000 series, through an outage."""
    seconds = max(20, seconds)
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


SUITE: dict[str, Callable[[Path, float], Figures]] = {
    "intake": intake_whole_path,
    "bare": intake_bare,
    "mosquitto": mosquitto,
    "alerts": alerts,
    "link": link,
}


def median(runs: list[Figures]) -> Figures:
    return {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--only", default=",".join(SUITE))
    parser.add_argument("--json", type=Path, default=Path("out/bench.json"))
    args = parser.parse_args()
    runs: dict[str, list[Figures]] = {}
    for turn in range(args.repeat):
        for name in args.only.split(","):  # side by side in time, so that a slow minute hits all
            with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
                figures = SUITE[name](Path(folder), args.seconds)
            runs.setdefault(name, []).append(figures)
            print(turn + 1, name, {k: round(v, 2) for k, v in figures.items()}, flush=True)
    medians = {name: median(of) for name, of in runs.items()}
    print(f"\nmedians of {args.repeat}, {platform.machine()}, Python {platform.python_version()}")
    for name, figures in medians.items():
        print(f"{name:10s} {figures}")
    if {"intake", "mosquitto"} <= medians.keys():
        ours, theirs = medians["intake"]["messages_per_s"], medians["mosquitto"]["messages_per_s"]
        print(f"durable whole path / Mosquitto passing on from memory: {ours / theirs:.2f}")
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps({"medians": medians, "runs": runs}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

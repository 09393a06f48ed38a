"""The MQTT listener beside Mosquitto and nats-server: finished handshakes a second.

python -m benchmarks.listener [--repeat 1] [--seconds 3] [--only ours,node,mosquitto,mosquitto-kept,nats,nats-sync]
                              [--qos 0,1,2] [--connections 1,100,2000] [--windows 20,1] [--json out/listener.json]

One reading of about 70 bytes of JSON a message. Counted are PUBACKs at QoS 1 and PUBCOMPs at QoS 2; at QoS 0 the
messages that reached a counter: the subscriber behind a broker, the journal of ours. The window is how many messages a
connection has unfinished; at QoS 0, how many it sends in one write. Where the setting is durable, publishers of QoS 2
have persistent sessions, since their packet identifiers have to survive as well.

The load generator is a process of its own, and all share the machine's cores: `load` is its share of one core, `server`
and `helper` those of the listener and of the subscriber. A load near 1 is the bound itself (marked *), the listener
could do more. `server us` is the listener's CPU time for a message, all its threads: it hardly wanders with what else
the machine does, as rates do. Ctrl-C ends with a report of what was measured.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.listeners import LISTENERS, Listener, Open
from benchmarks.processes import cpu_s, load

_BUSY = 0.9
_SAMPLE_S = 0.1
GOALS = (
    ("ours", 1, 100, 20, "mosquitto", 3.0),
    ("ours", 1, 100, 1, "", 50_000.0),
)
"""(listener, qos, connections, window, beside whom, how many times as fast; or how many a second)."""

Cell = tuple[int, int, int]
"""QoS, connections, window."""


class Samples:
    """Counts of other processes, taken in the background and read at any moment between."""

    def __init__(self, opened: Open) -> None:
        self._opened = opened
        self._taken: list[list[float]] = []

    def take(self) -> None:
        opened = self._opened
        with contextlib.suppress(OSError):  # the process is ending
            counts = [float(opened.received()), *map(cpu_s, opened.pids)]
            self._taken.append([time.monotonic(), *counts])

    def rates(self, start: float, end: float) -> list[float]:
        """Of each count, a second, between two moments."""
        table = np.array(self._taken)
        return [
            float(np.diff(np.interp((start, end), table[:, 0], column))[0]) / (end - start) for column in table.T[1:]
        ]


@contextlib.contextmanager
def sampled(opened: Open) -> Iterator[Samples]:
    samples, over = Samples(opened), threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLE_S):
            samples.take()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
        samples.take()


def measure(listener: Listener, cell: Cell, seconds: float) -> dict[str, Any]:
    """One listener under one load."""
    qos, connections, window = cell
    keep = listener.is_durable and qos == 2
    with tempfile.TemporaryDirectory(prefix="bench-listener-") as name:
        Path(name).chmod(0o777)
        with listener.opened(Path(name), qos) as opened, sampled(opened) as samples:
            found = load(
                opened.port,
                devices=connections,
                window=window,
                seconds=seconds,
                warm=min(2.0, 0.5 + connections / 2_000),
                qos=qos,
                keep=keep,
                small=True,
            )
    received, *shares = samples.rates(found["t0"], found["t1"])
    figures = {
        "per_s": round(found["per_s"] if qos else received),
        "load": round(found["load_share"], 2),
        "server": round(shares[0], 2),
        "helper": round(sum(shares[1:]), 2),
    }
    figures["server_us"] = round(shares[0] * 1e6 / max(1, figures["per_s"]), 2)
    if qos and found["acked"] != found["sent"]:
        figures["unfinished"] = found["sent"] - found["acked"]
    return figures


def medians(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: round(statistics.median(run.get(name, 0) for run in runs), 2) for name in runs[0]}


def table(found: dict[Cell, dict[str, dict[str, Any]]], names: Sequence[str]) -> str:
    """Messages a second, and below them the listener's CPU time a message."""
    lines = [" ".join((f"{'QoS':>3} {'conn.':>5} {'window':>6}", *(f"{name:>15}" for name in names)))]
    for (qos, connections, window), row in found.items():
        told = [f"{row[name]['per_s']:>14,.0f}{'*' if row[name]['load'] >= _BUSY else ' '}" for name in names]
        lines.append(" ".join((f"{qos:>3} {connections:>5} {window:>6}", *told)))
        lines.append(" ".join((f"{'server us':>16}", *(f"{row[name]['server_us']:>14,.1f} " for name in names))))
    lines.append("* = the load generator is the bound")
    return "\n".join(lines)


def goals(found: dict[Cell, dict[str, dict[str, Any]]]) -> Iterator[str]:
    for name, qos, connections, window, beside, wanted in GOALS:
        row = found.get((qos, connections, window), {})
        if name not in row or (beside and beside not in row):
            continue
        reached = row[name]["per_s"] / max(1, row[beside]["per_s"]) if beside else row[name]["per_s"]
        what = f"times {beside}" if beside else "a second"
        verdict = "reached" if reached >= wanted else "MISSED"
        yield f"{name}, QoS {qos}, {connections} x {window}: {reached:,.2f} {what}, goal {wanted:,.0f}: {verdict}"


def numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", default=",".join(one.name for one in LISTENERS))
    parser.add_argument("--qos", type=numbers, default=[0, 1, 2])
    parser.add_argument("--connections", type=numbers, default=[1, 100, 2_000])
    parser.add_argument("--windows", type=numbers, default=[20, 1])
    parser.add_argument("--json", type=Path, default=Path("out/listener.json"))
    return parser.parse_args()


def raise_limits(connections: int) -> None:
    """Open files of this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(f"{wanted} open files are needed, {hard} are allowed: raise the limit (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run(chosen: Sequence[Listener], cells: Sequence[Cell], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every listener under every load, by turns, so that a slow minute hits all."""
    runs: list[dict[str, Any]] = []
    for turn in range(args.repeat):
        for cell in cells:
            for listener in chosen:
                busy = round(os.getloadavg()[0], 2)
                try:
                    figures = measure(listener, cell, args.seconds)
                except KeyboardInterrupt:
                    return runs
                except SystemExit as failed:  # it refused, or closed: that is a figure, too
                    figures = {
                        **dict.fromkeys(("per_s", "load", "server", "helper", "server_us"), 0),
                        "failed": str(failed),
                    }
                runs.append({"turn": turn + 1, "cell": cell, "listener": listener.name, "load_before": busy, **figures})
                print(json.dumps(runs[-1]), flush=True)
    return runs


def main() -> int:
    args = arguments()
    chosen = [one for one in LISTENERS if one.name in args.only.split(",")]
    cells = [(q, c, w) for q in args.qos for c in args.connections for w in args.windows]
    raise_limits(max(args.connections))
    runs = run(chosen, cells, args)
    found: dict[Cell, dict[str, dict[str, Any]]] = {}
    for cell in cells:
        each_of = {one.name: [r for r in runs if (r["cell"], r["listener"]) == (cell, one.name)] for one in chosen}
        if all(each_of.values()):
            kept = ("per_s", "load", "server", "helper", "server_us")
            found[cell] = {
                name: medians([{key: r[key] for key in kept} for r in mine]) for name, mine in each_of.items()
            }
    print(f"\nmessages/s, medians of {args.repeat}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(table(found, [one.name for one in chosen]))
    for one in chosen:
        print(f"{one.name}: {one.promise}")
    print("\n".join(goals(found)))
    args.json.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"qos": q, "connections": c, "window": w, "listeners": row} for (q, c, w), row in found.items()]
    args.json.write_text(json.dumps({"medians": rows, "runs": runs}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

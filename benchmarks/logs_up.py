"""Bytes on the link for a day of a gateway's info lines: python -m benchmarks.logs_up [--quick].

Real gateway and hub with a relay between them that counts every byte of both ways, TLS and HTTP included. `backlog`: a
day's lines, one a minute, wait while the link is down, and go up together. `live`: lines go up one by one, each in a
body of its own; what the link carries in the same time without lines is taken off.
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from benchmarks.pair import Pair
from holdfast.devices.happenings import DevicesFound
from holdfast.kernel.clock import NS_PER_S, SystemClock
from holdfast.node.node import Node
from holdfast.node.reporting import reports_of
from holdfast.node.sent_reports import Rows
from holdfast.node.settings import read_plan
from holdfast.reporting.leaving import leaving_line
from holdfast.reporting.redacting import Redactor
from holdfast.reporting.sending import Row
from holdfast.sim.cut import CutProxy
from holdfast.telemetry.happenings import Happening, Telemetry
from holdfast.telemetry.lines import LogLine
from holdfast.uplink.happenings import UplinkConnected, UplinkLost
from holdfast.wire.reports import LOG, encode_report

A_DAY = 1_440
SENDS = "telemetry: {log: {send: info}}\n"
WARNINGS_EVERY_S = 1.5
"""A warning is sent at the next look, so each has a body of its own."""


def happening(n: int) -> Happening:
    """One of those that a gateway with a mobile link says most often."""
    where = "https://hub.example.com:8443"
    return (
        UplinkLost(parent=where, cause=f"hub.example.com:8443: nothing listens there ({n})"),
        UplinkConnected(parent=where, session=3_612_890_528_000_000 + n, backlog_rows=n * 37 % 9_000),
        DevicesFound(devices=1 + n % 3, names=f"press-{n % 40}", waiting=n % 5),
    )[n % 3]


def a_day() -> list[Row]:
    """One line a minute until now, as rows."""
    now_ns, found = SystemClock().wall_ns(), list[Row]()
    for n in range(A_DAY):
        one, ts_ns = happening(n), now_ns - (A_DAY - n) * 60 * NS_PER_S + n * 7_919_113
        fields = {name: getattr(one, name) for name in type(one).__struct_fields__}
        line = LogLine(n, ts_ns, type(one).level.name, type(one).__name__, fields)
        found.append(Row(LOG, ts_ns, encode_report(leaving_line(line, Redactor(), keeps=False))))
    return found


async def measure(folder: Path, *, quick: bool) -> dict[str, float]:
    """All of it."""
    pair = Pair(folder)
    proxy = CutProxy("127.0.0.1", pair.hub)
    await proxy.start()
    path = pair.write_settings(parent_port=proxy.port, more=SENDS)
    clock = SystemClock()
    telemetry = Telemetry(clock, lambda _: None)
    node = Node(read_plan(path), clock, telemetry)
    reports = reports_of(node)
    running = asyncio.create_task(reports.run())
    await node.start()
    await proxy.cut()
    pair.start("hub")
    await asyncio.to_thread(pair.wait_up, "hub")

    def carried() -> int:
        return proxy.up_bytes + proxy.down_bytes

    async def settled() -> None:
        async with asyncio.timeout(180):
            while not await asyncio.to_thread(pair.agree):  # noqa: ASYNC110  # two journals that have no event for this
                await asyncio.sleep(0.1)

    try:
        rows, before = a_day(), carried()
        for start in range(0, A_DAY, 60):  # a commit an hour
            await Rows(node).store(rows[start : start + 60], "")
        await proxy.restore()
        await settled()
        backlog = carried() - before
        lines = 10 if quick else 60
        before = carried()
        await asyncio.sleep(lines * WARNINGS_EVERY_S)
        idle, before = carried() - before, carried()
        for n in range(lines):
            telemetry.emit(happening(3 * n))
            await asyncio.sleep(WARNINGS_EVERY_S)
        await settled()
        live = (carried() - before - idle) / lines
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await node.stop(2.0)
        await asyncio.to_thread(pair.stop)
        await proxy.stop()
    return {
        "lines": A_DAY,
        "text_bytes": sum(len(row.text) for row in rows),
        "backlog_bytes": backlog,
        "backlog_bytes_a_line": round(backlog / A_DAY, 1),
        "live_bytes_a_line": round(live, 1),
        "live_bytes": round(live * A_DAY),
        "idle_bytes_a_minute": round(idle / (lines * WARNINGS_EVERY_S) * 60),
    }


def main() -> None:
    """As typed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), quick=options.quick)), indent=1))


if __name__ == "__main__":
    main()

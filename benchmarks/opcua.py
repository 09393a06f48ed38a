"""What OPC UA costs: reading a server's messages with ours and with asyncua's decoder, and 1,000 items into a journal.

python -m benchmarks.opcua [SECONDS]; prints JSON. Takes about a minute with SECONDS = 5 (its default). The server is
node-opcua (npm), on this machine, too: it takes a core by itself at 10 changes a second of each item.
"""

import cProfile
import json
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from asyncua.ua.uatypes import Variant
from tests.system.opcua_peer import Server, Site, node, peers, server_yaml

from holdfast.adapters.feed import Feed
from holdfast.adapters.opcua import answers
from holdfast.adapters.opcua.delivery import Delivery
from holdfast.adapters.opcua.items import Device, Item, items_of
from holdfast.adapters.opcua.settings import NodePoint, OpcuaDevice, points_of
from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock
from holdfast.model.points import PointMap

ITEMS = 1_000
RATES = (1, 5, 10)
ROUNDS = 7


def message() -> bytes:
    """A Publish answer with a value of each item, as servers send them: Double, status, both times."""
    at = datetime(2026, 1, 2, tzinfo=UTC)
    items = [
        ua.MonitoredItemNotification(i, ua.DataValue(Variant(i + 0.5, ua.VariantType.Double), ua.StatusCode(0), at, at))
        for i in range(ITEMS)
    ]
    response = ua.PublishResponse()
    response.Parameters.NotificationMessage = ua.NotificationMessage(1, at, [ua.DataChangeNotification(items)])
    return bytes(struct_to_binary(response))


class _Sink:
    """An inbox that takes all."""

    def offer(self, arrival: Arrival) -> bool:
        arrival.receipt.settle()
        return True

    def when_drained(self, callback: Callable[[], None]) -> None:
        """It never is full."""


def delivery() -> Delivery:
    """Ten devices with a hundred items each."""
    items, devices = list[Item](), dict[str, Device]()
    for d in range(10):
        nodes = {f"n{i}": NodePoint(id=f"ns=1;s=n{i}", metric=f"m.n{i}") for i in range(ITEMS // 10)}
        own = items_of(f"press-{d}", OpcuaDevice(nodes=nodes), nodes)
        points = PointMap("opcua", f"m{d}", points_of(nodes))
        devices[f"press-{d}"] = Device(f"press-{d}", points, list(range(len(items), len(items) + len(own))))
        items += own
    clock = SystemClock()
    feed = Feed("opcua:bench", _Sink(), clock)
    feed.put = lambda topic, payload: bool(topic and payload)  # type: ignore[method-assign]  # no loop here
    return Delivery(items, devices, feed, clock)


def rate(body: Callable[[], Any], seconds: float) -> float:
    """Values a second."""
    found, began = list[float](), time.perf_counter()
    while len(found) < ROUNDS or time.perf_counter() < began + seconds / 3:
        at = time.perf_counter()
        body()
        found.append(ITEMS / (time.perf_counter() - at))
    return statistics.median(found)


def decoding(seconds: float) -> dict[str, float]:
    """Values a second on one core: both decoders, and ours with what follows until the inbox."""
    data, out = message(), delivery()
    ours = rate(lambda: answers.published(data), seconds)
    theirs = rate(lambda: struct_from_binary(ua.PublishResponse, ua.utils.Buffer(data)), seconds)
    both = rate(lambda: out.changes(answers.published(data).change.values), seconds)
    return {"ours": round(ours), "asyncua": round(theirs), "ratio": round(ours / theirs, 1), "to_inbox": round(both)}


def hottest() -> list[str]:
    """Where the time from bytes to the inbox goes."""
    data, out = message(), delivery()
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(20):
        out.changes(answers.published(data).change.values)
    profile.disable()
    found = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # it has it
    rows = sorted(((t, f"{Path(at[0]).name}:{at[2]}") for at, (_, _, t, _, _) in found.items()), reverse=True)
    whole = sum(t for t, _ in rows)
    return [f"{100 * t / whole:.0f} % {name}" for t, name in rows[:6]]


def whole(packages: Path, folder: Path, hz: int, seconds: float) -> dict[str, float]:
    """Items that change so often, into a real node's journal."""
    server = Server(packages, many=ITEMS).start()
    nodes = ", ".join(node(f"n{i}") for i in range(ITEMS))
    site = Site(folder, server_yaml("press", server.url, nodes, "publish_every: 200ms, sampling: 50ms, queue: 20"))
    site.start()
    try:
        site.within(lambda: site.metric("holdfast_opcua_values_total") >= ITEMS, 60)
        assert site.process is not None
        process, peer = psutil.Process(site.process.pid), psutil.Process(_pid(server))
        before, rows = site.metric("holdfast_opcua_values_total"), site.rows()
        cpu, theirs, began = sum(process.cpu_times()[:2]), sum(peer.cpu_times()[:2]), time.monotonic()
        server.do("churn", hz=hz, seconds=seconds, wait=False)
        server.hear("churned", 60 + 5 * seconds)
        took = time.monotonic() - began
        cpu, theirs = sum(process.cpu_times()[:2]) - cpu, sum(peer.cpu_times()[:2]) - theirs
        time.sleep(1.5)
        values = site.metric("holdfast_opcua_values_total") - before
        return {
            "hz": hz,
            "values_per_s": round(values / took),
            "journalled": round((site.rows() - rows) / max(values, 1), 3),
            "node_cpu_share": round(cpu / took, 3),
            "node_us_per_value": round(1e6 * cpu / max(values, 1), 1),
            "server_cpu_share": round(theirs / took, 3),
            "overflows": site.metric("holdfast_opcua_queue_overflows_total"),
            "rss_mib": round(process.memory_info().rss / 2**20),
        }
    finally:
        site.kill()
        server.kill()


def _pid(server: Server) -> int:
    assert server.process is not None
    return server.process.pid


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    found: dict[str, Any] = {"decoding_values_per_s": decoding(seconds), "hottest": hottest()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packages = peers(folder / "opcua")
        found["whole"] = [whole(packages, folder / f"node-{hz}", hz, seconds) for hz in RATES]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

"""Runs a node as a process: loop, signals, exit."""

import asyncio
import ctypes
import gc
import signal
import sys

import uvloop

from holdfast.kernel.clock import SystemClock
from holdfast.kernel.errors import HoldfastError
from holdfast.node.node import Node
from holdfast.node.reporting import reports_of, telemetry_of
from holdfast.node.settings import NodePlan

# mallopt(3). One arena instead of one a thread, and free memory goes back at once: 10 MiB less on a busy gateway.
_M_ARENA_MAX, _M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -8, -1, -3
# uvloop has a buffer of this size for each TLS connection, of which a page or two are ever used. In the heap it would
# lie on the pages that the handshake before it dirtied, 23 kB of them; mapped, it costs what is used.
_TLS_BUFFER = 256 * 1024
# A worker thread in Python code holds the loop up for one interval; the default of 5 ms is longer than an alert takes.
_SWITCH_INTERVAL_S = 0.0002
# Rows live in arrays, not in objects with cycles, so full collections find nothing and only cost latency.
_GC_THRESHOLDS = (20_000, 50, 100)


def run_node(plan: NodePlan) -> HoldfastError | None:
    """Run until SIGTERM or SIGINT; returns why the node could not go on, None when it was asked to stop.

    Raises:
        HoldfastError: when it can't start.
    """
    tune()
    return uvloop.run(_serve(plan))


def tune() -> None:
    """Fit the interpreter to a small machine with deadlines."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc; musl has none and needs none
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_TRIM_THRESHOLD, 256 * 1024)
        mallopt(_M_MMAP_THRESHOLD, _TLS_BUFFER)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.enable()


async def _serve(plan: NodePlan) -> HoldfastError | None:
    clock = SystemClock()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    node = Node(plan, clock, telemetry_of(plan, clock))
    reports = reports_of(node)
    loop.add_signal_handler(signal.SIGHUP, node.reload)
    reporting = asyncio.create_task(reports.run(), name="reports")
    try:
        try:
            await node.start()
        except BaseException:
            await node.stop(0.1)
            raise
        return await node.run(stop)
    finally:  # what the node said when it ended is kept, too
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
        await reports.close()

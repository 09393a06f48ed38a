"""Runs a node as a process: loop, signals, exit."""

import asyncio
import signal

import uvloop

from holdfast.kernel.clock import SystemClock
from holdfast.kernel.errors import HoldfastError
from holdfast.node.node import Node
from holdfast.node.settings import NodePlan
from holdfast.telemetry.happenings import Telemetry


def run_node(plan: NodePlan) -> HoldfastError | None:
    """Run until SIGTERM or SIGINT; returns why the node could not go on, None when it was asked to stop.

    Raises:
        HoldfastError: when it can't start.
    """
    return uvloop.run(_serve(plan))


async def _serve(plan: NodePlan) -> HoldfastError | None:
    clock = SystemClock()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    node = Node(plan, clock, Telemetry(clock))
    try:
        await node.start()
    except BaseException:
        await node.stop(0.1)
        raise
    return await node.run(stop)

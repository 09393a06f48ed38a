"""Ends the node's tasks for certain."""

import asyncio
from collections.abc import Collection
from typing import Any

AGAIN_S = 10.0


async def ended(tasks: Collection["asyncio.Task[Any]"], again_s: float = AGAIN_S) -> None:
    """Cancel them and wait until all are over; whoever isn't after `again_s` is cancelled again, as often as it takes.

    Once isn't enough: a TaskGroup that fails in the moment in which its task is cancelled forgets the cancellation
    (Python 3.11), and whoever tries again after a failure goes on for ever. Nor can a task be asked about it: there
    `cancelling()` counts cancellations of the group's own, too.
    """
    left: Collection[asyncio.Task[Any]] = tasks
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)
    await asyncio.gather(*tasks, return_exceptions=True)  # what they ended with was told where it happened

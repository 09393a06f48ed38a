"""Wait for what sets no event: bounded, and long enough for a machine that does ten other things."""

import asyncio
import time
from collections.abc import Callable

from holdfast.kernel.clock import SystemClock

CLOCK = SystemClock()
PATIENCE_S = 60.0
"""Less than a test may take (pytest-timeout), so that the one that never came says so itself."""


def wait_until(
    holds: Callable[[], object], within_s: float = PATIENCE_S, seen: Callable[[], object] = lambda: "it never came true"
) -> None:
    """Until it holds; fails with what is seen when it doesn't in time."""
    end = CLOCK.monotonic() + within_s
    while not holds():
        assert CLOCK.monotonic() < end, seen()
        time.sleep(0.05)


async def until(holds: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """The same on a loop."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  # what it looks at tells nobody
            await asyncio.sleep(0.005)

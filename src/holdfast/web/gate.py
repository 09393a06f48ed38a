"""A bound on how much runs at once; beyond the waiting room the answer is 503."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from holdfast.web.errors import Refused


class Gate:
    """At most `running` at once and `waiting` in line."""

    def __init__(self, running: int, waiting: int) -> None:
        self._slots = asyncio.Semaphore(running)
        self._most = running + waiting
        self._inside = 0

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it.

        Raises:
            Refused: 503 when the line is full.
        """
        if self._inside >= self._most:
            raise Refused(503, "too many questions at once", "ask again in a moment", retry_after_s=1.0)
        self._inside += 1
        try:
            async with self._slots:
                yield
        finally:
            self._inside -= 1

"""A link between two nodes that a test can cut: a proxy on a loop of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from holdfast.sim.cut import CutProxy


class Cable:
    """Forwards to a loopback port until it's cut."""

    def __init__(self, target: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.proxy = CutProxy("127.0.0.1", target)
        self._do(self.proxy.start())

    @property
    def port(self) -> int:
        return self.proxy.port

    def cut(self) -> None:
        self._do(self.proxy.cut())

    def restore(self) -> None:
        self._do(self.proxy.restore())

    def close(self) -> None:
        self._do(self.proxy.stop())
        self._do(_settled())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(30)


async def _settled() -> None:
    """Connections met in the last moment end too, before their loop does."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.gather(*others, return_exceptions=True)

"""A real node on loopback, on a loop of its own, for applications to speak to."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.ports import free_port

from holdfast.identity.tokens import issue_token
from holdfast.kernel.clock import SystemClock
from holdfast.node.node import Node as RealNode
from holdfast.node.settings import read_plan
from holdfast.sync import Node
from holdfast.telemetry.happenings import Telemetry

SETTINGS = """
node: gw
api: {listen: "127.0.0.1:%d"}
journal: {ballast: 0MB}
queues:
  orders: {consume: true, max_attempts: 2, lease: 300ms, limit: 50}
  stock: {consume: true}
  passing: {}
apps:
  shop: {token: shop.token, put: [orders, stock, passing], consume: [orders, stock]}
  guest: {token: guest.token}
"""


class Running:
    """The node, started and stopped from outside its loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log: list[str] = []
        if not (folder / "shop.token").exists():
            issue_token(folder / "shop.token")
            issue_token(folder / "guest.token")
            (folder / "node.yaml").write_text(SETTINGS % free_port())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.real: RealNode = self.do(self._start())

    async def _start(self) -> RealNode:
        clock = SystemClock()
        node = RealNode(read_plan(self.folder / "node.yaml"), clock, Telemetry(clock, self.log.append))
        await node.start()
        return node

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)

    @property
    def port(self) -> int:
        assert self.real.web is not None
        return int(str(self.real.web.address).rpartition(":")[2])

    def door(self, app: str = "shop") -> Node:
        return Node(f"http://127.0.0.1:{self.port}", self.folder / f"{app}.token")

    def stop(self) -> None:
        self.do(self.real.stop(1.0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    node = Running(folder)
    try:
        yield node
    finally:
        node.stop()

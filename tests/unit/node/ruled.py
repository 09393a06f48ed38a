"""A real node with rules, on a loop of its own, and its API spoken to over loopback."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.ports import free_port

from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock
from holdfast.node.node import Node
from holdfast.node.settings import read_plan
from holdfast.telemetry.happenings import Telemetry

PROFILE = """profiles:
  press:
    topic: plant/{device}
    version: 1
    time: {field: ts, unit: s}
    fields:
      t: {metric: temperature, unit: Cel, optional: true}
      p: {metric: pressure, unit: bar, optional: true}
"""
OWN = """rules:
  hot:
    select: temperature as t
    when: t > 60
  warm:
    select: temperature as t
    when: t > 40   # the operator's own words
"""
HIGH = """# from the page
rules:
  high:
    select: pressure as p
    when: p > 5
    clear_when: p < 4
"""
JSON = {"content-type": "application/json"}


class Slip:
    """Nobody waits for it."""

    def settle(self) -> None:
        pass

    def refuse(self) -> None:
        raise AssertionError("readings were refused")


class Ruled:
    """The node."""

    def __init__(self, folder: Path, rules: str = OWN, more: str = "") -> None:
        self.folder = folder
        self.log: list[str] = []
        self.port = free_port()
        (folder / "press.yaml").write_text(PROFILE)
        (folder / "own.yaml").write_text(rules)
        (folder / "node.yaml").write_text(
            "node: gw\nprofiles: [press.yaml]\nrules: [own.yaml]\njournal: {ballast: 0MB}\n"
            f"api: {{listen: '127.0.0.1:{self.port}'}}\n{more}"
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.node: Node = self.do(self._start())
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}/api/v1", timeout=30)

    async def _start(self) -> Node:
        clock = SystemClock()
        node = Node(read_plan(self.folder / "node.yaml"), clock, Telemetry(clock, self.log.append))
        await node.start()
        return node

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)

    def send(self, messages: list[tuple[str, bytes]]) -> None:
        """Messages of devices, on disk afterwards."""

        async def offer() -> None:
            for topic, payload in messages:
                arrival = Arrival("test", topic, (payload,), self.node.clock.wall_ns(), Slip())
                self.node.intake.inbox.offer(arrival)
            await self.node.intake.everything_stored()

        self.do(offer())

    def post(self, path: str, body: object, status: int = 200) -> Any:
        return self._said(self.http.post(path, json=body), status)

    def put(self, path: str, body: object, status: int = 200) -> Any:
        return self._said(self.http.put(path, json=body), status)

    def delete(self, path: str, status: int = 200) -> Any:
        return self._said(self.http.delete(path), status)

    def get(self, path: str, status: int = 200) -> Any:
        return self._said(self.http.get(path), status)

    @staticmethod
    def _said(answer: httpx.Response, status: int) -> Any:
        assert answer.status_code == status, answer.text
        return answer.json()

    def rows(self) -> dict[str, Any]:
        return {row["rule"]: row for row in self.get("rules")["rules"]}

    def until(self, holds: Callable[[], Any], within_s: float = 20.0) -> Any:
        end = time.perf_counter() + within_s
        while time.perf_counter() < end:
            if found := holds():
                return found
            time.sleep(0.05)
        raise AssertionError("it never came true")

    def stop(self) -> None:
        self.http.close()
        self.do(self.node.stop(1.0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def ruled(folder: Path, rules: str = OWN, more: str = "") -> Iterator[Ruled]:
    node = Ruled(folder, rules, more)
    try:
        yield node
    finally:
        node.stop()

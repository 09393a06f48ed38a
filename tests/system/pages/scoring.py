"""A gateway whose page Models is looked at: a real node and web server, real scores and alerts, and a book of models.

The node's own glue to models is left out: the app gets `tests.unit.web.modelled.ModelDesk` in its place. By hand:
`python -m tests.system.pages.scoring FOLDER` serves until it's interrupted.
"""

import asyncio
import math
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from tests.ports import free_port
from tests.unit.node.ruled import Slip
from tests.unit.web.modelled import ModelDesk

from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock
from holdfast.node.node import Node
from holdfast.node.settings import read_plan
from holdfast.node.web import make_deps
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.server import WebServer
from holdfast.web.app import build_app
from holdfast.web.settings import ApiSettings

PROFILE = """profiles:
  scored:
    topic: scored/{device}
    version: 1
    time: {field: ts, unit: s}
    fields:
      s: {metric: ml.pump.score}
      c: {metric: pump.score}
"""
# The rule reads a copy: of `infer` the node asks a deployment in node.yaml, and none is here.
RULES = """rules:
  ml-pump:
    select: pump.score as score
    when: score > 1
    for: 3 samples
    clear_when: score < 0.8
    severity: warning
    message: "{device}: pump says {score:.2f}"
"""
NODE = "node: gw\nprofiles: [scored.yaml]\nrules: [pump.yaml]\njournal: {ballast: 0MB}\n"
EVERY_S, SPAN_S = 5, 3_600


class Scoring:
    """The node and its page. models: False = node.yaml has none."""

    def __init__(self, folder: Path, *, models: bool = True, hostile: bool = False) -> None:
        (folder / "scored.yaml").write_text(PROFILE)
        (folder / "pump.yaml").write_text(RULES)
        (folder / "node.yaml").write_text(NODE)
        self.folder, self.port = folder, free_port()
        self.desk = ModelDesk(SystemClock().wall_ns(), hostile=hostile)
        self._has_models = models
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._do(self._start())

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _start(self) -> None:
        clock = SystemClock()
        self.node = Node(read_plan(self.folder / "node.yaml"), clock, Telemetry(clock, lambda _: None))
        await self.node.start()
        settings = ApiSettings(listen=f"127.0.0.1:{self.port}")
        deps = replace(make_deps(self.node, settings), models=self.desk if self._has_models else None)
        self._web = WebServer(build_app(deps), settings.address, None)
        await self._web.start()

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(60)

    def score(self) -> None:
        """An hour of pump-3, which twice leaves what it knows; once it's still out."""
        now, every = SystemClock().wall_ns() // 10**9, EVERY_S
        ages = range(SPAN_S, 0, -every)
        self.send([("pump-3", now - age, _course(age)) for age in ages])

    def send(self, scores: list[tuple[str, int, float]]) -> None:
        """(device, unix s, score), stored afterwards."""

        async def offer() -> None:
            for device, ts, score in scores:
                body = msgspec.json.encode({"ts": ts, "s": score, "c": score})
                arrival = Arrival("test", f"scored/{device}", (body,), self.node.clock.wall_ns(), Slip())
                self.node.intake.inbox.offer(arrival)
            await self.node.intake.everything_stored()

        self._do(offer())

    def stop(self) -> None:
        self._do(self._web.stop(1.0))
        self._do(self.node.stop(1.0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _course(age: int) -> float:
    usual = 0.42 + 0.12 * math.sin(age / 190) + 0.05 * math.sin(age / 23) + 0.03 * math.sin(age * 1.7)
    if 1_500 < age < 1_900:
        return usual + 1.1 * math.sin((age - 1_500) * math.pi / 400)
    return usual + (1.2 if age < 150 else 0.0)


@contextmanager
def scoring(folder: Path, *, models: bool = True, hostile: bool = False) -> Iterator[Scoring]:
    folder.mkdir(exist_ok=True)
    one = Scoring(folder, models=models, hostile=hostile)
    try:
        yield one
    finally:
        one.stop()


if __name__ == "__main__":
    with scoring(Path(sys.argv[1]), models="--none" not in sys.argv, hostile="--hostile" in sys.argv) as served:
        served.score()
        print(served.page, flush=True)
        while True:
            time.sleep(3600)

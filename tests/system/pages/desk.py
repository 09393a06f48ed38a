"""A gateway whose pages are looked at, with devices that people wrote names and payloads for."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from playwright.async_api import expect
from tests.system.kill.site import ROOT, START_S
from tests.system.pages.browser import Watched, opened
from tests.system.test_gateway import HOLDFAST, Gateway

MARKUP = "<img src=x onerror=window.hacked=1>"
"""Runs when it's taken for HTML."""
PATIENCE_MS = 40_000
expect.set_options(timeout=PATIENCE_MS)
PROFILE = """profiles:
  press:
    topic: plant/{device}/up
    version: 1
    id: n
    fields:
      t: {metric: temperature, unit: Cel}
      p: {metric: pressure, unit: bar}
"""


class Desk(Gateway):
    """The gateway. Devices send on plant/NAME/up."""

    def __init__(self, folder: Path, more: str = "") -> None:
        super().__init__(folder, more)
        text = self.settings.read_text().replace("rules: ['builtin:rooms']\n", "")
        self.settings.write_text(text.replace("['builtin:rooms']", "[press.yaml]"))
        (folder / "press.yaml").write_text(PROFILE)

    def start(self) -> None:
        """As a gateway, with patience for a machine that does much else."""
        with (self.folder / "gw.log").open("ab") as log:
            self.process = subprocess.Popen([*HOLDFAST, "run", str(self.settings)], stderr=log, stdout=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            with contextlib.suppress(OSError):
                if self.get("/readyz")["ready"]:
                    return
            time.sleep(0.1)
        raise AssertionError(self.log())

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(START_S)

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.api}"

    def tell(self, messages: list[tuple[str, bytes]]) -> None:
        """Publish (topic, payload), each acknowledged."""
        client = paho.Client(CallbackAPIVersion.VERSION2, f"sender-{time.monotonic_ns()}")
        client.max_queued_messages_set(0)
        client.connect("127.0.0.1", self.mqtt)
        client.loop_start()
        told = [client.publish(topic, payload, qos=1) for topic, payload in messages]
        for one in told:
            one.wait_for_publish(60)
        client.disconnect()
        client.loop_stop()

    def reading(self, device: str, number: int, temperature: float = 21.5) -> tuple[str, bytes]:
        return f"plant/{device}/up", json.dumps({"n": number, "t": temperature, "p": 2 + number / 10}).encode()

    @contextmanager
    def press(self, name: str) -> Iterator[None]:
        """A device that does what it is commanded."""
        words = [sys.executable, "-m", "tests.system.press", str(self.mqtt), name, str(self.folder / "press.txt")]
        process = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"})
        try:
            yield
        finally:
            process.kill()
            process.wait(10)


@contextmanager
def desk(folder: Path, more: str = "") -> Iterator[Desk]:
    one = Desk(folder, more)
    try:
        one.start()
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.terminate()
            one.process.wait(60)


def look(
    url: str,
    at: Callable[[Watched], Coroutine[Any, Any, None]],
    size: str = "laptop",
    theme: str = "light",
    zone: str | None = None,
) -> None:
    """Open a page, do what is to be done there; nothing may have gone wrong in it, and nothing foreign have run."""

    async def run() -> None:
        async with opened(size, theme, zone=zone) as watched:
            await watched.page.goto(url)
            await at(watched)
            assert await watched.page.evaluate("window.hacked") is None
            assert watched.errors == []

    asyncio.run(run())

"""A gateway with 5,000 series of 500 devices, an alert open at each device."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from playwright.async_api import Page
from tests.system.pages.browser import Watched
from tests.system.pages.works import Works, works

DEVICES, SERIES_EACH = 500, 10


@contextmanager
def crowd(folder: Path) -> Iterator[Works]:
    rule = "rules:\n  high:\n    select: last(m0) as v\n    when: v > 1\n    severity: warning\n"
    with works(folder, rules=rule, profiles="['builtin:any']") as built:
        body = "{" + ", ".join(f'"m{n}": {n + 2}' for n in range(SERIES_EACH)) + "}"
        _fill(built, [(f"crowd/d{n}", body) for n in range(DEVICES)])
        until = time.monotonic() + 60
        while not _is_there(built):
            assert time.monotonic() < until, "not everything came in"
            time.sleep(0.5)
        yield built


def _is_there(site: Works) -> bool:
    series, alerts = site.ask("series", limit="1"), site.ask("alerts", limit="1000")
    return bool(series["total"] >= DEVICES * SERIES_EACH and len(alerts) >= DEVICES)


def _fill(site: Works, messages: list[tuple[str, str]]) -> None:
    """Publish one message a topic over one connection."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", site.mqtt)
    client.loop_start()
    for sent in [client.publish(topic, body, qos=1) for topic, body in messages]:
        sent.wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


async def pages_of(page: Page) -> list[str]:
    """Every page of the rail."""
    await page.wait_for_selector("nav.rail a[href]", state="attached")
    found = await page.eval_on_selector_all("nav.rail li a[href]", "all => all.map(a => a.getAttribute('href'))")
    return [str(one) for one in found]


async def longest_task(watched: Watched, url: str) -> float:
    """A page opened and scrolled; its longest task in ms, 0 = none over 50 ms."""
    page = watched.page
    await page.goto(url)
    await page.wait_for_selector("main h1")
    await page.wait_for_timeout(800)
    await page.mouse.move(700, 500)
    for _ in range(10):
        await page.mouse.wheel(0, 600)
        await page.wait_for_timeout(60)
    return max(await watched.long_tasks(), default=0.0)

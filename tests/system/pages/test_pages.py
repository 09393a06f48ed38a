"""Every page of a gateway and a hub under the demo's load, in Chromium: sizes, themes, a cut link, crowds, speed."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.system.pages.browser import Watched, opened
from tests.system.pages.crowd import crowd, longest_task, pages_of
from tests.system.pages.works import Works, works

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
JS_BUDGET = 200_000
MOST_LONG_MS = 100


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    with works(tmp_path_factory.mktemp("works")) as built, built.devices():
        time.sleep(5)
        yield built


async def looked_at(watched: Watched, base: str) -> dict[str, list[str]]:
    """Each page opened and left to settle; what is wrong with it, by address."""
    page = watched.page
    await page.goto(base)
    await page.wait_for_selector("main h1")
    wrong: dict[str, list[str]] = {}
    for address in await pages_of(page):
        watched.errors.clear()
        await page.goto(base + address)
        await page.wait_for_selector("main h1")
        await page.wait_for_timeout(700)
        found = list(watched.errors)
        found += [json.dumps(one) for one in await watched.axe()]
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
            found.append("scrolls sideways")
        if found:
            wrong[address] = found
    return wrong


# Each size and each theme in every run; all six in `make prove`.
SHAPES = [("phone", "dark"), ("laptop", "light"), ("wall", "dark")]
OTHERS = [
    pytest.param(*shape, marks=pytest.mark.slow)
    for shape in (("phone", "light"), ("laptop", "dark"), ("wall", "light"))
]


@pytest.mark.parametrize(("size", "theme"), [*SHAPES, *OTHERS])
def test_every_page_of_a_gateway_is_whole_and_accessible(site: Works, size: str, theme: str) -> None:
    async def run() -> dict[str, list[str]]:
        async with opened(size, theme) as watched:
            return await looked_at(watched, site.page)

    assert asyncio.run(run()) == {}


def test_every_page_of_a_hub_is_whole_and_accessible(site: Works) -> None:
    async def run() -> dict[str, list[str]]:
        async with opened() as watched:
            return await looked_at(watched, site.hub_page)

    assert asyncio.run(run()) == {}


def test_a_link_cut_and_restored_is_seen_while_watching(site: Works) -> None:
    async def run() -> list[str]:
        async with opened() as watched:
            page = watched.page
            await page.goto(site.page)
            await page.get_by_text(re.compile(r"\bup\b")).first.wait_for()
            site.cable.cut()
            try:
                await page.get_by_text(re.compile(r"\bdown\b")).first.wait_for(timeout=30_000)
                await page.wait_for_timeout(2000)
            finally:
                site.cable.restore()
            await page.get_by_text(re.compile(r"\bdown\b")).first.wait_for(state="detached", timeout=30_000)
            return watched.errors

    assert asyncio.run(run()) == []


def test_a_node_that_goes_away_and_comes_back_is_said(site: Works) -> None:
    async def run() -> None:
        async with opened() as watched:
            page = watched.page
            await page.goto(site.page)
            await page.get_by_text("live", exact=True).wait_for(state="attached")
            site.kill("gw")
            try:
                await page.get_by_text("isn't reached").first.wait_for(timeout=20_000)
            finally:
                site.bring_up(["gw"])
            await page.get_by_text("isn't reached").first.wait_for(state="detached", timeout=40_000)

    asyncio.run(run())


def test_scripts_stay_within_their_budget_and_the_policy_allows_nothing_inline(site: Works) -> None:
    folder = Path(__file__).parents[3] / "src" / "holdfast" / "web" / "static"
    sizes = {one.name: one.stat().st_size for one in folder.rglob("*.js.gz")}
    assert sizes
    assert sum(sizes.values()) <= JS_BUDGET, sizes
    policy = httpx.get(site.page, headers={"Accept": "text/html"}, trust_env=False).headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy


def test_the_first_paint_comes_soon_on_a_slow_cpu(site: Works) -> None:
    async def run() -> float:
        async with opened() as watched:
            page = watched.page
            devtools = await page.context.new_cdp_session(page)
            await devtools.send("Emulation.setCPUThrottlingRate", {"rate": 4})  # about a Raspberry Pi 4
            await page.goto(site.page)
            await page.wait_for_selector("main h1")
            paints = await page.evaluate("performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)")
            return float(paints[0])

    # The goal is a second on a machine that does nothing else, which `benchmarks.pages` measures. Here another test
    # runs beside: what is caught is a page that waits for something.
    assert min(asyncio.run(run()) for _ in range(3)) < 4_000


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    with crowd(tmp_path_factory.mktemp("crowd")) as built:
        yield built


def test_5000_series_and_500_alerts_come_without_jank(full: Works) -> None:
    async def slow(addresses: list[str]) -> dict[str, float]:
        async with opened() as watched:
            await watched.page.goto(full.page)
            found = {
                one: await longest_task(watched, full.page + one) for one in addresses or await pages_of(watched.page)
            }
        return {address: took for address, took in found.items() if took >= MOST_LONG_MS}

    # Other work on the machine makes a task long now and then: what is slow is slow each time.
    first = asyncio.run(slow([]))
    assert (asyncio.run(slow(list(first))) if first else {}) == {}

"""The overview and the charts in Debian's Chromium, on a real node under the demo's load."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Download, Page
from tests.system.pages.browser import opened
from tests.system.pages.works import Works, works

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
STATIC = Path(__file__).parents[3] / "src" / "holdfast" / "web" / "static"
SERIES = [f"gw/room-{n:03d}/air.temperature" for n in range(20)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    if not (STATIC / "index.html").exists():
        pytest.skip("the pages aren't built: make web")
    with works(tmp_path_factory.mktemp("charts")) as one, one.devices(25, 50):
        yield one


def charts(site: Works, names: list[str], **more: str) -> str:
    return str(httpx.URL(f"{site.page}/charts", params=[*(("series", name) for name in names), *more.items()]))


async def kept(download: Download) -> bytes:
    return await asyncio.to_thread(Path(await download.path()).read_bytes)


async def drawn(page: Page) -> int:
    """Pixels of the first chart that aren't empty."""
    count: int = await page.evaluate(
        "() => { const c = document.querySelector('.u-wrap canvas'); if (!c) return 0;"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let n = 0; for (let i = 3; i < d.length; i += 4) if (d[i]) n++; return n; }"
    )
    return count


@pytest.mark.parametrize(("size", "theme"), [("phone", "light"), ("wall", "dark")])
def test_the_overview_and_the_charts_are_whole_and_accessible(site: Works, size: str, theme: str) -> None:
    async def look() -> None:
        async with opened(size, theme) as watched:
            page = watched.page
            for address, text in (
                (site.page, "Where every row is"),
                (charts(site, SERIES[:3]), "room-002 / air.temperature"),
            ):
                await page.goto(address)
                await page.get_by_text(text).first.wait_for(timeout=20_000)
                await page.wait_for_timeout(1_500)
                assert await watched.axe() == [], address
                wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, f"{address} is wider than the screen"
            assert watched.errors == []

    asyncio.run(look())


def test_the_overview_tells_rates_devices_and_a_ledger_without_residual(site: Works) -> None:
    async def look() -> None:
        async with opened() as watched:
            page = watched.page
            await page.goto(site.page)
            await page.get_by_text("ready", exact=True).wait_for(timeout=20_000)
            await page.get_by_text("balanced", exact=True).wait_for(timeout=20_000)
            await page.locator(".ov-states .online").wait_for(state="attached", timeout=20_000)
            await page.wait_for_function(
                "() => parseFloat(document.querySelector('.stat strong').textContent) > 20", timeout=20_000
            )
            residual = await page.locator(".ov-ledger td:last-child").all_inner_texts()
            assert residual, "no lane is shown"
            assert set(residual) == {"0"}

    asyncio.run(look())


def test_a_chart_is_live_zooms_by_drag_keeps_it_in_the_address_and_goes_back(site: Works) -> None:
    async def look() -> None:
        async with opened() as watched:
            page = watched.page
            await page.goto(charts(site, SERIES[:2], span="1m"))
            value = page.locator(".ch-legend li strong").first
            await page.wait_for_function("() => /\\d/.test(document.querySelector('.ch-legend strong')?.textContent)")
            assert await drawn(page) > 1_000
            before = await value.inner_text()
            await page.wait_for_function(
                "was => document.querySelector('.ch-legend strong').textContent !== was", arg=before, timeout=20_000
            )
            over = page.locator(".u-over").first
            box = await over.bounding_box()
            assert box is not None
            x, y, width = box["x"], box["y"] + box["height"] / 2, box["width"]
            await page.mouse.move(x + width * 0.5, y)
            await page.mouse.down()
            await page.mouse.move(x + width * 0.75, y, steps=5)
            await page.mouse.up()
            await page.wait_for_url("**from=*")
            span = await page.evaluate(
                "() => { const q = new URLSearchParams(location.search); return q.get('to') - q.get('from'); }"
            )
            assert 12_000 < span < 18_000
            await page.reload()
            await page.get_by_role("button", name="Live").wait_for()
            await over.dblclick()
            await page.wait_for_function("() => !location.search.includes('from=')")
            await page.locator(".ch-panel").first.focus()
            await page.keyboard.press("ArrowLeft")
            await page.wait_for_url("**from=*")
            assert watched.errors == []

    asyncio.run(look())


def test_series_are_picked_by_search_up_to_twenty_and_saved_as_csv_and_png(site: Works) -> None:
    async def look() -> None:
        async with opened() as watched:
            page = watched.page
            await page.goto(charts(site, SERIES[:19]))
            await page.get_by_role("button", name="Series", exact=True).click()
            await page.get_by_label("Search series").fill("room-02 temp")
            boxes = page.locator(".ch-pick input[type=checkbox]")
            await page.wait_for_function("() => document.querySelectorAll('.ch-pick input').length === 5")
            await boxes.first.check()
            assert await boxes.nth(1).is_disabled()
            await page.get_by_role("button", name="Done").click()
            await page.wait_for_function("() => new URLSearchParams(location.search).getAll('series').length === 20")
            await page.wait_for_function("() => document.querySelectorAll('.ch-legend li').length === 20")
            async with page.expect_download() as saved:
                await page.get_by_role("button", name="CSV").click()
            text = (await kept(await saved.value)).decode()
            assert text.startswith("time,series,unit,value,min,max,quality\n")
            assert len({line.split(",")[1] for line in text.splitlines()[1:]}) >= 19
            async with page.expect_download() as pictured:
                await page.get_by_role("button", name="PNG").click()
            assert (await kept(await pictured.value)).startswith(b"\x89PNG")
            assert watched.errors == []

    asyncio.run(look())


def test_what_came_while_the_node_was_gone_is_there_when_it_is_back(site: Works) -> None:
    async def look() -> None:
        async with opened() as watched:
            page = watched.page
            await page.goto(charts(site, SERIES[:1], span="1m"))
            await page.wait_for_function("() => /\\d/.test(document.querySelector('.ch-legend strong')?.textContent)")
            gateway = site.processes["gw"]
            gateway.terminate()
            await asyncio.to_thread(gateway.wait, 30)
            await page.get_by_text("The node isn't reached").wait_for(timeout=20_000)
            site.start("gw")
            await asyncio.to_thread(site.wait_up, "gw")
            await page.get_by_text("The node isn't reached").wait_for(state="detached", timeout=40_000)
            assert await page.locator(".link-state").inner_text() == "live"

    asyncio.run(look())

"""A hub's pages in Debian's Chromium: sites and their map, a site's own pages through the hub, analytics."""

import asyncio
import csv
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.system.fleet_of_sites import FAR, Fleet, fleet
from tests.system.pages.browser import Watched, opened

from holdfast.wire.sites import SiteHealth

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
MARKUP = "<img src=x onerror=window.hit=1>"
ILL = SiteHealth(
    (0, 12, 2_400_000), (0, 60, 190_000), "trickle", 18, "unset", "red", "ok", 91, 40.0, ("the clock isn't set",)
)
CALLS = "channels: {pager: {webhook: {url: 'http://127.0.0.1:9/'}, takes: {}}}\n"
AWAY = "sites/"
"""503 is how a hub says that a site is away; browsers note it in their console."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder: Path = tmp_path_factory.mktemp("hub")
    made = fleet(folder, (*FAR, ("hostile", MARKUP, 10.0, 10.0)), york=CALLS)
    made.keep_telling({"recife": ILL})
    for number in range(6):
        for site in ("leeds", "york"):
            made.send(site, f"press-{number % 3}", 20 + number, number + 1)
    made.until(lambda: made.get("query", series="york/press-*/air.temperature", site="false").json()["series"] != [])
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shots")


def look(
    hub: Fleet, path: str, at: Callable[[Watched], Awaitable[None]], size: str = "laptop", theme: str = "light"
) -> None:
    async def run() -> None:
        async with opened(size, theme) as watched:
            await watched.page.goto(f"https://127.0.0.1:{hub.hub}{path}")
            await at(watched)
            assert [error for error in watched.errors if AWAY not in error] == []

    asyncio.run(run())


def test_sites_are_listed_worst_first_searched_and_the_address_keeps_it(hub: Fleet) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        rows = page.get_by_role("region", name="Sites").get_by_role("row")
        await expect(rows).to_have_count(1 + len(hub.far) + 2)
        await expect(rows.nth(1)).to_contain_text("Recife mill")
        await expect(rows.nth(1)).to_contain_text("the clock isn't set")
        await page.get_by_role("searchbox", name="Search sites").fill("pune")
        await expect(rows).to_have_count(2)
        await page.reload()
        await expect(rows).to_have_count(2)
        assert "q=pune" in page.url

    look(hub, "/sites", at)


def test_the_map_is_moved_and_zoomed_by_keys_and_a_site_opens_by_enter(hub: Fleet) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        world = page.get_by_role("group", name="Map of")
        await expect(page.get_by_role("button", name="Pune castings, online")).to_be_visible()
        clusters = page.get_by_role("button", name="sites,")
        assert await clusters.count() >= 1
        await clusters.first.press("Enter")
        await expect(page.get_by_role("button", name="Pune castings, online")).to_have_count(0)
        await world.press("0")
        await expect(page.get_by_role("button", name="Pune castings, online")).to_be_visible()
        before = await page.locator(".site-map g").first.get_attribute("transform")
        await world.press("ArrowRight")
        await world.press("+")
        assert await page.locator(".site-map g").first.get_attribute("transform") != before
        await page.get_by_role("searchbox", name="Search sites").fill("york")
        await page.get_by_role("button", name="Works York").press("Enter")
        await page.wait_for_url("**/sites/york/")
        await expect(page.get_by_text("live, through this node")).to_be_visible()

    look(hub, "/sites", at)


def test_the_name_of_a_site_comes_out_as_text_everywhere(hub: Fleet) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await expect(page.get_by_role("link", name=MARKUP)).to_be_visible()
        await page.goto(f"https://127.0.0.1:{hub.hub}/sites/hostile/")
        await expect(page.get_by_text(MARKUP).first).to_be_visible()
        assert await page.evaluate("window.hit") is None

    look(hub, "/sites?q=hostile", at)


@pytest.mark.parametrize(("size", "theme"), [("phone", "dark"), ("laptop", "light"), ("wall", "dark")])
@pytest.mark.parametrize(
    "path",
    [
        "/sites",
        "/sites/york/",
        "/sites/perth/",
        "/analytics?series=*/air.temperature&by=site,device",
        "/analytics?tab=sql",
    ],
)
def test_pages_are_accessible_and_never_wider_than_the_screen(hub: Fleet, path: str, size: str, theme: str) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await expect(page.locator("main .card").first).to_be_visible()
        await page.wait_for_timeout(600)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await watched.axe() == []

    look(hub, path, at, size, theme)


def test_a_site_that_is_away_says_so_and_shows_what_it_last_told(hub: Fleet) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        banner = page.locator("[data-away=recife]")
        await expect(banner).to_contain_text("be reached")
        await expect(banner).to_contain_text("Last heard")
        await expect(page.get_by_text("2,400,000 rows, the oldest")).to_be_visible()
        await page.get_by_role("link", name="All sites").click()
        await page.wait_for_url("**/sites")

    look(hub, "/sites/recife/", at)


def test_a_site_that_is_cut_off_while_somebody_looks_becomes_held_and_live_again(hub: Fleet) -> None:
    hub.until(lambda: any(one["name"] == "press-1" for one in hub.get("devices", node="york").json()["devices"]))

    async def at(watched: Watched) -> None:
        page = watched.page
        await expect(page.get_by_text("live, through this node")).to_be_visible()
        await expect(page.get_by_role("link", name="press-1")).to_be_visible()
        await asyncio.to_thread(hub.cut, "york")
        await expect(page.locator("[data-away=york]")).to_contain_text("what this node holds", timeout=40_000)
        await page.reload()
        await expect(page.locator("[data-away=york]")).to_be_visible(timeout=40_000)
        await expect(page.get_by_role("link", name="press-1")).to_be_visible()
        await asyncio.to_thread(hub.cables["york"].restore)
        await expect(page.get_by_text("live, through this node")).to_be_visible(timeout=60_000)

    look(hub, "/sites/york/devices", at)


def test_what_moves_at_a_site_moves_through_the_hub_without_asking_again_and_again(hub: Fleet) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await expect(page.get_by_role("link", name="press-1")).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for number in range(3):
            name = f"live-{number}"
            await asyncio.to_thread(hub.send, "york", name, 20)
            await expect(page.get_by_role("link", name=name)).to_be_visible(timeout=8_000)
        assert len([one for one in asked if "/api/devices" in one]) < 20

    look(hub, "/sites/york/devices", at)


def test_a_sites_alert_is_acknowledged_through_the_hub_also_while_the_site_is_away(hub: Fleet, shots: Path) -> None:
    hub.send("york", "oven-1", 80)
    hub.send("york", "oven-2", 80)
    hub.until(lambda: len(hub.get("alerts", node="york").json()) == 2)

    async def at(watched: Watched) -> None:
        page = watched.page
        await page.get_by_role("link", name="Channels").click()
        await expect(page.get_by_role("heading", name="pager")).to_be_visible()
        await expect(page.get_by_role("button", name="Send a test")).to_be_disabled()
        await page.screenshot(path=shots / "channels.png")
        await page.goto(f"https://127.0.0.1:{hub.hub}/sites/york/alerts")
        await page.locator(".alerts-list").get_by_text("oven-1 is hot").click()
        await page.get_by_role("button", name="Acknowledge").click()
        await page.get_by_role("textbox", name="Your name").fill("alice")
        await page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
        await expect(page.get_by_text("acknowledged by alice at hub", exact=True)).to_be_visible(timeout=15_000)
        await page.screenshot(path=shots / "at-site.png")
        assert await watched.axe() == []
        found = await asyncio.to_thread(lambda: hub.get("alerts", node="york", device="oven-2").json()[0]["id"])
        await asyncio.to_thread(hub.cut, "york")
        await page.goto(f"https://127.0.0.1:{hub.hub}/alerts/{found}")
        await page.get_by_role("button", name="Acknowledge").click()
        await page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
        await expect(page.get_by_text("waiting for the site", exact=True)).to_be_visible()
        await expect(page.get_by_text("Sent to the site by alice")).to_be_visible()
        await page.screenshot(path=shots / "waiting.png")
        assert await watched.axe() == []
        await asyncio.to_thread(hub.cables["york"].restore)
        await expect(page.get_by_text("Done at york")).to_be_visible(timeout=60_000)
        await expect(page.get_by_text("waiting for the site", exact=True)).to_have_count(0)
        await page.screenshot(path=shots / "done.png")

    look(hub, "/sites/york/alerts", at)


def test_a_question_by_form_is_drawn_kept_in_the_address_and_saved(hub: Fleet, tmp_path: Path) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await (
            page.get_by_role("textbox", name="Series")
            .or_(page.get_by_role("combobox", name="Series"))
            .fill("press-*/air.temperature")
        )
        await page.get_by_role("button", name="Device", exact=True).click()
        await page.get_by_role("button", name="Ask", exact=True).click()
        await expect(page.locator(".bars li")).to_have_count(6)
        await expect(page.locator(".bars li").first).to_contain_text("press-2")
        async with page.expect_download() as wait:
            await page.get_by_role("button", name="CSV").click()
        found = await wait.value
        await found.save_as(tmp_path / "a.csv")
        with (tmp_path / "a.csv").open(newline="") as file:
            rows = list(csv.reader(file))
        assert rows[0] == ["site", "device", "mean (Cel)", "readings", "series"]
        assert len(rows) == 7
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.get_by_role("textbox", name="Name of the question").fill("presses")
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.goto(f"https://127.0.0.1:{hub.hub}/analytics")
        await page.get_by_role("combobox", name="Saved questions").select_option("presses")
        await expect(page.locator(".bars li")).to_have_count(6)
        await page.reload()
        await expect(page.locator(".bars li")).to_have_count(6)

    look(hub, "/analytics", at)


def test_a_fleet_is_compared_side_by_side_over_time(hub: Fleet) -> None:
    async def at(watched: Watched) -> None:
        await expect(watched.page.locator(".multiple")).to_have_count(6)
        await watched.page.get_by_role("button", name="One chart").click()
        await expect(watched.page.locator(".chart canvas")).to_be_visible()

    look(hub, "/analytics?series=press-*/air.temperature&by=site,device,minute&picture=small", at)


def test_sql_answers_with_a_table_and_a_wrong_statement_with_words(hub: Fleet) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        statement = page.get_by_role("textbox", name="One SELECT")
        await statement.fill("SELECT node, count(*) AS n FROM readings GROUP BY node ORDER BY node")
        await statement.press("Control+Enter")
        await expect(page.get_by_role("region", name="Answer").get_by_role("row").nth(1)).to_contain_text(
            "leeds", timeout=40_000
        )
        await page.get_by_role("textbox", name="One SELECT").fill("DROP TABLE readings")
        await page.get_by_role("button", name="Ask", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("one SELECT", timeout=40_000)
        watched.errors.clear()  # the 400 of the wrong statement

    look(hub, "/analytics?tab=sql", at)


def test_three_hundred_sites_move_without_jank(tmp_path: Path) -> None:
    many = [(f"s{n}", f"Site {n}", -50 + (n * 37) % 120, -170 + (n * 61) % 340) for n in range(300)]
    made = Fleet(tmp_path, far=[(name, site, float(lat), float(lon)) for name, site, lat, lon in many])
    made.prepare()
    try:
        made.bring_up(["hub"])
        for name, *_ in many:
            made.tell(name)

        async def at(watched: Watched) -> None:
            page = watched.page
            await expect(page.get_by_role("region", name="Sites").get_by_text("s0", exact=True)).to_be_attached()
            await page.wait_for_timeout(1500)
            await page.evaluate("window.__longTasks.length = 0")
            box = await page.locator(".site-map").bounding_box()
            assert box is not None
            await page.mouse.move(box["x"] + 200, box["y"] + 150)
            began = time.monotonic()
            for turn in range(12):
                await page.mouse.wheel(0, -120 if turn < 6 else 120)
                await page.wait_for_timeout(40)
            assert time.monotonic() - began < 10
            # The goal is 100 ms on a machine that does nothing else (`benchmarks.pages`); another test runs beside.
            assert [task for task in await watched.long_tasks() if task > 200] == []

        look(made, "/sites", at)
    finally:
        made.stop()

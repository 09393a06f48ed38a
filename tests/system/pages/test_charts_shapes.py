"""Charts of every shape, scaled as wanted, in the viewer's zone and units, in Chromium on a real node."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.async_api import Page, expect
from tests.system.pages.browser import Watched
from tests.system.pages.desk import look
from tests.system.pages.shapes import CHANGE, HOUR, Shapes, shapes
from tests.system.pages.test_charts_page import STATIC

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
NOTE_WORDS = """() => {
  const to = CanvasRenderingContext2D.prototype, write = to.fillText, clear = to.clearRect;
  window.__words = [];
  to.clearRect = function (...at) {
    window.__words = [];
    return clear.call(this, ...at);
  };
  to.fillText = function (text, ...at) {
    window.__words.push(String(text));
    return write.call(this, text, ...at);
  };
}"""
COLOURED = """colour => {
  const c = document.querySelector('.u-wrap canvas');
  if (!c) return 0;
  const wanted = colour.match(/\\w\\w/g).map(x => parseInt(x, 16));
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  const isIt = i => wanted.reduce((sum, one, at) => sum + Math.abs(one - d[i + at]), 0) < 30;
  let n = 0;
  for (let i = 0; i < d.length; i += 4) if (isIt(i)) n++;
  return n;
}"""
FIRST = "#0b6e63"
"""--series-1, in the light theme."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shapes]:
    if not (STATIC / "index.html").exists():
        pytest.skip("the pages aren't built: make web")
    with shapes(tmp_path_factory.mktemp("shapes")) as one:
        yield one


async def shown(page: Page, url: str, **prefs: object) -> None:
    """Open charts as somebody with such preferences, and note what is written on them."""
    await page.add_init_script(f"({NOTE_WORDS})()")
    await page.evaluate("kept => localStorage.setItem('holdfast.prefs', kept)", json.dumps(prefs))
    await page.goto(url)
    await expect(page.locator(".ch-legend strong").first).to_have_text(re.compile(r"[\w—]"))


async def words(page: Page) -> list[str]:
    """What a new drawing writes."""
    await page.evaluate("window.__words = []")
    await page.set_viewport_size({"width": 1279, "height": 800})
    await page.wait_for_function("() => window.__words.length > 4")
    found: list[str] = await page.evaluate("window.__words")
    await page.set_viewport_size({"width": 1280, "height": 800})
    return found


def test_what_is_on_or_said_in_words_is_drawn_as_states_with_their_names(site: Shapes) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await shown(page, site.charts(["press/running", "press/mode"]))
        assert {"on", "off", "idle", "heating up", "pressing", "cooling", "press / mode"} <= set(await words(page))
        said = await page.locator(".ch-legend strong").all_inner_texts()
        assert [text.split(" \u00b7")[0] for text in said] == ["on", "heating up"]
        assert await watched.axe() == []

    look(site.page, at)


def test_points_alone_between_gaps_can_be_seen_and_one_that_ended_says_when(site: Shapes) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await shown(page, site.charts(["single/temperature"]))
        await page.wait_for_function(f"colour => ({COLOURED})(colour) > 8", arg=FIRST)
        assert await page.evaluate(COLOURED, FIRST) < 60, "a point has become something larger"
        await page.goto(site.charts(["lonely/temperature"]))
        await page.wait_for_function(f"colour => ({COLOURED})(colour) > 40", arg=FIRST)
        assert await page.evaluate(COLOURED, FIRST) < 400, "lonely points are joined"
        await page.goto(site.charts(["ended/temperature"]))
        await expect(page.locator(".ch-legend strong.ended")).to_contain_text("min ago")

    look(site.page, at)


def test_a_scale_is_chosen_by_keys_and_kept_in_the_address(site: Shapes) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await shown(page, site.charts(["press/temperature"]))
        scale = page.get_by_label("Scale of \u00b0C")
        await scale.focus()
        await page.keyboard.press("ArrowDown")
        await page.wait_for_url("**y=Cel%3Azero*")
        assert "0" in await words(page)
        await page.keyboard.press("ArrowDown")
        await page.wait_for_url("**y=Cel%3Alevels*")
        assert "60" in await words(page), "the rule's threshold isn't on the scale"
        await page.keyboard.press("ArrowDown")
        low = page.get_by_label("Lowest, \u00b0C")
        await low.fill("-20")
        await low.press("Tab")
        await page.wait_for_url("**y=Cel%3A-20..*")
        await page.reload()
        await expect(low).to_have_value("-20")
        assert "-20" in await words(page)
        await page.get_by_label("Highest, \u00b0C").fill("-30")
        await page.get_by_label("Highest, \u00b0C").press("Tab")
        assert "-20..-30" not in page.url, "upside down"

    look(site.page, at)


def test_a_change_of_clocks_is_shown_in_the_viewers_zone_and_yesterday_is_the_same_time_of_day(site: Shapes) -> None:
    span = {"from": str(round((CHANGE - 3 * HOUR) * 1000)), "to": str(round((CHANGE + 3 * HOUR) * 1000))}
    url = site.charts(["autumn/temperature"], **span)

    def in_zone(browsers: str, *, also: bool = False, **prefs: Any) -> list[str]:
        found: list[str] = []

        async def at(watched: Watched) -> None:
            await shown(watched.page, url, **prefs)
            found.extend(await words(watched.page))
            if also:
                await compare(watched.page)

        look(site.page, at, zone=browsers)
        return found

    async def compare(page: Page) -> None:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/query?" in request.url else None)
        later = {"from": str(round((CHANGE + 8 * HOUR) * 1000)), "to": str(round((CHANGE + 10 * HOUR) * 1000))}
        await shown(page, site.charts(["autumn/temperature"], vs="day", **later))
        # 12:30 to 14:30 UTC of that day; the day before the same clock's time was an hour earlier in UTC
        assert any("from=2026-10-31T11%3A30" in url for url in asked), asked

    india = in_zone("Asia/Kolkata")
    assert {"08:00", "10:00", "12:00"} <= set(india), india
    there = in_zone("America/St_Johns", also=True)
    assert "1 Nov" in there or "Nov 1" in there, there  # midnight
    assert there.count("01:00") + there.count("01:30") >= 2, there  # it's that time twice
    chosen = in_zone("Asia/Kolkata", zone="America/St_Johns")
    assert [one for one in chosen if ":" in one] == [one for one in there if ":" in one]


def test_alerts_are_told_and_works_are_planned_by_the_viewers_clock(site: Shapes) -> None:
    site.tell([("shape/hot", json.dumps({"at": time.time() * 1000, "t": 70.5}).encode())])

    async def at(watched: Watched) -> None:
        page = watched.page
        await page.goto(f"{site.page}/alerts")
        await page.wait_for_function("() => fetch('/api/v1/alerts').then(one => one.json()).then(all => all.length)")
        (alert,) = await page.evaluate("fetch('/api/v1/alerts').then(answer => answer.json())")
        for prefs, zone in (({}, "Asia/Kolkata"), ({"zone": "America/St_Johns"}, "America/St_Johns")):
            await page.evaluate("kept => localStorage.setItem('holdfast.prefs', kept)", json.dumps(prefs))
            await page.goto(f"{site.page}/alerts/{alert['id']}")
            raised = datetime.fromtimestamp(alert["raised_ns"] // 10**9, ZoneInfo(zone))
            await expect(page.get_by_text(f"{raised:%H:%M:%S}").first, zone).to_be_visible()
        await page.goto(f"{site.page}/alerts/quiet")  # still of St. John's, in a browser in India
        await page.get_by_role("button", name="Plan works").click()
        await page.get_by_label("To", exact=False).first.fill("2026-12-01T08:00")
        await page.get_by_label("Every alert").check()
        await page.get_by_label("Why").fill("new belt")
        await page.get_by_label("Your name").fill("ada")
        await page.get_by_role("button", name="Plan", exact=True).click()
        await page.get_by_text("new belt").wait_for()

    look(site.page, at, zone="Asia/Kolkata")
    (works,) = httpx.get(f"{site.page}/api/v1/maintenance", trust_env=False).json()
    assert works["to_ns"] == datetime(2026, 12, 1, 11, 30, tzinfo=UTC).timestamp() * 10**9


def test_units_are_as_the_viewer_prefers_on_charts_and_a_devices_page(site: Shapes) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        url = site.charts(["press/temperature", "press/pressure"], y="Cel:0..100")
        await shown(page, url, imperial=True)
        legend = page.locator(".ch-legend strong")
        await expect(legend.nth(0)).to_contain_text("\u00b0F")
        await expect(legend.nth(1)).to_contain_text("psi")
        await expect(page.get_by_label("Highest, \u00b0F")).to_have_value("212")
        await page.goto(f"{site.page}/devices?node=gw&device=press")
        await expect(page.get_by_role("group", name="Series")).to_contain_text("psi")
        await page.evaluate("localStorage.setItem('holdfast.prefs', JSON.stringify({pressure: 'bar'}))")
        await page.goto(url)
        await expect(legend.nth(1)).to_contain_text(re.compile(r"2\.\d+ bar"))
        await expect(legend.nth(0)).to_contain_text("\u00b0C")

    look(site.page, at)


def test_a_devices_page_says_where_its_data_comes_from_and_what_its_profile_does(site: Shapes) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await page.goto(f"{site.page}/devices?node=gw&device=press")
        await expect(page.get_by_text("shape/press", exact=True)).to_be_visible()
        await expect(page.get_by_text(f"this node's MQTT server at mqtt://127.0.0.1:{site.mqtt}")).to_be_visible()
        await expect(page.get_by_role("heading", name="Profile shape")).to_be_visible()
        fields = page.get_by_role("region", name="Fields")
        await expect(fields).to_contain_text("bad outside -40 to 85 \u00b0C; uncertain if unchanged for 2 h")
        await expect(fields).to_contain_text("on or off")
        assert await watched.axe() == []

    look(site.page, at)
    told: Any = site.get("/api/v1/devices/press")
    (way,) = told["sources"]
    assert (way["adapter"], way["topic"], way["profile"]) == ("mqtt", "shape/press", "shape")

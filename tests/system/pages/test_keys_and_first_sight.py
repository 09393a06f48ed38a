"""Every page by Tab and Enter alone; and a node to which nothing was sent yet: each page says what to do."""

import re
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect
from tests.system.pages.browser import Watched
from tests.system.pages.crowd import pages_of
from tests.system.pages.desk import Desk, desk, look
from tests.system.pages.test_charts_page import STATIC

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
FOCUSED = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const box = at.getBoundingClientRect(), style = getComputedStyle(at), spare = parseFloat(style.outlineOffset);
  let hidden = '';
  for (let up = at.parentElement; up && up !== document.body && spare > 0; up = up.parentElement) {
    const { overflowX } = getComputedStyle(up), room = up.getBoundingClientRect();
    if (overflowX === 'hidden' && (box.left - room.left < 1 || room.right - box.right < 1)) hidden = up.className;
  }
  return {
    what: `${at.tagName} ${at.getAttribute('aria-label') || at.textContent.trim()}`.slice(0, 60),
    ringed: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1 || at.id === 'main',
    seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    hidden,
  };
}"""
TO_DO = {
    "/": "mosquitto_pub -h 127.0.0.1 -p",
    "/charts": "mosquitto_pub -h 127.0.0.1 -p",
    "/devices": "mosquitto_pub -h 127.0.0.1 -p",
    "/alerts": "To the rules",
    "/rules": "Press New rule",
    "/quarantine": "mend the profile, then replay it",
    "/sync": "add parent: {url, ca, token_file} to node.yaml",
    "/storage": "A device's first reading makes one.",
    "/traces": "telemetry.traces.sample in node.yaml says how many",
    "/settings": "How this browser shows things",
    "/settings/people": "people: true",
    "/alerts/quiet": "Plan them beforehand",
    "/alerts/channels": "Name channels in node.yaml",
}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    if not (STATIC / "index.html").exists():
        pytest.skip("the pages aren't built: make web")
    with desk(tmp_path_factory.mktemp("fresh"), "history: true\n") as one:
        yield one


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    if not (STATIC / "index.html").exists():
        pytest.skip("the pages aren't built: make web")
    with desk(tmp_path_factory.mktemp("busy"), "history: true\n") as one:
        one.tell([one.reading(f"press-{n}", 1) for n in range(3)] + [("plant/press-1/up", b"no JSON")])
        yield one


@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_every_page_of_a_fresh_node_says_what_to_do_next(fresh: Desk, size: str) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        for path, words in TO_DO.items():
            await page.goto(f"{fresh.page}{path}")
            await expect(page.get_by_text(words).first, path).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path

    look(fresh.page, at, size)


async def tab_round(page: Page, most: int = 70) -> list[dict[str, object]]:
    """Where Tab leads, until it comes back to the beginning."""
    found: list[dict[str, object]] = []
    for _ in range(most):
        await page.keyboard.press("Tab")
        one = await page.evaluate(FOCUSED)
        if one is None or (found and one["what"] == "A To the content"):
            break
        found.append(one)
    return found


def test_tab_reaches_everything_on_every_page_and_its_focus_is_seen(busy: Desk) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await page.wait_for_selector("main h1")
        names = await pages_of(page)
        for path in [*names, "/devices?node=gw&device=press-1", "/charts?series=gw/press-1/temperature"]:
            await page.goto(f"{busy.page}{path}")
            await page.wait_for_selector("main h1")
            await page.wait_for_timeout(300)
            way = await tab_round(page)
            assert len(way) > len(names), (path, way)
            bad = [one for one in way if not (one["ringed"] and one["seen"]) or one["hidden"]]
            assert not bad, (path, bad)

    look(busy.page, at)


def test_a_device_is_opened_and_described_without_a_mouse_and_focus_comes_back(busy: Desk) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await page.wait_for_selector("main h1")
        await page.keyboard.press("g")
        await page.keyboard.press("d")
        await page.get_by_role("link", name="press-1").wait_for()
        for _ in range(60):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.textContent.trim().startsWith('press-1')"):
                break
        await page.keyboard.press("Enter")
        button = page.get_by_role("button", name="Describe")
        await button.wait_for()
        await button.focus()
        await page.keyboard.press("Enter")
        box = page.get_by_role("dialog")
        await box.wait_for()
        for _ in range(12):
            await page.keyboard.press("Tab")
            inside = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
            assert await page.evaluate(inside), "Tab left the dialog"
        await page.keyboard.press("Escape")
        await expect(box).to_have_count(0)
        await expect(button).to_be_focused()

    look(busy.page, at)


def test_a_refused_message_is_opened_by_enter_and_a_question_mark_shows_the_keys(busy: Desk) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await page.goto(f"{busy.page}/quarantine")
        row = page.locator("tbody tr[tabindex]").first
        await row.focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile(r"id=\d+"))
        for path in ("/", "/alerts", "/rules"):
            await page.goto(f"{busy.page}{path}")
            await page.wait_for_selector("main h1")
            await page.keyboard.press("?")
            keys = page.get_by_role("dialog", name="Keys")
            await expect(keys).to_contain_text("Search on this page")
            assert await page.get_by_role("dialog").count() == 1
            await page.keyboard.press("Escape")
            await expect(keys).to_have_count(0)
        assert await watched.axe() == []

    look(busy.page, at)

"""The rules' page on a real node, in a real browser: written, checked, tried on the past, enabled, safe to look at."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from tests.system.pages.browser import Watched, opened
from tests.unit.node.ruled import Ruled, ruled

from holdfast.kernel.clock import SystemClock

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]
STATIC = Path(__file__).parents[3] / "src" / "holdfast" / "web" / "static" / "index.html"
if not STATIC.exists():
    pytest.skip("the pages aren't built: make web", allow_module_level=True)
MARKUP = """rules:
  marked:
    select: pressure as p   # <img src=x onerror=alert(1)>
    when: p > 9e9
    message: "<script>alert(1)</script> {device}"
"""
HIGH = """rules:
  high:
    select: pressure as p
    when: p > 5 'bar'
    clear_when: p < 4 'bar'
"""
LONG_MS = 150_000


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Ruled]:
    with ruled(tmp_path) as found:
        yield found


def pressure(second: int, bar: float) -> tuple[str, bytes]:
    return "plant/press-1", json.dumps({"ts": second, "p": bar}).encode()


def now() -> int:
    return SystemClock().wall_ns() // 10**9


def waves(node: Ruled, seconds: int = 1200) -> None:
    """Pressure that climbs from 3 to 8 bar every 100 s."""
    start = now() - seconds - 5
    node.send([pressure(start + i, 3 + (i % 100) / 20) for i in range(seconds)])


def look(
    node: Ruled, path: str, steps: Callable[[Watched], Awaitable[None]], size: str = "laptop", theme: str = "light"
) -> None:
    async def run() -> None:
        async with opened(size, theme) as watched:
            await watched.page.goto(f"http://127.0.0.1:{node.port}{path}")
            await steps(watched)
            assert await watched.axe() == []
            assert watched.errors == []

    asyncio.run(run())


async def write(page: Page, text: str) -> None:
    await page.get_by_role("textbox", name="The rule's text").fill(text)


def test_what_is_wrong_is_shown_at_its_line_while_it_is_typed_and_cannot_be_saved(node: Ruled) -> None:
    async def steps(watched: Watched) -> None:
        page = watched.page
        await write(page, HIGH.replace("    when:", "    wen:"))
        await expect(page.locator(".yaml-line.bad .yaml-number")).to_have_text("4")
        await expect(page.locator("#rule-problems")).to_contain_text("did you mean `when`?")
        await expect(page.get_by_role("button", name="Save switched off")).to_be_disabled()
        await page.get_by_role("button", name="line 4").click()
        chosen = await page.evaluate("document.activeElement.selectionStart")
        assert chosen == HIGH.index("when:")
        await write(page, HIGH)
        await expect(page.get_by_role("status").get_by_text("good")).to_be_visible()
        await expect(page.get_by_text("raised when p > 5 'bar'")).to_be_visible()
        await expect(page.get_by_role("button", name="Save switched off")).to_be_enabled()

    look(node, "/rules/new", steps)


def test_a_rule_is_tried_on_the_past_saved_enabled_and_fires_on_live_data(node: Ruled) -> None:
    waves(node)

    async def steps(watched: Watched) -> None:
        page = watched.page
        await write(page, HIGH)
        await page.get_by_role("button", name="1 hour").click()
        await page.get_by_role("button", name="Run").click(timeout=LONG_MS)
        await expect(page.get_by_text("12 alerts")).to_be_visible(timeout=LONG_MS)
        drawn = page.locator(".backtest canvas")
        await expect(drawn).to_have_count(1)
        size = await drawn.bounding_box()
        assert size is not None
        assert size["width"] > 300
        await expect(page.locator(".strip rect.warning")).to_have_count(12)
        await page.get_by_role("button", name="Save switched off").click()
        await expect(page.get_by_role("heading", name="high")).to_be_visible()
        await expect(page.locator(".badge", has_text=re.compile("^off$"))).to_be_visible()
        await page.get_by_role("button", name="Enable").click()
        await expect(page.locator(".badge", has_text="quiet")).to_be_visible()
        await asyncio.to_thread(node.send, [pressure(now(), 9.0)])
        await expect(page.get_by_role("link", name="gw/press-1")).to_be_visible(timeout=LONG_MS)
        await page.goto(f"http://127.0.0.1:{node.port}/rules?state=alerting")
        await expect(page.get_by_role("link", name="high")).to_be_visible()

    look(node, "/rules/new", steps)
    assert node.rows()["high"]["open"] == ["gw/press-1"]


def test_an_edit_is_compared_with_the_rule_at_work_and_taken_back(node: Ruled) -> None:
    node.put("rules/high", {"text": HIGH, "enabled": True, "by": "ann"})
    waves(node)

    async def steps(watched: Watched) -> None:
        page = watched.page
        await write(page, HIGH.replace("p > 5", "p > 9"))
        await expect(page.locator(".rule-changes ins")).to_have_text("p > 9 'bar'")
        await page.get_by_role("button", name="1 hour").click()
        await page.get_by_role("button", name="Run").click(timeout=LONG_MS)
        await expect(page.get_by_text("12 no more")).to_be_visible(timeout=LONG_MS)
        await expect(page.locator(".strip rect.old")).to_have_count(12)
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("raised when p > 9 'bar'").first).to_be_visible()
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_text("raised when p > 5 'bar'").first).to_be_visible()

    look(node, "/rules/high/edit", steps, theme="dark")
    assert node.get("rules/high")["text"] == HIGH


def test_an_operators_own_rule_is_switched_and_not_edited(node: Ruled) -> None:
    async def steps(watched: Watched) -> None:
        page = watched.page
        await expect(page.get_by_text("own.yaml, line 5")).to_be_visible()
        await expect(page.get_by_role("button", name="Edit")).to_have_count(0)
        await page.get_by_role("button", name="Switch off").click()
        await expect(page.get_by_role("button", name="Enable")).to_be_visible()
        await expect(page.get_by_role("region", name="Versions")).to_contain_text("switched off")

    look(node, "/rules/warm", steps)
    assert node.rows()["warm"]["state"] == "off"


def test_markup_in_a_rule_stays_text_wherever_it_is_shown(node: Ruled) -> None:
    async def steps(watched: Watched) -> None:
        page = watched.page
        await write(page, MARKUP)
        await expect(page.get_by_role("status").get_by_text("good")).to_be_visible()
        await page.get_by_role("button", name="Save and enable").click()
        await expect(page.get_by_role("heading", name="marked")).to_be_visible()
        await expect(page.locator("pre.yaml")).to_contain_text("<script>alert(1)</script>")
        await page.get_by_role("button", name="Text of version 1").click()
        await expect(page.get_by_role("dialog")).to_contain_text("<img src=x onerror=alert(1)>")
        assert await page.locator("main img, main script, dialog img, dialog script").count() == 0
        await page.get_by_role("button", name="Close").click()

    look(node, "/rules/new", steps)


@pytest.mark.parametrize(("size", "theme"), [("phone", "dark"), ("wall", "light")])
def test_the_page_fits_phones_and_walls(node: Ruled, size: str, theme: str) -> None:
    node.put("rules/high", {"text": HIGH, "enabled": True})

    async def steps(watched: Watched) -> None:
        page = watched.page
        for path in ("/rules", "/rules/high", "/rules/high/edit"):
            await page.goto(f"http://127.0.0.1:{node.port}{path}")
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            await page.wait_for_timeout(500)
            too_wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert too_wide <= 0, path

    look(node, "/rules", steps, size, theme)


def test_a_recipe_of_the_cookbook_is_a_beginning(node: Ruled) -> None:
    async def steps(watched: Watched) -> None:
        page = watched.page
        await page.get_by_label("Begin with a recipe").select_option("pump-dry")
        await expect(page.get_by_role("textbox", name="The rule's text")).to_have_value(re.compile("runs dry"))
        await expect(page.get_by_role("status").get_by_text("good")).to_be_visible()

    look(node, "/rules/new", steps)

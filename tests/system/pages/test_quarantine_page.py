"""The quarantine's page in Debian's Chromium, on a real node: look, understand, replay."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from tests.system.pages.browser import Watched
from tests.system.pages.desk import MARKUP, PROFILE, Desk, desk, look

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
SCRIPT = b'{"n":7,"t":"<script>window.hacked=1</script>"}'


MESSAGES = [
    ("plant/press-1/up", b'{"n":1,"v":21.5,"p":2}'),
    ("plant/press-1/up", b'{"n":2,"v":22.5,"p":2}'),
    ("plant/press-2/up", SCRIPT),
    ("plant/press-2/up", bytes(range(40))),
    (f"nobody/{MARKUP}", b"1"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """For looking only."""
    with desk(tmp_path_factory.mktemp("quarantine")) as one:
        one.tell(MESSAGES)
        yield one


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as one:
        one.tell(MESSAGES)
        yield one


def reasons(site: Desk) -> list[str]:
    found: Any = site.get("/api/v1/quarantine?limit=50")
    return [one["reason"] for one in found]


def mend(site: Desk) -> None:
    """The profile learns the vendor's other name of the field; a node takes profiles when it starts."""
    assert site.stop() == 0
    (site.folder / "press.yaml").write_text(PROFILE.replace("t: {metric: temperature", "v: {metric: temperature"))
    site.start()


def test_refused_messages_are_listed_filtered_and_the_address_keeps_the_filters(site: Desk) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await expect(page.get_by_role("row")).to_have_count(6)
        await page.get_by_label("Topic", exact=True).fill("plant/+/up")
        await expect(page.get_by_role("row")).to_have_count(5)
        await page.get_by_label("Reason").select_option("no_profile")
        await expect(page.get_by_text("No refused message fits the filters.")).to_be_visible()
        assert "reason=no_profile" in page.url
        await page.reload()
        await expect(page.get_by_text("No refused message fits the filters.")).to_be_visible()
        await page.get_by_role("button", name="Clear").click()
        await expect(page.get_by_role("row")).to_have_count(6)
        assert await watched.axe() == []

    look(f"{site.page}/quarantine", at)


@pytest.mark.parametrize(("size", "theme"), [("phone", "light"), ("laptop", "dark"), ("wall", "light")])
def test_the_page_is_accessible_and_never_wider_than_the_screen(site: Desk, size: str, theme: str) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await expect(page.get_by_role("heading", name="Message 3")).to_be_visible()
        await expect(page.get_by_label("The message's payload")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await watched.axe() == []

    look(f"{site.page}/quarantine?id=3", at, size, theme)


def test_bytes_are_shown_as_they_are_and_markup_as_text(site: Desk) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        payload = page.get_by_label("The message's payload")
        await expect(payload).to_contain_text("<script>window.hacked=1</script>")
        await page.get_by_role("button", name="Text").click()
        await expect(payload).to_have_text(SCRIPT.decode())
        await page.get_by_role("button", name="Hex").click()
        await expect(payload).to_contain_text(
            '000000  7b 22 6e 22 3a 37 2c 22 74 22 3a 22 3c 73 63 72  {"n":7,"t":"<scr'
        )
        await page.get_by_role("button", name="Close this message").click()
        await page.get_by_role("row").filter(has_text=MARKUP).click()
        await expect(page.get_by_role("heading", name="Message 5")).to_be_visible()
        await expect(page.get_by_text(f"nobody/{MARKUP}").first).to_be_visible()
        await page.goto(f"{site.page}/quarantine?id=4")
        await expect(payload).to_contain_text("000010  10 11 12 13")
        await expect(page.get_by_role("button", name="Text")).to_have_count(1)

    look(f"{site.page}/quarantine?id=3", at)


def test_one_message_is_replayed_after_its_profile_was_mended(fresh: Desk) -> None:
    async def before(watched: Watched) -> None:
        page = watched.page
        await expect(page.get_by_text("Today's profiles refuse it, too")).to_be_visible()
        await page.get_by_role("button", name="Replay this message").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_text("Nothing would change")).to_be_visible()
        await expect(dialog.get_by_role("button", name="Replay now")).to_be_disabled()

    async def after(watched: Watched) -> None:
        page = watched.page
        await expect(page.get_by_text("Today's profiles take it: 2 readings")).to_be_visible()
        await expect(page.get_by_role("cell", name="21.5 °C")).to_be_visible()
        await page.get_by_role("button", name="Replay this message").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_text("1 message would become 2 readings")).to_be_visible()
        assert len(reasons(fresh)) == 5  # only told so far
        await dialog.get_by_role("button", name="Replay now").click()
        await expect(dialog.get_by_text("1 message became 2 readings")).to_be_visible()
        await dialog.get_by_role("button", name="Close").last.click()
        await expect(page.get_by_role("row")).to_have_count(5)

    look(f"{fresh.page}/quarantine?id=1", before)
    mend(fresh)
    look(f"{fresh.page}/quarantine?id=1", after)
    assert len(reasons(fresh)) == 4


def test_what_the_filters_choose_is_replayed_together_and_what_stays_is_said(fresh: Desk) -> None:
    mend(fresh)

    async def at(watched: Watched) -> None:
        page = watched.page
        await page.get_by_role("button", name="Replay these").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("All messages of plant/+/up")
        await expect(dialog).to_contain_text("2 messages would become 4 readings")
        await dialog.get_by_role("button", name="Replay now").click()
        await expect(dialog).to_contain_text("2 messages became 4 readings")
        await expect(dialog).to_contain_text("stay refused")
        await dialog.get_by_role("button", name="Close").last.click()
        await expect(page.get_by_role("row")).to_have_count(3)

    look(f"{fresh.page}/quarantine?topic=plant/%2B/up", at)
    assert len(reasons(fresh)) == 3
    assert "no_profile" in reasons(fresh)

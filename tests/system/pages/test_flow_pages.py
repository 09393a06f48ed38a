"""The pages Sync and Storage in Debian's Chromium, on a gateway whose link is cut and restored while they're open."""

import asyncio
from collections.abc import Iterator

import pytest
from playwright.async_api import expect
from tests.system.chain import Chain, chain
from tests.system.pages.browser import SIZES, opened

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """gw below region below hub; gw keeps files and backups."""
    made = chain(tmp_path_factory.mktemp("flow"))
    try:
        (made.folder / "copies").mkdir()
        made.configure(more="history: {every: 2s, rows: 100}\nbackup: {folder: copies, every: 1h}\n")
        made.bring_up(["hub", "region", "gw"])
        made.publish(100, days_ago=1)
        made.publish(40)
        made.until("region", list(range(1, 141)))
        yield made
    finally:
        made.stop()


def test_the_outage_is_seen_on_the_page_while_it_lasts_and_no_longer(nodes: Chain) -> None:
    async def scene() -> list[str]:
        async with opened() as watched:
            page = watched.page
            await page.goto(f"http://127.0.0.1:{nodes.gateway_api}/sync")
            waits = page.get_by_role("region", name="Lanes").get_by_role("row", name="Bulk").get_by_role("cell").nth(1)
            await expect(waits).to_have_text("0", timeout=PATIENCE_MS)
            await expect(page.get_by_text("Calls go through.")).to_be_visible()
            await asyncio.to_thread(nodes.cable.cut)
            await asyncio.to_thread(nodes.publish, 20)
            await expect(page.get_by_text("Nothing is lost: rows wait")).to_be_visible(timeout=PATIENCE_MS)
            await expect(waits).to_have_text("100", timeout=PATIENCE_MS)
            await asyncio.to_thread(nodes.cable.restore)
            await expect(waits).to_have_text("0", timeout=PATIENCE_MS)
            await expect(page.get_by_text("Nothing is lost: rows wait")).to_be_hidden(timeout=PATIENCE_MS)
            return watched.errors

    assert asyncio.run(scene()) == []


def test_a_parents_page_tells_of_its_children(nodes: Chain) -> None:
    async def scene() -> None:
        async with opened() as watched:
            await watched.page.goto(f"https://127.0.0.1:{nodes.region}/sync")
            row = watched.page.get_by_role("region", name="Children").get_by_role("row", name="gw")
            await expect(row).to_contain_text("balanced", timeout=PATIENCE_MS)
            await expect(row).not_to_contain_text("not since the start")

    asyncio.run(scene())


def test_storage_shows_the_tiers_and_a_ledger_that_balances(nodes: Chain) -> None:
    async def scene() -> None:
        async with opened() as watched:
            page = watched.page
            await page.goto(f"http://127.0.0.1:{nodes.gateway_api}/storage")
            await expect(page.get_by_text("Balanced", exact=True)).to_be_visible(timeout=PATIENCE_MS)
            await expect(page.get_by_role("heading", name="Warm: files on this disk")).to_be_visible()
            await expect(page.get_by_text("readings in", exact=False).first).to_be_visible(timeout=PATIENCE_MS)
            await expect(page.get_by_role("img", name="used, level green")).to_be_visible()
            await expect(page.get_by_text("every 60 min; 1 file")).to_be_visible()

    asyncio.run(scene())


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_both_pages_fit_every_screen_and_axe_finds_nothing(nodes: Chain, size: str, theme: str) -> None:
    async def scene() -> None:
        async with opened(size, theme) as watched:
            for name, shown in (("sync", "The link"), ("storage", "Tiers")):
                await watched.page.goto(f"http://127.0.0.1:{nodes.gateway_api}/{name}")
                await expect(watched.page.get_by_role("heading", name=shown).first).to_be_visible(timeout=PATIENCE_MS)
                wide = await watched.page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, (name, wide)
                assert await watched.axe() == []
            assert watched.errors == []

    asyncio.run(scene())

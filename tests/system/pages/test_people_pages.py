"""Logging in, what a role sees, and a wall screen, in a real browser at a real node."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from tests.ports import free_port
from tests.system.foreign.site import NodeProcess, listens
from tests.system.pages.browser import CHROMIUM, Watched, opened
from tests.waiting import wait_until

from holdfast.identity.people.book import BookFile
from holdfast.identity.people.roles import Role

STATIC = Path(__file__).parents[3] / "src" / "holdfast" / "web" / "static" / "index.html"
pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
    pytest.mark.skipif(not STATIC.exists(), reason="needs the pages: make web"),
]
PASSWORD = "correct horse"  # noqa: S105  # of a node that lives for seconds
EXPECTED = ("status of 400", "status of 401", "status of 403")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("people"), free_port()
    node = NodeProcess(folder, f'api: {{listen: "127.0.0.1:{port}"}}\npeople: true\n')
    (folder / "data").mkdir()
    for name, role in (("vera", Role.VIEWER), ("ada", Role.ADMIN)):
        BookFile(folder / "data" / "people.json").change(lambda book: book.add(name, role, PASSWORD, 1))  # noqa: B023  # now
    node.start()
    try:
        wait_until(lambda: listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        node.kill()


async def log_in(page: Page, base: str, name: str, password: str = PASSWORD, to: str = "/settings") -> None:
    await page.goto(f"{base}{to}")
    await page.fill("input[name=username]", name)
    await page.fill("input[name=password]", password)
    await page.press("input[name=password]", "Enter")


async def is_clean(watched: Watched) -> None:
    assert await watched.axe() == []
    assert [one for one in watched.errors if not any(status in one for status in EXPECTED)] == []


@pytest.mark.parametrize(("size", "theme"), [("phone", "dark"), ("laptop", "light")])
def test_somebody_logs_in_adds_somebody_and_logs_out(base: str, size: str, theme: str) -> None:
    async def run() -> None:
        async with opened(size, theme) as watched:
            page = watched.page
            await log_in(page, base, "ada", "wrong horse", to="/settings/people")
            await page.wait_for_selector("text=name and password don't fit")
            await is_clean(watched)
            await log_in(page, base, "ada", to="/settings/people")
            await page.wait_for_selector("select[aria-label='Role of vera']")
            assert page.url == f"{base}/settings/people", "where they wanted to go"
            await is_clean(watched)
            await page.click("text=Add")
            await page.fill("dialog input:not([type=password])", f"<b>nina {size}</b>")
            await page.fill("dialog input[type=password]", "battery staple")
            await page.click("dialog >> text=Operator")
            await page.click("dialog footer button")
            await page.wait_for_selector("text=a name has 1 to 60 printable characters")
            await page.fill("dialog input:not([type=password])", f"<b>nina {size}")
            await page.click("dialog footer button")
            await page.wait_for_selector(f"strong >> text=<b>nina {size}")
            await page.click(f"[aria-label='Remove <b>nina {size}']")
            await page.click("dialog footer .danger")
            await page.wait_for_selector(f"[aria-label='Remove <b>nina {size}']", state="detached")
            await page.goto(f"{base}/settings/audit")
            await page.click("text=Check the chain")
            await page.wait_for_selector("text=whole")
            await expect(page.locator(f"td >> text=people: remove <b>nina {size}")).to_have_count(1)
            await page.wait_for_selector("td >> text=login")
            await page.select_option("[aria-label=Kind]", "people")
            await page.select_option("[aria-label=Since]", "-1h")
            await page.wait_for_selector("td >> text=login", state="detached")
            await expect(page.locator(f"td >> text=people: remove <b>nina {size}")).to_have_count(1)
            await is_clean(watched)
            if size == "phone":
                await page.click("text=More")
            await page.click("details.user summary")
            await page.click("text=Log out")
            await page.wait_for_url(f"{base}/login")
            await page.goto(f"{base}/settings/people")
            await page.wait_for_selector("form[aria-label='Log in']")

    asyncio.run(run())


def test_a_viewer_is_shown_neither_people_nor_audit(base: str) -> None:
    async def run() -> None:
        async with opened() as watched:
            await log_in(watched.page, base, "vera")
            await watched.page.wait_for_selector("text=How this browser shows things")
            assert await watched.page.locator(".tabs a").all_inner_texts() == ["This browser", "Your password"]
            await watched.page.select_option("select", "Asia/Tokyo")
            await watched.page.click("text=US customary")
            await watched.page.wait_for_selector("text=A room at 21.5 °C is shown as 70.7 °F.")
            await is_clean(watched)

    asyncio.run(run())


def test_a_login_leads_to_no_other_site(base: str) -> None:
    async def run() -> None:
        async with opened() as watched:
            for to in ("//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"):
                await watched.page.context.clear_cookies()
                await log_in(watched.page, base, "vera", to=f"/login?to={to}")
                await watched.page.wait_for_selector(".frame")
                assert watched.page.url == f"{base}/"

    asyncio.run(run())


def test_a_wall_screen_shows_and_forgets_its_secret_and_goes_dark_when_revoked(base: str) -> None:
    async def run() -> None:
        async with opened("laptop") as office, opened("wall", "dark") as hall:
            await log_in(office.page, base, "ada", to="/settings/people")
            await office.page.click("text=New link")
            await office.page.fill("dialog input", "hall")
            await office.page.click("dialog footer button")
            link = await office.page.input_value("dialog textarea")
            assert link.startswith(f"{base}/kiosk#hf1.")
            await office.page.keyboard.press("Escape")
            await hall.page.goto(link)
            await hall.page.wait_for_selector(".kiosk .stat")
            assert hall.page.url == f"{base}/kiosk"
            await is_clean(hall)
            await hall.page.reload()
            await hall.page.wait_for_selector(".kiosk .stat")
            await office.page.click("[aria-label='Revoke hall']")
            await office.page.click("dialog footer .danger")
            await hall.page.wait_for_selector("text=This screen's link is over or was revoked.", timeout=30_000)

    asyncio.run(run())

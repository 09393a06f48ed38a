"""The page Models in a real browser: what it shows, what an act says before it's done, refusals, markup, sizes."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.system.pages.browser import Watched
from tests.system.pages.desk import look
from tests.system.pages.scoring import Scoring, scoring
from tests.unit.web.modelled import HOSTILE

from holdfast.inference.lifecycle.states import Command

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
STATIC = Path(__file__).parents[3] / "src" / "holdfast" / "web" / "static" / "index.html"
if not STATIC.exists():
    pytest.skip("the pages aren't built: make web", allow_module_level=True)
TABS = ("", "/versions", "/drift", "/labels", "/about")
PARTS = ("", "/pump", "/occupancy/versions", "/occupancy/drift", "/pump/labels", "/pump/about")
CONFLICT = "409 (Conflict)"
"""Browsers note a refusal in their console."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scoring]:
    with scoring(tmp_path_factory.mktemp("scoring")) as found:
        found.score()
        yield found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Scoring]:
    """One whose versions a test may move."""
    with scoring(tmp_path) as found:
        yield found


def test_the_list_says_how_each_model_does_and_keys_lead_into_one(site: Scoring) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        rows = page.get_by_role("region", name="Models at work").get_by_role("row")
        await expect(rows).to_have_count(4)
        bearing, rooms, pump = (rows.nth(i) for i in (1, 2, 3))
        await expect(bearing).to_contain_text("pressed")
        await expect(bearing.get_by_role("img")).to_have_attribute(
            "aria-label", "99 of 100 within 118 ms, half within 71 ms, of a budget of 100 ms"
        )
        await expect(rooms).to_contain_text("drifting")
        await expect(rooms).to_contain_text("1.1.0 at 10 %")
        await expect(pump).to_contain_text("2.0.0 in shadow")
        await expect(page.get_by_text("22.0 MB of 100.0 MB")).to_be_visible()
        await page.get_by_role("link", name="pump", exact=True).focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="pump", level=1)).to_be_visible()
        await page.keyboard.press("3")
        await expect(page.get_by_text("What is watched")).to_be_visible()
        await page.keyboard.press("u")
        await expect(rows).to_have_count(4)
        await page.keyboard.press("g")
        await page.keyboard.press("m")
        assert page.url.endswith("/models")

    look(f"{site.page}/models", at)


def test_what_it_says_is_drawn_of_the_device_with_an_open_alert_and_moves_on(site: Scoring) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await expect(page.get_by_role("combobox", name="Device")).to_have_value("gw/pump-3")
        await expect(page.get_by_role("img", name="ml.pump.score of gw/pump-3 over the last 1h")).to_be_visible()
        await expect(page.get_by_text("threshold 1", exact=True)).to_be_visible()
        await expect(page.get_by_text("while an alert was open")).to_be_visible()
        await expect(page.get_by_role("img", name="p50 and p99 of pump, budget 50 ms")).to_be_visible()
        results = page.get_by_role("region", name="Newest results").get_by_role("row")
        await page.get_by_role("button", name="By fallback").click()
        await expect(results).to_have_count(1 + 3)
        await expect(results.nth(1)).to_contain_text("its last result")
        await page.get_by_role("combobox", name="Device").select_option("gw/pump-9")
        await expect(page.get_by_text("There are no scores of this time.")).to_be_visible()
        site.send([("pump-9", int(time.time()) - 1, 0.4)])  # as a device would
        await expect(page.get_by_role("img", name="ml.pump.score of gw/pump-9")).to_be_visible(timeout=15_000)
        assert "device=gw%2Fpump-9" in page.url

    look(f"{site.page}/models/pump", at)


def test_an_act_says_what_will_happen_and_moves_the_version(fresh: Scoring) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await page.get_by_role("button", name="Canary: pump-anomaly@2.0.0").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("answers for about 13 of 128 devices")
        await expect(dialog).to_contain_text("In comparison: better.")
        share = dialog.get_by_label("Share of the devices, in percent")
        await share.fill("0")
        await expect(dialog.get_by_role("button", name="Canary")).to_be_disabled()
        await share.fill("50")
        await expect(dialog).to_contain_text("answers for about 64 of 128 devices")
        await dialog.get_by_label("Why").fill("two good days")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("pump-anomaly@2.0.0 is a canary.")).to_be_visible()
        canary = page.locator(".life > li.canary")
        await expect(canary).to_contain_text("2.0.0")
        await expect(canary).to_contain_text("50 %")
        await expect(page.get_by_role("region", name="History")).to_contain_text("two good days")
        await page.get_by_role("button", name="Roll back").click()
        await expect(dialog).to_contain_text("pump-anomaly@2.0.0 answers for no device any more")
        await dialog.get_by_role("button", name="Roll back").click()
        await expect(canary.get_by_role("article")).to_have_count(0)
        await page.get_by_role("button", name="Roll back").click()
        await expect(dialog).to_contain_text("pump-anomaly@0.9.0 becomes active again, and pump-anomaly@1.0.0 retires")
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)

    look(f"{fresh.page}/models/pump/versions", at)
    wishes = [wish for _, wish in fresh.desk.asked]
    by = "this machine"
    assert wishes == [
        Command("canary", "pump-anomaly@2.0.0", 50.0, by, "two good days"),
        Command("rollback", by=by),
    ]


def test_a_version_that_never_ran_beside_asks_to_be_forced_and_a_refusal_is_told(fresh: Scoring) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        dialog = page.get_by_role("dialog")
        await page.get_by_role("button", name="Promote: pump-anomaly@2.1.0").click()
        await expect(dialog.get_by_role("button", name="Promote")).to_be_disabled()
        await dialog.get_by_role("checkbox", name="it never ran in shadow").check()
        await dialog.get_by_role("button", name="Promote").click()
        await expect(page.locator(".life > li.active")).to_contain_text("2.1.0")
        await page.get_by_role("button", name="Load a version").click()
        await dialog.get_by_label("Model").fill("pump-anomaly@2.0.0")
        await dialog.get_by_role("button", name="Load").click()
        await expect(page.locator(".toast.bad")).to_contain_text(re.compile("pump-anomaly@2.0.0 is .*shadow"))
        await dialog.get_by_label("Model").fill("pump-anomaly@3.0.0")
        await dialog.get_by_role("button", name="Load").click()
        await expect(page.locator(".life > li.candidate")).to_contain_text("3.0.0")
        watched.errors[:] = [one for one in watched.errors if CONFLICT not in one]

    look(f"{fresh.page}/models/pump/versions", at, theme="dark")


def test_drift_shows_what_has_moved_and_labels_what_people_know(fresh: Scoring) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await expect(page.get_by_text("co2 has moved: PSI over 24 h is 1.99").first).to_be_visible()
        await page.get_by_role("link", name="See what has moved").click()
        await expect(
            page.get_by_role("img", name="co2, shares of rows as usual and now: below 450: 14 %")
        ).to_be_visible()
        await expect(page.get_by_role("img", name="PSI of co2, limit 0.2")).to_be_visible()
        await page.get_by_role("region", name="What is watched").get_by_role("row").nth(4).focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("img", name="humidity, shares of rows")).to_be_visible()
        await page.get_by_role("button", name="Learn anew").click()
        await expect(page.get_by_role("dialog")).to_contain_text("Nothing is alarmed until that is learnt.")
        await page.get_by_role("dialog").get_by_role("button", name="Learn anew").click()
        await expect(page.get_by_text("It learns anew.")).to_be_visible()
        await page.get_by_role("link", name="Labels").click()
        await expect(page.get_by_text("Nobody has said anything yet.")).to_be_visible()
        await page.get_by_role("button", name="Say what was").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Device").select_option("gw/room-03")
        await dialog.get_by_label("It was").select_option("occupied")
        await dialog.get_by_label("From").fill("2026-01-02T03:04:05")
        await dialog.get_by_label("To").fill("2026-01-02T03:00:00")
        await expect(dialog.get_by_role("button", name="Keep it")).to_be_disabled()
        await dialog.get_by_label("To").fill("2026-01-02T05:04:05")
        await dialog.get_by_role("button", name="Keep it").click()
        await expect(page.get_by_role("region", name="Labels").get_by_role("row").nth(1)).to_contain_text("room-03")

    look(f"{fresh.page}/models/occupancy", at)
    assert fresh.desk.asked == [("occupancy", "relearn")]


def test_a_model_that_isnt_on_the_node_is_waited_for_with_the_reason(fresh: Scoring) -> None:
    why = "aaaaaaaaaaaa… isn't here, and this node has no parent"
    fresh.desk.wait("pump", why)

    async def at(watched: Watched) -> None:
        page = watched.page
        pump = page.get_by_role("region", name="Models at work").get_by_role("row").nth(3)
        await expect(pump).to_contain_text("waiting")
        await expect(pump).not_to_contain_text("steady")
        await page.get_by_role("link", name="pump", exact=True).click()
        await expect(page.get_by_text("on this node yet.")).to_be_visible()
        await expect(page.get_by_text(f"{why}.")).to_be_visible()
        assert await watched.axe() == []

    look(f"{fresh.page}/models", at)


def test_the_overview_says_how_models_are_the_worst_first(fresh: Scoring) -> None:
    fresh.desk.wait("pump", "it comes")

    async def at(watched: Watched) -> None:
        models = watched.page.locator("section.card", has=watched.page.get_by_role("heading", name="Models"))
        lines = models.get_by_role("listitem")
        await expect(lines).to_have_count(3)
        await expect(lines.nth(0)).to_contain_text("pressed")
        await expect(lines.nth(1)).to_contain_text("it comes")
        await expect(lines.nth(2)).to_contain_text("co2 has moved")
        await lines.nth(0).get_by_role("link", name="bearing").click()
        await expect(watched.page.get_by_role("heading", name="bearing", level=1)).to_be_visible()

    look(f"{fresh.page}/", at)


def test_labels_are_counted_by_what_they_are_of_and_what_still_learns_isnt_called_steady(site: Scoring) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        counts = {"Confirmed": "37", "Rejected": "4", "Said of a time": "0", "Results judged by them": "412"}
        for title, value in counts.items():
            tile = page.locator("section.stat", has=page.get_by_role("heading", name=title))
            await expect(tile.locator("strong")).to_have_text(value)
        await page.get_by_role("link", name="All models").click()
        bearing = page.get_by_role("region", name="Models at work").get_by_role("row").nth(1)
        await expect(bearing).to_contain_text("learning")

    look(f"{site.page}/models/pump/labels", at)


def test_what_an_alert_was_about_is_labelled_with_its_device_and_time(fresh: Scoring) -> None:
    begin = 1_767_322_805 * 10**9  # 2026-01-02 03:00:05 UTC

    async def at(watched: Watched) -> None:
        page = watched.page
        dialog = page.get_by_role("dialog", name="What was it?")
        await expect(dialog.get_by_label("Device")).to_have_value("gw\npump-7")
        await expect(dialog.get_by_label("From")).to_have_value("2026-01-02T04:00:05")
        await expect(dialog.get_by_label("To")).to_have_value("2026-01-02T04:10:05")
        await dialog.get_by_label("It was").select_option("normal")
        await dialog.get_by_role("button", name="Keep it").click()
        row = page.get_by_role("region", name="Labels").get_by_role("row").nth(1)
        await expect(row).to_contain_text("pump-7")
        await expect(row).to_contain_text("10 min")
        assert page.url.endswith("/models/pump/labels")

    query = f"device=gw%2Fpump-7&from={begin}&to={begin + 600 * 10**9}"
    look(f"{fresh.page}/models/pump/labels?{query}", at, zone="Europe/Berlin")


def test_markup_in_models_labels_and_words_comes_out_as_text(tmp_path: Path) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        for tab in TABS:
            await page.goto(f"{hostile.page}/models/pump{tab}")
            await expect(page.get_by_text(HOSTILE).first).to_be_visible()
            await expect(page.locator("main img")).to_have_count(0)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
        await page.goto(f"{hostile.page}/models")
        await expect(page.get_by_role("region", name="Models at work").get_by_role("row")).to_have_count(4)

    with scoring(tmp_path, hostile=True) as hostile:
        look(f"{hostile.page}/models", at, size="phone")


def test_a_node_without_models_says_how_to_put_one_to_work(tmp_path: Path) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        await expect(page.get_by_text("No model is at work here.")).to_be_visible()
        await expect(page.get_by_label("Example for node.yaml")).to_contain_text("model: builtin:pump-anomaly")
        await page.goto(f"{bare.page}/models/pump")
        await expect(page.get_by_text("No model is deployed as pump.")).to_be_visible()
        await page.get_by_role("link", name="To all models").click()
        await expect(page.get_by_text("No model is at work here.")).to_be_visible()
        assert await watched.axe() == []
        watched.errors[:] = [one for one in watched.errors if "404 (Not Found)" not in one]

    with scoring(tmp_path, models=False) as bare:
        look(f"{bare.page}/models", at)


@pytest.mark.parametrize(("size", "theme"), [("phone", "dark"), ("laptop", "light"), ("wall", "dark")])
def test_every_part_is_accessible_and_fits_the_screen(site: Scoring, size: str, theme: str) -> None:
    async def at(watched: Watched) -> None:
        page = watched.page
        for path in PARTS:
            await page.goto(f"{site.page}/models{path}")
            await page.locator("main .card").nth(4).wait_for()
            await page.wait_for_timeout(100)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert await watched.axe() == [], path

    look(f"{site.page}/models", at, size, theme)

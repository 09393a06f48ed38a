"""What a site said of itself, and its steps of a trace, are known at the hub after an outage, a kill, and its end."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import expect
from tests.system.fleet_of_sites import Fleet
from tests.system.pages.browser import opened
from tests.waiting import wait_until

from holdfast.telemetry.spans import trace_id

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
SENDS = "telemetry: {log: {send: info}, traces: {send: true, sample: 1}}\n"
SERIES = "york/press-1/air.temperature"
Line = dict[str, Any]


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(
        tmp_path_factory.mktemp("fleet"),
        more_of={"york": SENDS, "leeds": SENDS},
        more_hub="telemetry: {traces: {sample: 1}}\n",
    )
    made.prepare()
    try:
        made.bring_up(["hub", "leeds", "york"])
        yield made
    finally:
        made.stop()


def lines(works: Fleet, at: str, **params: str) -> list[Line]:
    answer = works.get("logs", at=at, level="info", limit="5000", **params)
    found: list[Line] = answer.json()["lines"] if answer.status_code == 200 else []
    return found


def sent(works: Fleet) -> int:
    """How many lines york has made rows of since its start."""
    text = works.client.get(f"http://127.0.0.1:{works.ports['york'][1]}/metrics").text
    return int(float(text.split('holdfast_reports_sent_total{kind="logs"} ')[1].split()[0]))


def test_what_a_site_said_and_did_in_an_outage_is_known_at_the_hub_when_the_site_is_gone(works: Fleet) -> None:
    lines_come_once_and_in_order_over_an_outage_and_a_kill(works)
    works_without_the_site(works)


def lines_come_once_and_in_order_over_an_outage_and_a_kill(works: Fleet) -> None:
    works.cut("york")
    works.send("york", "press-1", 21.5)
    wait_until(lambda: sum(one["level"] == "WARNING" for one in lines(works, "york")) >= 2)
    said = lines(works, "york")
    assert {"NodeStarted", "UplinkLost"} <= {one["name"] for one in said}
    wait_until(lambda: sent(works) >= len(said))
    works.kill("york")
    works.bring_up(["york"])
    works.cables["york"].restore()
    wait_until(lambda: [one["name"] for one in lines(works, "hub", node="york")].count("NodeStarted") == 2)
    known = lines(works, "hub", node="york")
    assert known[: len(said)] == said
    assert len({(one["ts_ns"], one["n"]) for one in known}) == len(known)
    assert [one["ts_ns"] for one in known] == sorted(one["ts_ns"] for one in known)
    works.processes["york"].terminate()
    works.processes["york"].wait(20)
    assert "NodeStopping" in {one["name"] for one in lines(works, "hub", node="york")}
    works.bring_up(["york"])
    for name in ("hub", "york"):
        assert works.get("ledger", at=name).json()["balanced"]


def works_without_the_site(works: Fleet) -> None:
    column = works.get("query", series=SERIES, **{"from": "-1h"}).json()["series"][0]
    trace = trace_id(SERIES, column["ts"][0])
    wait_until(lambda: any(row["id"] == trace for row in works.get("traces", node="york").json().get("traces", [])))
    wait_until(lambda: ("york", "uplink") in steps(works, trace))
    works.kill("york")
    wait_until(lambda: works.get("sites/york/api/logs").status_code == 503)
    command = [sys.executable, "-m", "holdfast", "trace", "hub.yaml", trace]
    said = subprocess.run(command, cwd=works.folder, capture_output=True, text=True, timeout=30, check=True).stdout
    shown = [tuple(line.split()[:2]) for line in said.splitlines() if line.startswith(("york", "hub"))]
    assert [step for node, step in shown if node == "york"] == [
        "reading", "device", "receive", "decode", "decide", "commit", "ack", "uplink",
    ]  # fmt: skip
    assert [step for node, step in shown if node == "hub"] == ["ingest", "apply"]
    away = works.get("sites/york/api/logs", level="warning")
    assert away.headers["holdfast-site"] == "held"
    assert "UplinkLost" in {one["name"] for one in away.json()["held"]["lines"]}


def steps(works: Fleet, trace: str) -> list[tuple[str, str]]:
    answer = works.get(f"traces/{trace}", below="true")
    return [(one["node"], one["name"]) for one in answer.json().get("spans", [])]


def test_where_something_must_stay_lines_leave_without_words_that_could_be_about_it(works: Fleet) -> None:
    works.send("leeds", "secret-1", 99.5)
    wait_until(lambda: any("secret-1" in str(one["fields"]) for one in lines(works, "leeds")))
    about_it = next(one for one in lines(works, "leeds") if "secret-1" in str(one["fields"]))
    wait_until(lambda: about_it["n"] in {one["n"] for one in lines(works, "hub", node="leeds")})
    known = lines(works, "hub", node="leeds")
    assert about_it["name"] in {one["name"] for one in known}
    assert all(isinstance(value, bool) or value.isalpha() for one in known for value in one["fields"].values())
    assert "secret-1" not in works.get("query", series="leeds/*", **{"from": "-1h"}).text


def test_a_node_whose_log_never_came_is_named(works: Fleet) -> None:
    answer = works.get("logs", node="nowhere")
    assert answer.status_code == 404
    assert "telemetry.log.send" in answer.json()["hint"]
    assert works.get("logs", node="leeds", after="3").status_code == 400


def test_the_rows_are_not_traced_themselves_and_make_no_device_of_their_node(works: Fleet) -> None:
    works.send("leeds", "open-1", 20)
    wait_until(lambda: bool(works.get("traces").json()["traces"]))
    assert not [row for row in works.get("devices", at="leeds").json()["devices"] if row["name"] == "node"]
    found: list[str] = [row["what"] for row in works.get("traces", limit="500").json()["traces"]]
    assert found
    assert not [what for what in found if "/node.log" in what or "/node.traces" in what]


def test_the_hubs_page_shows_the_log_of_the_site_that_is_chosen(works: Fleet) -> None:
    wait_until(lambda: any(one["name"] == "NodeStarted" for one in lines(works, "hub", node="leeds")))

    async def at() -> None:
        async with opened("phone") as watched:
            page = watched.page
            await page.goto(f"https://127.0.0.1:{works.hub}/logs")
            await page.get_by_label("Of which node").select_option("leeds")
            await expect(page.get_by_text("What leeds said of itself")).to_be_visible()
            await expect(page.get_by_role("button", name="NodeStarted")).to_have_count(1)
            await page.get_by_role("button", name="NodeStarted").click()
            await expect(page.get_by_role("dialog")).not_to_contain_text("incarnation")
            await page.goto(f"https://127.0.0.1:{works.hub}/traces?node=nowhere")
            await expect(page.get_by_text("nothing of that kind came here from 'nowhere'")).to_be_visible()
            assert [error for error in watched.errors if "404" not in error] == []

    asyncio.run(at())

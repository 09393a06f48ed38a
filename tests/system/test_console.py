"""A hub's sites: the list, looks at a site's own pages, a site that is cut off, and what must stay there."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tests.system.fleet_of_sites import Fleet, fleet

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
LOOKS = [
    "status",
    "ledger",
    "clock",
    "history",
    "series",
    "last",
    "devices",
    "alerts?state=all",
    "rules",
    "rules/overheat",
    "alerts/1",
    "alerts/1/timeline",
    "silences?all=true",
    "maintenance",
    "logs?level=info",
    "traces",
    "adapters",
    "quarantine",
    "logs",
    "alert-labels",
    "events",
    "channels",
    "residency",
    "sites",
    "devices/secret-1",
    "devices/open-1",
    "query?series=*&from=-1h",
    "query?series=secret-1/*&from=-1h",
    "last?match=secret-*/*",
    "series?match=*&device=secret-1",
    "query?series=*&from=-1h&step=1h",
    "last?as_of=now",
]


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder: Path = tmp_path_factory.mktemp("fleet")
    made = fleet(folder)
    yield made
    made.stop()


def test_the_list_says_where_each_site_is_and_how_it_is(works: Fleet) -> None:
    works.send("york", "press-1", 20)
    works.until(lambda: works.site("york")["devices"].get("online", 0) >= 1)
    found = works.get("sites").json()
    assert [one["node"] for one in found["sites"]] == ["leeds", "york"]
    assert found["here"]["site"] == "Head office"
    leeds = found["sites"][0]
    assert (leeds["site"], leeds["latitude"], leeds["longitude"]) == ("Works Leeds", 53.8, -1.55)
    assert (leeds["zone"], leeds["note"], leeds["state"]) == ("Europe/London", "gate 2", "online")
    assert leeds["level"] == "green"
    assert [lag["lane"] for lag in leeds["lag"]] == [0, 1, 2]


def test_a_look_is_what_the_site_itself_says_at_this_moment(works: Fleet) -> None:
    works.send("york", "press-2", 21.5, 1)
    works.until(lambda: len(works.look("york", "devices", match="press-2")["devices"]) == 1)
    for path in ("status", "series", "rules", "quarantine", "ledger", "clock"):
        theirs, through = works.get(path, at="york").json(), works.look("york", path)
        assert set(theirs) == set(through) if isinstance(theirs, dict) else type(theirs) is type(through)
    assert works.look("york", "status")["node"] == "york"
    points = works.look("york", "query", series="press-2/air.temperature", **{"from": "-10m"})
    assert points["series"][0]["value"] == [21.5]
    assert works.look("york", "rules")["rules"][0]["rule"] == "overheat"


def test_open_alerts_of_a_site_are_counted_at_the_hub_by_severity(works: Fleet) -> None:
    works.send("york", "oven-1", 80, 2)
    works.until(lambda: works.site("york")["alerts"].get("critical", 0) >= 1)
    alert = works.look("york", "alerts")[0]
    assert alert["device"] == "oven-1"
    assert works.look("york", f"alerts/{alert['id']}/timeline")[0]["kind"] == "raised"


def looks(works: Fleet) -> float:
    """How many times the hub has looked at sites."""
    text = works.client.get(f"https://127.0.0.1:{works.hub}/metrics").text
    found = re.findall(r"^holdfast_ingest_looks_total\{[^}]*\} (\S+)", text, re.MULTILINE)
    return sum(map(float, found))


def test_ten_who_follow_a_page_are_answered_by_one_look_as_soon_as_it_changes(works: Fleet) -> None:
    address = f"https://127.0.0.1:{works.hub}/api/v1/sites/york/api/devices?match=follow-*"
    first = works.client.get(address)
    assert (first.status_code, first.json()["devices"]) == (200, [])

    def follow(_: int) -> httpx.Response:
        return works.client.get(address, headers={"If-None-Match": first.headers["etag"]})

    before = looks(works)
    with ThreadPoolExecutor(10) as many:
        waiting = [many.submit(follow, n) for n in range(10)]
        time.sleep(2)
        assert not any(one.done() for one in waiting), "nothing has changed"
        works.send("york", "follow-1", 20)
        sent = time.monotonic()
        answers = [one.result() for one in waiting]
    assert time.monotonic() - sent < 8
    assert {(one.status_code, one.headers["holdfast-held"]) for one in answers} == {(200, "1")}
    assert all(one.json()["devices"][0]["name"] == "follow-1" for one in answers)
    assert looks(works) - before == 1


@pytest.mark.parametrize("path", ["residency", "commands", "queues", "documents", "sync/hello", "analytics"])
def test_what_is_not_on_the_list_is_not_shown(works: Fleet, path: str) -> None:
    answer = works.get(f"sites/york/api/{path}")
    assert answer.status_code == 403
    assert "not shown" in answer.json()["error"]


@pytest.mark.parametrize(
    "path", ["../status", "status/../residency", "sites/../residency", "devices/a/b", "%2e%2e/residency"]
)
def test_no_way_around_the_list_leads_anywhere(works: Fleet, path: str) -> None:
    answer = works.get(f"sites/york/api/{path}")
    assert answer.status_code in (403, 404), answer.text
    assert "register" not in answer.text


def test_nothing_can_be_changed_through_the_hub(works: Fleet) -> None:
    base = f"https://127.0.0.1:{works.hub}/api/v1/sites/york/api"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = works.client.request(method, f"{base}/devices", json={"do": "retire", "devices": ["press-1"]})
        assert answer.status_code == 405


def test_a_site_that_is_not_there_is_404(works: Fleet) -> None:
    assert works.get("sites/nowhere").status_code == 404
    assert works.get("sites/nowhere/api/status").status_code == 404


def test_what_must_stay_at_the_site_is_in_no_answer_to_any_look(works: Fleet) -> None:
    for number in range(5):
        works.send("leeds", "secret-1", 60 + number, 100 + number)  # hot: an alert, too
        works.send("leeds", "open-1", 20, 200 + number)
    works.send("leeds", "secret-1", 61.125, 300)
    works.until(lambda: len(works.look("leeds", "devices")["devices"]) == 1)
    at_site = works.get("query", at="leeds", series="secret-1/air.temperature", **{"from": "-1h"}).json()
    assert 61.125 in at_site["series"][0]["value"], "the site itself must have what the hub mustn't"
    for path in LOOKS:
        answer = works.get(f"sites/leeds/api/{path}")
        unknown = works.get(f"sites/leeds/api/{path.replace('secret-', 'nothing-')}")
        if "secret-" in path:  # who asks for it by name learns no more than of one that there is none of
            assert _timeless(answer.text).replace("secret-", "nothing-") == _timeless(unknown.text)
        assert "secret" not in answer.text.replace("'secret-1'", ""), (path, answer.text)
        assert "61.125" not in answer.text, (path, answer.text)
        assert answer.status_code in (200, 403, 404), (path, answer.text)
    shown = works.look("leeds", "query", series="*", **{"from": "-1h"})
    assert {column["series"].split("/")[1] for column in shown["series"]} == {"open-1"}
    assert works.get("sites/leeds/api/rules").status_code == 403
    assert works.look("leeds", "status")["journal"]["heads"][4] == 0
    assert "secret" not in works.get("sites").text


def _timeless(text: str) -> str:
    return re.sub(r"\d{15,}", "T", text)


def test_analytics_by_form_and_in_sql_agree_over_the_sites(works: Fleet) -> None:
    for number in range(4):
        works.send("york", "bench-1", 10 + number, 400 + number)
    base = f"https://127.0.0.1:{works.hub}/api/v1/analytics"
    form = {"series": ["york/bench-1/air.temperature"], "aggregate": "mean", "by": ["site", "device"], "from": "-1h"}

    def mean() -> list[object]:
        answer = works.client.post(base, json=form)
        assert answer.status_code == 200, answer.text
        found: list[object] = answer.json()["rows"]
        return found

    works.until(lambda: mean() == [["york", "bench-1", 11.5, 4, 1]])
    sql = """SELECT node, avg(value) AS mean, max(ts) AS newest FROM readings
             WHERE device = 'bench-1' AND metric = 'air.temperature' GROUP BY node"""
    answer = works.client.post(base, json={"sql": sql})
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows"][0][:2] == ["york", 11.5]
    assert [column["kind"] for column in answer.json()["columns"]] == ["text", "number", "time"]


@pytest.mark.parametrize(
    "statement",
    ["DROP VIEW readings", "SELECT * FROM read_text('/etc/hostname')", "COPY readings TO '/tmp/x.csv'",
     "SELECT 1; SELECT 2", "ATTACH '/tmp/x.db'", "SET memory_limit = '8GB'", "INSTALL httpfs"],
)  # fmt: skip
def test_sql_only_reads_readings(works: Fleet, statement: str) -> None:
    answer = works.client.post(f"https://127.0.0.1:{works.hub}/api/v1/analytics", json={"sql": statement})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]


def test_another_origins_page_gets_no_analytics(works: Fleet) -> None:
    base = f"https://127.0.0.1:{works.hub}/api/v1/analytics"
    body = json.dumps({"sql": "SELECT 1"})
    headers = {"Content-Type": "application/json", "Origin": "https://evil.example"}
    assert works.client.post(base, content=body, headers=headers).status_code == 403
    assert works.client.post(base, content=body, headers={"Content-Type": "text/plain"}).status_code == 415


def test_a_site_that_is_cut_off_is_a_503_with_its_age_and_what_the_hub_holds(works: Fleet) -> None:
    works.send("york", "held-1", 22.25, 500)
    works.until(lambda: "22.25" in works.get("query", series="york/held-1/*", site="false", **{"from": "-1h"}).text)
    works.until(lambda: any(one["name"] == "held-1" for one in works.get("devices", node="york").json()["devices"]))
    works.cut("york")
    works.until(lambda: works.get("sites/york/api/status").status_code == 503)
    answer = works.get("sites/york/api/devices")
    assert answer.status_code == 503
    assert answer.headers["holdfast-site"] == "held"
    said = answer.json()
    assert "last heard" in said["error"]
    assert said["site"]["node"] == "york"
    assert said["age_s"] >= 0
    assert "held-1" in {one["name"] for one in said["held"]["devices"]}
    held = works.get("sites/york/api/query", series="held-1/air.temperature", **{"from": "-1h"}).json()["held"]
    assert [column["series"] for column in held["series"]] == ["york/held-1/air.temperature"]
    assert held["series"][0]["value"] == [22.25]
    works.until(lambda: works.site("york")["state"] == "late", 90)
    works.cables["york"].restore()
    works.until(lambda: works.get("sites/york/api/status").status_code == 200)

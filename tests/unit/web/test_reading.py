import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.unit.web.doors import NOW_NS, NOW_S, get, make_deps

from holdfast.history.query import History
from holdfast.storage.errors import StorageFailed
from holdfast.web.app import build_app


def test_series_are_listed_by_name_with_their_newest_reading() -> None:
    body = get("/api/v1/series").json()
    assert body["total"] == 2
    oven, press = body["series"]
    assert (oven["name"], oven["ts"], oven["value"], oven["rows"]) == ("gw/oven/state", None, None, 0)
    assert press == {
        "name": "gw/press-1/temperature",
        "node": "gw",
        "device": "press-1",
        "metric": "temperature",
        "unit": "Cel",
        "kind": "float",
        "ts": NOW_NS - 30 * 10**9,
        "value": 22.0,
        "quality": "bad",
        "reason": "out_of_range",
        "rows": 2,
    }


def test_series_can_be_matched_and_paged() -> None:
    assert [s["device"] for s in get("/api/v1/series?match=press-*/*").json()["series"]] == ["press-1"]
    page = get("/api/v1/series?limit=1&offset=1").json()
    assert (page["total"], [s["device"] for s in page["series"]]) == (2, ["press-1"])


def test_a_query_without_step_gives_points() -> None:
    body = get("/api/v1/query?series=press-1/temperature&from=-2m").json()
    assert body["truncated"] is False
    column = body["series"][0]
    assert column["value"] == [20.0, 22.0]
    assert column["quality"] == [0, 6]
    assert column["ts"] == [NOW_NS - 60 * 10**9, NOW_NS - 30 * 10**9]


@pytest.mark.parametrize(
    "start", ["-1h", "now-1h", str(NOW_S - 3600), str((NOW_S - 3600) * 1000), "2023-11-14T21:13:20Z"]
)
def test_a_query_with_step_gives_aggregates(start: str) -> None:
    body = get(f"/api/v1/query?series=press-1/*&from={start}&to=now&step=1h&aggregates=count,max,bad").json()
    assert body["from_ns"] == NOW_NS - 3600 * 10**9
    column = body["series"][0]
    assert (column["count"], column["bad"], column["max"]) == ([1], [1], [20.0])
    assert "mean" not in column


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/query", "`series` is missing"),
        ("/api/v1/query?" + "&".join(["series=a/b"] * 101), "too many `series`"),
        ("/api/v1/query?series=x", "names no series"),
        ("/api/v1/query?series=a/b&from=yesterday", "is no time"),
        ("/api/v1/query?series=a/b&from=now&to=-1h", "not before"),
        ("/api/v1/query?series=a/b&step=0", "out of range"),
        ("/api/v1/query?series=*&from=-7d&step=1ms", "more than"),
        ("/api/v1/query?series=a/b&limit=1000000", "is not allowed"),
        ("/api/v1/query?series=a/b&aggregates=median", "is not allowed"),
        ("/api/v1/query?serie=a/b", "unknown parameter 'serie'"),
        ("/api/v1/series?match=x", "names no series"),
        ("/api/v1/events?limit=0", "is not allowed"),
        ("/api/v1/quarantine?limit=x", "is not allowed"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_allowed(path: str, said: str) -> None:
    answer = get(path)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert answer.json()["hint"]


def test_alerts_come_as_they_are_up_to_the_limit() -> None:
    body = get("/api/v1/events?limit=3").json()
    assert [e["id"] for e in body] == ["0", "1", "2"]
    assert body[0]["rule"] == "hot"


def test_a_disk_that_fails_is_a_503_with_what_to_do() -> None:
    class Broken:
        def between(self, *_: Any) -> Any:
            raise StorageFailed("SQLite: disk I/O error")

    deps = make_deps()
    past = replace(deps.past, history=History(Broken(), deps.catalogue))
    answer = get("/api/v1/query?series=a/b", past=past)
    assert answer.status_code == 503
    assert "disk" in answer.json()["hint"]
    assert answer.headers["retry-after"] == "5"


def test_more_questions_than_the_line_holds_are_turned_away() -> None:
    async def run() -> list[int]:
        transport = httpx.ASGITransport(build_app(make_deps()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asked = [client.get("/api/v1/query?series=a/b") for _ in range(30)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    codes = asyncio.run(run())
    assert set(codes) == {200, 503}
    assert codes.count(200) >= 18

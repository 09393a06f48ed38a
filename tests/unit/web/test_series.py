import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.history.stored import Row, StoredGroups
from tests.unit.web.doors import NOW_NS, call, get, make_deps
from tests.unit.web.test_arrow import Ticking

from holdfast.client import ARROW
from holdfast.history.last_values import LastValues
from holdfast.history.latest import Latest

OLD = NOW_NS - 90 * 86_400 * 10**9


def stopped_and_started() -> Any:
    """A node that has just started: all it knows is in store."""
    deps, stored = make_deps(), StoredGroups()
    stored.add([Row(0, OLD, 5.0), Row(0, OLD + 10**9, 7.0, 1)])
    stored.add([Row(1, OLD + 60 * 10**9, 0.0)], texts=("idle",))
    return replace(deps.past, known=LastValues(deps.catalogue), latest=Latest(stored, deps.catalogue))


def test_the_newest_reading_of_each_series_is_told_from_memory() -> None:
    body = get("/api/v1/last?match=press-1/*").json()
    assert (body["total"], body["as_of_ns"]) == (1, NOW_NS)
    assert body["series"][0] == {
        "series": "gw/press-1/temperature",
        "unit": "Cel",
        "kind": "float",
        "ts": NOW_NS - 30 * 10**9,
        "value": 22.0,
        "quality": "bad",
        "reason": "out_of_range",
        "tier": "memory",
    }


def test_after_a_start_the_newest_reading_is_looked_up_however_old_it_is() -> None:
    body = get("/api/v1/last", past=stopped_and_started()).json()["series"]
    assert [(row["series"], row["value"], row["ts"]) for row in body] == [
        ("gw/oven/state", "idle", OLD + 60 * 10**9),
        ("gw/press-1/temperature", 7.0, OLD + 10**9),
    ]
    listed = get("/api/v1/series", past=stopped_and_started()).json()["series"]
    assert [(row["value"], row["rows"]) for row in listed] == [("idle", 0), (7.0, 0)]


def test_the_newest_reading_as_of_a_time_is_told() -> None:
    body = get("/api/v1/last?match=press-1/*&as_of=-45s").json()["series"][0]
    assert (body["value"], body["ts"], body["quality"], body["tier"]) == (20.0, NOW_NS - 60 * 10**9, "good", "journal")
    nothing = get("/api/v1/last?match=press-1/*&as_of=2001-01-01").json()["series"][0]
    assert (nothing["ts"], nothing["value"], nothing["tier"]) == (None, None, "")


@pytest.mark.parametrize("when", ["", "&as_of=-45s", "&as_of=2001-01-01", "&offset=1", "&match=nothing/*"])
@pytest.mark.parametrize("stored", [False, True])
def test_newest_readings_as_arrow_say_what_they_say_as_json(when: str, stored: bool) -> None:  # noqa: FBT001  # a case
    others = {"past": stopped_and_started()} if stored else {}
    said = get(f"/api/v1/last?limit=5{when}", **others).json()
    arrow = call(make_deps(**others), "GET", f"/api/v1/last?limit=5{when}", headers={"Accept": ARROW})
    assert arrow.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert json.loads(table.schema.metadata[b"holdfast"]) == {"as_of_ns": said["as_of_ns"], "total": said["total"]}
    ts = table.column("ts").cast(pa.int64())
    rows = table.set_column(table.column_names.index("ts"), "ts", ts).to_pylist()
    for row in rows:
        text = row.pop("text")
        row["value"] = row["value"] if text is None else text
    assert rows == said["series"]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ("unit=Cel", ["press-1"]),
        ("kind=text", ["oven"]),
        ("device=pre*", ["press-1"]),
        ("node=other", []),
        ("node=gw&kind=float&unit=C*", ["press-1"]),
    ],
)
def test_series_can_be_found_by_unit_kind_node_and_device(filters: str, names: list[str]) -> None:
    assert [row["device"] for row in get(f"/api/v1/series?{filters}").json()["series"]] == names


@pytest.mark.parametrize("path", ["last?as_of=yesterday", "last?match=x", "series?unit=" + "*a" * 9, "last?tag=x"])
def test_a_wrong_search_is_answered_with_what_is_allowed(path: str) -> None:
    answer = get(f"/api/v1/{path}")
    assert answer.status_code == 400
    assert answer.json()["hint"]


def test_a_store_that_takes_long_fails_last_but_not_the_list_of_series() -> None:
    clock = Ticking(NOW_NS)
    assert get("/api/v1/last", past=stopped_and_started(), clock=clock).status_code == 200
    past = replace(stopped_and_started(), patience_s=0.5)
    refused = get("/api/v1/last", past=past, clock=clock)
    assert (refused.status_code, "given up" in refused.json()["error"]) == (503, True)
    assert get("/api/v1/last?as_of=now", past=past, clock=clock).status_code == 503
    listed = get("/api/v1/series", past=past, clock=clock).json()["series"]
    assert [row["value"] for row in listed] == [None, None]

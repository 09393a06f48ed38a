import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from tests.unit.web.doors import NOW_NS, Refused, call, get, make_deps

from holdfast.journal.quarantine import LAST_ID, QuarantineFilter
from holdfast.web.app import build_app

JSON = {"content-type": "application/json"}
REPLAY = "/api/v1/quarantine/replay"


def post(content: bytes, headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
    return call(make_deps(**changes), "POST", REPLAY, content=content, headers=JSON if headers is None else headers)


def test_refused_messages_keep_their_raw_bytes() -> None:
    row = get("/api/v1/quarantine").json()[0]
    assert base64.b64decode(row["payload"]) == b"\xff{"
    assert (row["reason"], row["detail"]) == ("malformed", "not JSON")


def test_the_list_takes_filters_and_a_place_to_go_on_from() -> None:
    desk = Refused()
    get("/api/v1/quarantine?reason=stale&topic=a/%2B&source=dev&since=-1h&before=7", quarantine=desk)
    get("/api/v1/quarantine", quarantine=desk)
    wanted = QuarantineFilter(reason="stale", source="dev", topic="a/+", since_ns=NOW_NS - 3600 * 10**9)
    assert desk.looked == [(wanted, 7), (QuarantineFilter(), LAST_ID)]


@pytest.mark.parametrize("query", ["limit=x", "limit=201", "before=-1", "since=noon", "reasn=stale"])
def test_a_wrong_filter_is_refused_rather_than_ignored(query: str) -> None:
    answer = get(f"/api/v1/quarantine?{query}")
    assert answer.status_code == 400
    assert answer.json()["hint"]


def test_one_message_is_shown_with_what_the_profiles_say_today() -> None:
    body = get("/api/v1/quarantine/1").json()
    assert body["message"]["id"] == 1
    assert body["verdict"] == {"decodes": False, "readings": [], "reason": "malformed", "detail": "not JSON"}


@pytest.mark.parametrize("number", ["2", "9" * 40])
def test_a_message_that_is_not_there_is_not_found(number: str) -> None:
    answer = get(f"/api/v1/quarantine/{number}")
    assert answer.status_code == 404
    assert "no refused message" in answer.json()["error"]


def test_a_replay_does_what_was_asked_and_tells_what_became_of_the_messages() -> None:
    desk = Refused()
    body = json.dumps({"ids": [3, 5], "reason": "stale", "topic": "a/#", "since_ns": 9, "dry_run": True}).encode()
    answer = post(body, quarantine=desk)
    assert answer.json() == {
        "dry_run": True,
        "replayed": 2,
        "readings": 10,
        "repeats": 0,
        "still_rejected": {"malformed": 1},
        "dropped": 0,
    }
    post(b"{}", quarantine=desk)
    wanted = QuarantineFilter(ids=(3, 5), reason="stale", topic="a/#", since_ns=9)
    assert desk.asked == [(wanted, True), (QuarantineFilter(), False)]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", JSON, 400),
        (b'{"dryrun": true}', JSON, 400),
        (b"x" * ((1 << 20) + 1), JSON, 413),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {}, 415),
        (b"{}", {**JSON, "origin": "http://evil.example"}, 403),
        (b"{}", {**JSON, "origin": "https://node.evil.example"}, 403),
    ],
)
def test_a_replay_that_is_malformed_or_comes_from_a_browser_is_refused(
    content: bytes, headers: dict[str, str], status: int
) -> None:
    desk = Refused()
    answer = post(content, headers, quarantine=desk)
    assert (answer.status_code, desk.asked) == (status, [])
    assert answer.json()["hint"]


def test_a_replay_from_another_machine_is_refused() -> None:
    desk = Refused()

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(make_deps(quarantine=desk)), client=("192.0.2.7", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="https://node") as client:
            return await client.post(REPLAY, content=b"{}", headers=JSON)

    answer = asyncio.run(run())
    assert (answer.status_code, desk.asked) == (403, [])


def test_a_replay_is_only_posted() -> None:
    assert get(REPLAY).status_code == 405

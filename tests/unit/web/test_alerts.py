"""The routes for alerts, silences and channels, of a real node on loopback."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from tests.events import alert
from tests.running import Running, running

from holdfast.model.event import Event
from holdfast.model.lane import Lane


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("node")) as one:
        one.do(put(one, *(alert(n, device=f"press-{n}", severity=s) for n, s in enumerate(("critical", "info"), 1))))
        one.do(put(one, alert(3, device="press-1", rule="noise"), alert(4, device="press-1", rule="noise", kind=OVER)))
        yield one


OVER = "alert.cleared"


async def put(node: Running, *events: Event) -> None:
    """Commit events, and wait until the book has them."""
    journal, changed = node.real.journal, asyncio.Event()
    journal.on_commit(changed.set)
    last = await journal.submit(lambda tx: tx.append_events(Lane.CRITICAL, list(events)))
    async with asyncio.timeout(10):
        while journal.cursor("alerts", Lane.CRITICAL) < last:
            changed.clear()
            await changed.wait()


def ask(node: Running, path: str, body: Any = None, method: str = "", **headers: str) -> tuple[int, Any]:
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(  # ours
        f"http://127.0.0.1:{node.port}/api/v1/{path}",
        data,
        {"Content-Type": "application/json", **headers},
        method=method or ("GET" if data is None else "POST"),
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310  # ours
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_open_alerts_come_newest_first_and_filters_narrow_them(node: Running) -> None:
    def devices(query: str = "") -> list[str]:
        status, found = ask(node, f"alerts{query}")
        assert status == 200
        return [f"{one['device']}/{one['rule']}" for one in found]

    assert devices() == ["press-2/hot", "press-1/hot"]
    assert devices("?state=closed") == ["press-1/noise"]
    assert devices("?state=all&device=press-1") == ["press-1/noise", "press-1/hot"]
    assert devices("?severity=info") == ["press-2/hot"]
    assert devices("?rule=noise") == devices("?node=elsewhere") == devices("?acknowledged=true") == []
    assert devices("?limit=1&before=2") == ["press-1/hot"]
    status, one = ask(node, "alerts/3")
    assert (status, one["state"], one["raised_ns"], one["cleared_ns"]) == (200, "closed", 3, 4)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("alerts?state=odd", 400, "state='odd' is not allowed"),
        ("alerts?colour=red", 400, "unknown parameter 'colour'"),
        ("alerts?limit=0", 400, "limit='0'"),
        ("alerts/99", 404, "there is no alert 99"),
        ("silences?all=maybe", 400, "all='maybe'"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(node: Running, path: str, status: int, said: str) -> None:
    found, answer = ask(node, path)
    assert (found, said in answer["error"]) == (status, True)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "said"),
    [
        ("alerts/1/acknowledge", b"{", {}, 400, "the body can't be read"),
        ("alerts/1/acknowledge", {"by": "ann", "colour": "red"}, {}, 400, "unknown field `colour`"),
        ("alerts/1/acknowledge", {"by": " "}, {}, 400, "`by` is empty"),
        ("alerts/1/acknowledge", {"by": "a" * 1_001}, {}, 400, "`by` is too long"),
        ("alerts/1/acknowledge", {"by": "ann"}, {"Origin": "https://evil"}, 403, "not taken from a web page"),
        ("alerts/1/acknowledge", {"by": "ann"}, {"Content-Type": "text/plain"}, 415, "not declared as JSON"),
        ("alerts/99/acknowledge", {"by": "ann"}, {}, 404, "there is no alert 99"),
        ("alerts/1/label", {"label": "maybe", "by": "ann"}, {}, 400, "the body can't be read"),
        ("alerts/1/label", {"label": "rejected", "by": "ann"}, {}, 400, "alert 1 is no detector's"),
        ("alerts/1/label", {"label": "rejected", "by": " "}, {}, 400, "`by` is empty"),
        ("alerts/1/label", {"label": "rejected", "by": "ann"}, {"Origin": "https://evil"}, 403, "not taken from a web"),
        ("alerts/99/label", {"label": "confirmed", "by": "ann"}, {}, 404, "there is no alert 99"),
        ("alerts/3/acknowledge", {"by": "ann"}, {}, 409, "alert 3 was cleared"),
        ("silences", {"until": "soon", "by": "ann", "why": "x"}, {}, 400, "until='soon' is no time"),
        ("silences", {"until": "-1h", "by": "ann", "why": "x"}, {}, 400, "ends in the past"),
        ("silences", {"until": "+1h", "by": "ann", "why": ""}, {}, 400, "`why` is empty"),
        ("channels/ops/test", {}, {}, 404, "there is no channel ops"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    node: Running, path: str, body: Any, headers: dict[str, str], status: int, said: str
) -> None:
    found, answer = ask(node, path, body, **headers)
    assert (found, said in answer["error"]) == (status, True), answer


def test_a_silence_is_made_listed_and_taken_back(node: Running) -> None:
    wanted = {"match": {"devices": ["press-*"]}, "until": "+2h", "by": "ann", "why": "works"}
    status, made = ask(node, "silences", wanted)
    assert (status, made["match"], made["by"]) == (201, {"devices": ["press-*"]}, "ann")
    assert [one["id"] for one in ask(node, "silences")[1]] == [made["id"]]
    assert ask(node, f"silences/{made['id']}", method="DELETE") == (200, {"id": made["id"]})
    assert ask(node, "silences") == (200, [])
    assert ask(node, "silences?all=true")[1][0]["gone_ns"] > 0
    status, answer = ask(node, f"silences/{made['id']}", method="DELETE")
    assert (status, answer["error"]) == (404, f"there is no silence {made['id']} that lasts")


def test_a_node_without_channels_says_so(node: Running) -> None:
    assert ask(node, "channels") == (200, [])

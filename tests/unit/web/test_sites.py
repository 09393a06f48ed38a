"""What may be looked at through a parent, and what a hub answers itself when the site is away."""

import asyncio

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.web.inside import ask_app
from holdfast.web.outlook import Outlook, is_shown
from holdfast.web.sites import held_call
from holdfast.wire.looking import MAX_REPLY, Call, CallHeader, CallReply

SHOWN = [
    "status",
    "devices",
    "devices/press-1",
    "alerts/12",
    "query",
    "rules",
    "logs",
    "channels",
    "events",
    "traces",
    "traces/of",
    "sites/leaf/api/devices",
    "sites",
]
HIDDEN = [
    "",
    "residency",
    "commands",
    "queues",
    "documents",
    "sync/hello",
    "analytics",
    "people",
    "me",
    "audit",
    "devices/a/b",
    "alerts/x",
    "../status",
    "status/../residency",
    "sites/leaf/api/residency",
    "sites/leaf/api/../residency",
    "sites/a/api/sites/b/api/sites/c/api/sites/d/api/sites/e/api/status",
    "STATUS",
    "status ",
    "status\n",
    "live",
    "channels/ops/test",
    "traces/a/b",
]


async def _say(request: Request) -> Response:
    return Response(f'{{"path":"{request.url.path}","query":"{request.url.query}"}}', media_type="application/json")


async def _large(_: Request) -> Response:
    return Response(bytes(MAX_REPLY + 1), media_type="application/json")


APP = Starlette(routes=[Route("/api/v1/status", _large), Route("/api/v1/{path:path}", _say)])


PACE_S = 0.01
_words = ["one"]


async def _moves(_: Request) -> Response:
    return Response(f'{{"word":"{_words[-1]}"}}', media_type="application/json")


MOVING = Starlette(routes=[Route("/api/v1/status", _moves)])


def test_a_held_look_is_answered_once_the_page_is_another_than_was_seen() -> None:
    async def run() -> tuple[CallReply, CallReply, int]:
        asked = 0

        def pace() -> float:
            nonlocal asked
            asked += 1
            if asked == 3:
                _words.append("two")
            return PACE_S

        outlook = Outlook(MOVING, lambda: False, pace)
        first = await outlook.look(Call("status", hold_s=1.0), "n")
        second = await outlook.look(Call("status", seen=first.header.digest, hold_s=1.0), "n")
        return first, second, asked

    first, second, asked = asyncio.run(run())
    assert (first.body, second.body) == (b'{"word":"one"}', b'{"word":"two"}')
    assert first.header.digest != second.header.digest
    assert asked == 3


def test_a_poor_links_pace_is_kept_also_when_the_hub_would_wait_for_less() -> None:
    async def run() -> tuple[CallReply, float]:
        outlook = Outlook(MOVING, lambda: False, lambda: 0.2)
        loop, seen = asyncio.get_running_loop(), "what nobody saw"
        began = loop.time()
        return await outlook.look(Call("status", seen=seen, hold_s=0.01), "n"), loop.time() - began

    reply, seconds = asyncio.run(run())
    assert reply.header.status == 200
    assert seconds >= 0.19


def test_a_held_look_ends_without_a_body_when_nothing_changes() -> None:
    async def run() -> CallReply:
        outlook = Outlook(MOVING, lambda: False, lambda: PACE_S)
        first = await outlook.look(Call("status", hold_s=0.05), "n")
        return await outlook.look(Call("status", seen=first.header.digest, hold_s=0.05), "n")

    reply = asyncio.run(run())
    assert (reply.header.status, reply.body) == (304, b"")


def look(path: str, query: str = "", *, keeps: bool = False) -> CallReply:
    return asyncio.run(Outlook(APP, lambda: keeps).look(Call(path or " ", query), "n"))


@pytest.mark.parametrize("path", SHOWN)
def test_these_paths_are_shown(path: str) -> None:
    assert is_shown(path)


@pytest.mark.parametrize("path", HIDDEN)
def test_all_others_are_not(path: str) -> None:
    assert not is_shown(path)
    assert look(path).header.status == 403


def test_what_is_asked_reaches_the_app_with_its_query() -> None:
    reply = look("devices", "limit=5&match=a%2Fb")
    assert reply.header == CallHeader("n", 200, "application/json")
    assert msgspec.json.decode(reply.body) == {"path": "/api/v1/devices", "query": "limit=5&match=a%2Fb"}


@pytest.mark.parametrize(
    "path",
    [
        "rules",
        "rules/hot",
        "alerts/1",
        "alerts/1/timeline",
        "silences",
        "adapters",
        "quarantine",
        "quarantine/1",
        "logs",
    ],
)
def test_a_site_that_keeps_something_shows_no_words_and_no_raw_bytes(path: str) -> None:
    assert look(path, keeps=True).header.status == 403
    assert look(path).header.status == 200


def test_an_answer_that_is_too_large_is_a_413_and_is_not_held_in_memory() -> None:
    reply = asyncio.run(ask_app(APP, Call("status"), "n"))
    assert reply.header.status == 413
    assert len(reply.body) < 200


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        (Call("devices", "limit=5&node=hub"), Call("devices", "limit=5&node=gw")),
        (Call("devices/press-1"), Call("devices/press-1", "node=gw")),
        (Call("alerts", "state=all"), Call("alerts", "state=all&node=gw")),
        (
            Call("query", "series=press-1%2Ftemp&from=-1h&site=true"),
            Call("query", "series=gw%2Fpress-1%2Ftemp&from=-1h&site=false"),
        ),
        (Call("query", "series=%2A"), Call("query", "series=gw%2F%2A&site=false")),
        (Call("query", "series=other%2Fpress%2Ftemp"), Call("query", "site=false")),
        (Call("alerts/7"), None),
        (Call("status"), None),
        (Call("logs", "level=info&node=york"), Call("logs", "level=info&node=gw")),
        (Call("traces"), None),
    ],
)
def test_a_hub_answers_of_a_site_only_what_it_holds_of_that_site(asked: Call, held: Call | None) -> None:
    assert held_call("gw", asked) == held

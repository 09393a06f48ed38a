"""Artifacts over HTTPS from a server that isn't ours and says what it likes."""

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from holdfast.artifacts.errors import ArtifactAbsent, ParentLied
from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.identity.tokens import issue_token
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.kernel.errors import HoldfastError
from holdfast.node.parent_artifacts import TRICKLE_S, HttpsParentArtifacts, UplinkPace
from holdfast.transport.addresses import Address
from holdfast.transport.server import WebServer
from holdfast.transport.tls import server_context
from holdfast.uplink.levels import Level
from holdfast.uplink.pacing import Pacing
from holdfast.uplink.settings import BudgetSettings, ParentSettings
from holdfast.wire.errors import LinkDown, LinkRefused

BODY = bytes(range(256)) * 4
DIGEST = sha256(BODY).hexdigest()
Says = Callable[[dict[str, str]], tuple[int, dict[str, str], bytes]]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    create_authority(folder)
    issue_certificate(folder, "hub", ["127.0.0.1"])
    issue_token(folder / "gw.token")
    return folder


def ask(keys: Path, says: Says, start: int = 0, end: int | None = 512) -> tuple[tuple[int, int], int, bytes]:
    """What the client makes of a server's answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        status, headers, body = says({name.decode(): value.decode() for name, value in scope["headers"]})
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    async def run() -> tuple[tuple[int, int], int, bytes]:
        server = WebServer(app, Address("127.0.0.1", 0), server_context(keys / "hub.pem", keys / "hub.key"))
        await server.start()
        settings = ParentSettings(f"https://{server.address}", "ca.pem", "gw.token", timeout=2.0)
        link = HttpsParentArtifacts(settings, lambda text: keys / text, 1)
        try:
            async with link.read(DIGEST, start, end) as coming:
                body = b"".join([piece async for piece in coming.pieces])
                return coming.span, coming.size, body
        finally:
            await link.close()
            await server.stop(0.1)

    return asyncio.run(run())


def honest(headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    start, end = headers["range"].removeprefix("bytes=").split("-")
    assert headers["if-range"] == f'"{DIGEST}"'
    assert headers["authorization"].startswith("Bearer hf1.")
    piece = BODY[int(start) : int(end or len(BODY)) + 1]
    span = f"bytes {start}-{int(start) + len(piece) - 1}/{len(BODY)}"
    return 206, {"content-range": span, "content-length": str(len(piece)), "etag": f'"{DIGEST}"'}, piece


def test_a_range_comes_as_it_was_asked_for(keys: Path) -> None:
    assert ask(keys, honest, 0, 512) == ((0, 512), 1024, BODY[:512])
    assert ask(keys, honest, 1000, 5000) == ((1000, 1024), 1024, BODY[1000:])
    assert ask(keys, honest, 7, None) == ((7, 1024), 1024, BODY[7:])


def test_a_server_that_knows_no_ranges_gives_all_at_the_start(keys: Path) -> None:
    def whole(_: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return 200, {"content-length": "1024"}, BODY

    assert ask(keys, whole) == ((0, 1024), 1024, BODY)
    with pytest.raises(ParentLied):
        ask(keys, whole, 512, None)
    assert ask(keys, lambda _: (416, {"content-range": "bytes */0", "content-length": "0"}, b"")) == ((0, 0), 0, b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-range": "bytes 0-511/1024", "etag": '"another"'},
        {"content-range": "bytes 1-512/1024"},
        {"content-range": "bytes 0-510/1024"},
        {"content-range": "bytes 0-511/*"},
        {"content-range": "bytes 0-599/1024"},
        {},
    ],
)
def test_an_answer_that_contradicts_itself_is_no_answer(keys: Path, headers: dict[str, str]) -> None:
    with pytest.raises(ParentLied) as found:
        ask(keys, lambda _: (206, {**headers, "content-length": "512"}, BODY[:512]))
    assert found.value.hint


@pytest.mark.parametrize(
    ("status", "headers", "error", "pause_s"),
    [
        (404, {}, ArtifactAbsent, None),
        (401, {}, LinkRefused, 60.0),
        (503, {"retry-after": "7"}, LinkRefused, 7.0),
        (500, {}, LinkRefused, 5.0),
        (302, {"location": "https://elsewhere.example/"}, LinkRefused, 5.0),
    ],
)
def test_a_refusal_says_what_it_means(
    keys: Path, status: int, headers: dict[str, str], error: type[HoldfastError], pause_s: float | None
) -> None:
    body = json.dumps({"error": "it isn't here", "hint": ""}).encode()
    headers = {**headers, "content-length": str(len(body))}
    with pytest.raises(error) as found:
        ask(keys, lambda _: (status, headers, body))
    if isinstance(found.value, LinkRefused):
        assert found.value.retry_after_s == pause_s


def test_a_parent_of_an_older_version_is_asked_again_rarely(keys: Path) -> None:
    body = b'{"error":"not found","hint":"GET / lists what there is"}'
    with pytest.raises(LinkRefused, match="older") as found:
        ask(keys, lambda _: (404, {"content-length": str(len(body))}, body))
    assert found.value.retry_after_s == 60.0


def test_an_answer_that_ends_early_is_a_link_that_is_down(keys: Path) -> None:
    headers = {"content-range": "bytes 0-511/1024", "content-length": "512"}
    with pytest.raises(LinkDown):
        ask(keys, lambda _: (206, headers, BODY[:100]))


def test_artifacts_rest_on_a_narrow_link_trickle_on_a_bad_one_and_stop_when_the_budget_is_spent() -> None:
    clock = ManualClock()
    day = BudgetSettings(per_day=1_000_000)
    pacing = Pacing(ParentSettings("https://hub", "ca.pem", "gw.token", budget=day))
    pace = UplinkPace(pacing, clock)
    assert pace.span() > 1 << 20
    pace.carried(100_000, 1.0)
    assert pace.pause_s() == 0.0
    pacing.level = Level.NARROW
    pace.carried(100_000, 3.0)
    assert (pace.span(), pace.pause_s()) == (256 << 10, 3.0)
    clock.advance(3.0)
    assert pace.pause_s() == 0.0
    pacing.level = Level.TRICKLE
    pace.carried(1_000, 1.0)
    assert (pace.span(), pace.pause_s()) == (64 << 10, TRICKLE_S)
    clock.advance(TRICKLE_S)
    pacing.level = Level.WIDE
    pace.carried(900_000, 1.0)
    assert 0 < pace.pause_s() <= 86_400
    assert pacing.budget.report(clock.wall_ns()).day_bytes > 1_000_000
    clock.set_wall((clock.wall_ns() // (86_400 * NS_PER_S) + 1) * 86_400 * NS_PER_S)
    assert pace.pause_s() == 0.0

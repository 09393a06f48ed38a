import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.web.doors import NOW_S, make_deps

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.identity.errors import TokenUnusable
from holdfast.identity.tokens import TokenBook, issue_token
from holdfast.node.parent_link import SLOW_S, HttpsParentLink
from holdfast.transport.addresses import Address
from holdfast.transport.errors import AddressInvalid
from holdfast.transport.server import WebServer
from holdfast.transport.tls import server_context
from holdfast.web.app import build_app
from holdfast.web.deps import Children
from holdfast.wire.errors import BodyTooLarge, LinkDown, LinkRefused
from holdfast.wire.messages import GENESIS, BatchReply, Hello, Welcome

HELLO = Hello("gw", "i", (0, 0, 0), (GENESIS, GENESIS, GENESIS), 0)


@dataclass(frozen=True)
class Where:
    url: str
    ca: str = "ca.pem"
    token_file: str = "token"  # noqa: S105  # a file's name
    timeout: float = 5.0


class Parent:
    """Implements `web.deps.Ingest`."""

    async def hello(self, child: str, hello: Hello) -> Welcome:
        return Welcome("welcome", session=hello.series_count, detail=child)

    async def batch(self, child: str, body: bytes) -> BatchReply:
        return BatchReply("applied", applied=len(body), detail=child)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    create_authority(tmp_path)
    issue_certificate(tmp_path, "hub", ["127.0.0.1"])
    issue_token(tmp_path / "token")
    return tmp_path


def with_parent(keys: Path, use: Callable[[HttpsParentLink], Awaitable[Any]], app: Any = None, **where: Any) -> Any:
    async def run() -> Any:
        book = TokenBook.load({"gw": keys / "token.sha256"})
        children = Children(lambda token: book.who(token, NOW_S), Parent(), 1000)
        web = app or build_app(make_deps(children=children))
        server = WebServer(web, Address("127.0.0.1", 0), server_context(keys / "hub.pem", keys / "hub.key"))
        await server.start()
        link = HttpsParentLink(Where(f"https://{server.address}", **where), keys.joinpath)
        try:
            return await use(link)
        finally:
            await link.close()
            await server.stop(1.0)

    return asyncio.run(run())


def refusal(keys: Path, use: Callable[[HttpsParentLink], Awaitable[Any]], app: Any = None, **where: Any) -> LinkRefused:
    with pytest.raises(LinkRefused) as caught:
        with_parent(keys, use, app, **where)
    return caught.value


def answering(status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers or []})
        await send({"type": "http.response.body", "body": body})

    return app


def test_hello_and_batch_go_over_https_and_bytes_are_counted(keys: Path) -> None:
    async def use(link: HttpsParentLink) -> tuple[Welcome, BatchReply, bool]:
        welcome, reply = await link.hello(HELLO), await link.batch(b"x" * 900)
        return welcome, reply, link.sent_bytes > 900 and link.received_bytes > 0

    assert with_parent(keys, use) == (
        Welcome("welcome", detail="gw"),
        BatchReply("applied", applied=900, detail="gw"),
        True,
    )


def test_a_token_the_parent_doesnt_know_slows_the_schedule(keys: Path) -> None:
    issue_token(keys / "other")
    error = refusal(keys, lambda link: link.hello(HELLO), token_file="other")  # noqa: S106  # a file's name
    assert "does not know this token" in error.reason
    assert error.retry_after_s == SLOW_S


def test_a_token_whose_time_is_over_is_refused(keys: Path) -> None:
    (keys / "token").unlink()
    (keys / "token.sha256").unlink()
    issue_token(keys / "token", expires_s=NOW_S - 1)
    assert "time is over" in refusal(keys, lambda link: link.hello(HELLO)).reason


def test_a_new_token_is_taken_up_at_the_next_hello(keys: Path) -> None:
    issue_token(keys / "old")

    async def use(link: HttpsParentLink) -> str:
        (keys / "old").write_bytes((keys / "token").read_bytes())
        return (await link.hello(HELLO)).detail

    assert with_parent(keys, use, token_file="old") == "gw"  # noqa: S106  # a file's name


def test_a_token_file_that_went_away_is_told(keys: Path) -> None:
    async def use(link: HttpsParentLink) -> None:
        (keys / "token").unlink()
        await link.hello(HELLO)

    assert "can't be read" in refusal(keys, use).reason


def test_a_batch_larger_than_the_parent_takes_is_told(keys: Path) -> None:
    error = refusal(keys, lambda link: link.batch(b"x" * 1001))
    assert isinstance(error, BodyTooLarge)
    assert "1,001 bytes is too large" in error.reason


def test_a_parent_of_another_ca_gets_nothing(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = create_authority(tmp_path_factory.mktemp("other"))
    error = refusal(keys, lambda link: link.hello(HELLO), ca=str(other.certificate))
    assert "not signed by the CA" in error.reason
    assert "copy the other end's ca.pem" in error.reason


@pytest.mark.parametrize(
    ("status", "headers", "pause", "said"),
    [
        (503, [(b"retry-after", b"17")], 17.0, "status 503: busy"),
        (429, [], 5.0, "status 429: busy"),
        (500, [], 5.0, "status 500: busy"),
        (404, [], SLOW_S, "takes no children"),
        (403, [], SLOW_S, "may not"),
    ],
)
def test_other_answers_are_refusals_with_the_pause_asked_for(
    keys: Path, status: int, headers: list[tuple[bytes, bytes]], pause: float, said: str
) -> None:
    app = answering(status, msgspec.json.encode({"error": "busy"}), headers)
    error = refusal(keys, lambda link: link.batch(b"x"), app)
    assert error.retry_after_s == pause
    assert said in error.reason


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_a_foreign_server_is_found_out(keys: Path, body: bytes) -> None:
    assert "no Holdfast node" in refusal(keys, lambda link: link.batch(b"x"), answering(200, body)).reason
    assert "no reason given" in refusal(keys, lambda link: link.batch(b"x"), answering(502, body)).reason


def test_a_parent_that_isnt_there_is_a_link_down(keys: Path) -> None:
    async def run() -> None:
        link = HttpsParentLink(Where("https://127.0.0.1:1"), keys.joinpath)
        try:
            await link.hello(HELLO)
        finally:
            await link.close()

    with pytest.raises(LinkDown, match="nothing listens there"):
        asyncio.run(run())


def test_faults_in_the_settings_stop_the_start(keys: Path) -> None:
    with pytest.raises(AddressInvalid, match="plain HTTP"):
        HttpsParentLink(Where("http://127.0.0.1:1"), keys.joinpath)
    with pytest.raises(TokenUnusable):
        HttpsParentLink(Where("https://127.0.0.1:1", token_file="ca.pem"), keys.joinpath)  # noqa: S106  # a file's name

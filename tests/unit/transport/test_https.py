import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.kernel.clock import ManualClock
from holdfast.transport.addresses import Address
from holdfast.transport.errors import AddressInvalid, CallFailed, PeerUntrusted, ReplyTooLarge, TransportError
from holdfast.transport.https import HttpsClient, Response, retry_after_s
from holdfast.transport.server import WebServer
from holdfast.transport.tls import client_context, server_context

LOCAL = Address("127.0.0.1", 0)


class Echo:
    """Answers with the body it got; keeps what it was told."""

    def __init__(self, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self.status = status
        self.headers = headers or []
        self.clients: list[Any] = []
        self.seen: dict[bytes, bytes] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.clients.append(scope["client"])
        self.seen = dict(scope["headers"])
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    create_authority(directory)
    issue_certificate(directory, "hub", ["127.0.0.1"])
    issue_certificate(directory, "elsewhere", ["elsewhere.example"])
    return directory


def call(
    keys: Path,
    use: Callable[[HttpsClient], Awaitable[Any]],
    app: Any = None,
    *,
    ca: Path | None = None,
    name: str = "hub",
    **settings: Any,
) -> Any:
    async def run() -> Any:
        server = WebServer(app or Echo(), LOCAL, server_context(keys / f"{name}.pem", keys / f"{name}.key"))
        await server.start()
        trusted = client_context(ca or keys / "ca.pem")
        client = HttpsClient(f"https://{server.address}", trusted, ca="ca.pem", timeout_s=5.0, **settings)
        try:
            return await use(client)
        finally:
            await client.close()
            await server.stop(1.0)

    return asyncio.run(run())


def test_a_body_goes_there_and_back_and_bytes_are_counted(keys: Path) -> None:
    body = bytes(range(256)) * 1000
    echo = Echo(201)

    async def use(client: HttpsClient) -> tuple[Response, int, int]:
        answer = await client.post("/x", body, {"Authorization": "Bearer t"})
        return answer, client.sent_bytes, client.received_bytes

    answer, sent, received = call(keys, use, echo)
    assert answer == Response(201, body)
    assert len(body) < sent < len(body) + 500
    assert len(body) < received < len(body) + 500
    assert echo.seen[b"authorization"] == b"Bearer t"
    assert b"transfer-encoding" not in echo.seen


def test_the_connection_is_kept(keys: Path) -> None:
    echo = Echo()

    async def use(client: HttpsClient) -> None:
        for _ in range(5):
            await client.post("/x", b"1", {})

    call(keys, use, echo)
    assert len(set(echo.clients)) == 1


def test_a_pause_that_the_server_asks_for_is_told(keys: Path) -> None:
    answer = call(keys, lambda c: c.post("/x", b"", {}), Echo(503, [(b"retry-after", b"7")]))
    assert (answer.status, answer.retry_after_s) == (503, 7.0)


def test_a_reply_over_the_limit_is_not_read(keys: Path) -> None:
    with pytest.raises(ReplyTooLarge, match="more than 1000 bytes"):
        call(keys, lambda c: c.post("/x", b"1" * 100_000, {}), max_reply=1000)


def failure(keys: Path, **settings: Any) -> TransportError:
    with pytest.raises(TransportError) as caught:
        call(keys, lambda c: c.post("/x", b"secret", {}), **settings)
    return caught.value


def test_a_server_of_another_ca_is_not_trusted_and_the_error_says_what_to_do(keys: Path, tmp_path: Path) -> None:
    other = create_authority(tmp_path)
    error = failure(keys, ca=other.certificate)
    assert isinstance(error, PeerUntrusted)
    assert "not signed by the CA in ca.pem" in str(error)
    assert "copy the other end's ca.pem" in error.hint


def test_a_certificate_for_another_host_is_not_trusted(keys: Path) -> None:
    error = failure(keys, name="elsewhere")
    assert isinstance(error, PeerUntrusted)
    assert "another name" in str(error)


def test_a_certificate_that_is_over_is_not_trusted(tmp_path: Path) -> None:
    create_authority(tmp_path)
    issue_certificate(tmp_path, "hub", ["127.0.0.1"], ManualClock(1_000_000_000 * 10**9))
    error = failure(tmp_path)
    assert isinstance(error, PeerUntrusted)
    assert "is over" in str(error)


def test_plain_http_is_refused_before_anything_is_sent(keys: Path) -> None:
    with pytest.raises(AddressInvalid, match="plain HTTP"):
        HttpsClient("http://127.0.0.1:1", client_context(keys / "ca.pem"))


def test_what_never_went_out_is_not_counted(keys: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def run() -> int:
        client = HttpsClient(f"https://127.0.0.1:{port}", client_context(keys / "ca.pem"), timeout_s=5.0)
        with pytest.raises(CallFailed):
            await client.post("/x", b"1" * 1000, {})
        await client.close()
        return client.sent_bytes

    assert asyncio.run(run()) == 0


def post_to(url: str, keys: Path, timeout_s: float = 5.0) -> Callable[[], Awaitable[Response]]:
    async def run() -> Response:
        client = HttpsClient(url, client_context(keys / "ca.pem"), timeout_s=timeout_s)
        try:
            return await client.post("/x", b"1", {})
        finally:
            await client.close()

    return run


def test_where_nothing_listens_the_error_says_so(keys: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(CallFailed, match="nothing listens there"):
        asyncio.run(post_to(f"https://127.0.0.1:{port}", keys)())  # type: ignore[arg-type]


def test_a_plain_http_server_is_found_out(keys: Path) -> None:
    async def run() -> None:
        server = WebServer(Echo(), LOCAL, None)
        await server.start()
        try:
            await post_to(f"https://{server.address}", keys)()
        finally:
            await server.stop(1.0)

    with pytest.raises(CallFailed, match="does not speak TLS"):
        asyncio.run(run())


def test_a_server_that_cuts_the_connection_is_a_failed_call(keys: Path) -> None:
    async def run() -> None:
        async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        tls = server_context(keys / "hub.pem", keys / "hub.key")
        server = await asyncio.start_server(cut, "127.0.0.1", 0, ssl=tls)
        async with server:
            await post_to(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", keys)()

    with pytest.raises(CallFailed):
        asyncio.run(run())


def test_a_silent_server_is_given_up(keys: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(CallFailed, match="no connection in time"):
            asyncio.run(post_to(url, keys, timeout_s=0.1)())  # type: ignore[arg-type]


def test_tls_1_2_is_not_spoken(keys: Path) -> None:
    async def run() -> None:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.load_cert_chain(keys / "hub.pem", keys / "hub.key")
        server = WebServer(Echo(), LOCAL, old)
        await server.start()
        try:
            await post_to(f"https://{server.address}", keys)()
        finally:
            await server.stop(1.0)

    # The server resets the connection behind its TLS alert: on a loaded machine the reset may be read first.
    with pytest.raises(CallFailed, match=r"not speak TLS 1\.3|connection was lost"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("value", "date", "expected"),
    [
        (None, None, None),
        ("12", None, 12.0),
        ("999999", None, 3600.0),
        ("soon", None, None),
        ("Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:30 GMT", 0.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", None, None),
        ("Wed, 21 Oct 2026 07:28:30", "Wed, 21 Oct 2026 07:28:00", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_servers_own_clock(
    value: str | None, date: str | None, expected: float | None
) -> None:
    assert retry_after_s(value, date) == expected

"""An HTTPS client for small calls to one server: pinned CA, keep-alive, bounded replies, errors in plain words."""

import socket
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from holdfast.transport.addresses import require_https
from holdfast.transport.causes import explain
from holdfast.transport.errors import ReplyTooLarge

if TYPE_CHECKING:
    import httpx

# Below our own server's 75 s, so that this end lets go first and never writes into a closing connection.
KEEP_ALIVE_S = 60.0
LONGEST_PAUSE_S = 3600.0
# The body goes out in pieces so that the timeout means "stalled for so long", not "the whole body took so long".
_PIECE = 16 * 1024
# tcp(7): how much unsent data the kernel may hold. Without it megabytes look sent that a slow link still owes.
_UNSENT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. retry_after_s: the pause that the server asked for, None when it didn't."""

    status: int
    body: bytes
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is still to come. headers: by lower-case name; pieces: as it was sent, never unpacked."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]
    retry_after_s: float | None = None


class HttpsClient:
    """Calls one base URL. `sent_bytes` and `received_bytes` count bodies and headers, before TLS.

    Calls may run concurrently, up to `connections`. After `close` no call may be made.
    """

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext,
        *,
        ca: str = "the CA file",
        timeout_s: float = 30.0,
        connections: int = 2,
        max_reply: int = 1 << 20,
        proxy: str | None = None,
    ) -> None:
        """Open nothing yet.

        ca:        the CA file's name, for error messages
        timeout_s: longest silence while connecting, sending or waiting for the answer
        proxy:     URL of an HTTP proxy (CONNECT); the environment's proxy variables are not read

        Raises:
            AddressInvalid: when `url` is not https://.
        """
        library = loaded()
        self._url = require_https(url)
        self._host = library.URL(url).netloc.decode()
        self._ca, self._max_reply = ca, max_reply
        limits = library.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEP_ALIVE_S
        )
        transport = library.AsyncHTTPTransport(
            verify=tls, limits=limits, proxy=proxy, socket_options=socket_options(timeout_s)
        )
        self._client: httpx.AsyncClient = library.AsyncClient(transport=transport, timeout=timeout_s, trust_env=False)
        self.sent_bytes = 0
        self.received_bytes = 0

    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str], timeout_s: float | None = None
    ) -> Response:
        """POST `body` to `path` under the base URL; any status is an answer.

        timeout_s: longest silence of this call, when it's another than usual

        Raises:
            CallFailed: when the server can't be reached or went away; whether it acted is unknown.
            PeerUntrusted: when its certificate is not the expected one; nothing was sent.
            ReplyTooLarge: when the answer is longer than `max_reply`.
        """
        library = loaded()
        request = self._client.build_request(
            "POST",
            self._url + path,
            content=_pieces(body),
            headers={**headers, "Content-Length": str(len(body))},
            timeout=library.USE_CLIENT_DEFAULT if timeout_s is None else timeout_s,
        )
        size = len(body) + _size(request.headers)
        self.sent_bytes += size
        try:
            answer = await self._client.send(request, stream=True)
            try:
                return await self._read(answer)
            finally:
                await answer.aclose()
        except (library.HTTPError, library.StreamError, ssl.SSLError, OSError) as error:
            # There was no connection that the request could have gone out on.
            if isinstance(error, (library.ConnectError, library.ConnectTimeout, library.PoolTimeout)):
                self.sent_bytes -= size
            raise explain(error, self._host, self._ca) from error

    @asynccontextmanager
    async def get(self, path: str, headers: Mapping[str, str], timeout_s: float | None = None) -> AsyncIterator[Stream]:
        """GET `path`, its body to be read as it comes, as long as it may be; any status is an answer. As `post`.

        Raises:
            CallFailed, PeerUntrusted: see `post`; reading the body raises them too.
        """
        library = loaded()
        patience = library.USE_CLIENT_DEFAULT if timeout_s is None else timeout_s
        request = self._client.build_request("GET", self._url + path, headers=dict(headers), timeout=patience)
        try:
            answer = await self._client.send(request, stream=True)
        except (library.HTTPError, library.StreamError, ssl.SSLError, OSError) as error:
            raise explain(error, self._host, self._ca) from error
        self.sent_bytes += _size(request.headers)
        self.received_bytes += _size(answer.headers)
        pause = retry_after_s(answer.headers.get("retry-after"), answer.headers.get("date"))
        try:
            yield Stream(answer.status_code, dict(answer.headers), self._coming(answer), pause)
        finally:
            with suppress(library.HTTPError, library.StreamError, ssl.SSLError, OSError):
                await answer.aclose()

    async def close(self) -> None:
        """Close the kept connections."""
        await self._client.aclose()

    async def _coming(self, answer: "httpx.Response") -> AsyncIterator[bytes]:
        library = loaded()
        try:
            async for piece in answer.aiter_raw():
                self.received_bytes += len(piece)
                yield piece
        except (library.HTTPError, library.StreamError, ssl.SSLError, OSError) as error:
            raise explain(error, self._host, self._ca) from error

    async def _read(self, answer: "httpx.Response") -> Response:
        body = bytearray()
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > self._max_reply:
                raise ReplyTooLarge(f"{self._host} answered more than {self._max_reply} bytes")
        self.received_bytes += len(body) + _size(answer.headers)
        pause = retry_after_s(answer.headers.get("retry-after"), answer.headers.get("date"))
        return Response(answer.status_code, bytes(body), pause)


def loaded() -> Any:
    """Httpx, loaded by the first client that is made: 6 MiB that a node without a parent needn't pay."""
    # Its optional command line would bring rich, pygments and click along. None makes that import fail
    # (docs.python.org, "The import system", 5.3.1), which httpx is made for.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # see 5.3.1
    import httpx  # noqa: PLC0415  # see above

    return httpx


def socket_options(timeout_s: float) -> list[tuple[int, int, int]]:
    """For a client's sockets: small calls go at once, and a dead link is noticed in time."""
    tcp = socket.IPPROTO_TCP
    return [
        (tcp, socket.TCP_NODELAY, 1),
        (tcp, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES),
        (tcp, socket.TCP_USER_TIMEOUT, round(timeout_s * 1000)),  # a dead link is noticed in the same time
    ]


def retry_after_s(value: str | None, date: str | None) -> float | None:
    """The pause in a Retry-After header (RFC 9110 §10.2.3), at most an hour; None when absent or unreadable.

    A date is measured against the server's own Date header: the two clocks need not agree.
    """
    if value is None:
        return None
    if value.isascii() and value.strip().isdigit():
        return min(float(value), LONGEST_PAUSE_S)
    until, now = _when(value), _when(date or "")
    if until is None or now is None:
        return None
    return min(max(0.0, (until - now).total_seconds()), LONGEST_PAUSE_S)


def _when(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return when if when.tzinfo is not None else None


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]


def _size(headers: "httpx.Headers") -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.raw)

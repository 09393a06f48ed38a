"""POSTs small bodies to somebody else's HTTP server: any path, TLS 1.2 and up, no redirects, everything bounded."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from holdfast.transport.addresses import is_loopback
from holdfast.transport.causes import explain
from holdfast.transport.errors import AddressInvalid, CallFailed
from holdfast.transport.https import Response, loaded, retry_after_s, socket_options

if TYPE_CHECKING:
    import httpx

MOST_REPLY = 64 << 10
KEEP_ALIVE_S = 20.0


def require_web_address(url: str, *, may_be_plain: bool) -> str:
    """See that a text is the URL of a server that may be told.

    Raises:
        AddressInvalid: when it's none, or speaks plain HTTP to another machine and that wasn't allowed. It names no
            path, as that may be a secret.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise AddressInvalid(f"this is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise AddressInvalid("expected https://host[:port]/path, with no user or password in it")
    if parts.scheme == "http" and not may_be_plain and not is_loopback(parts.hostname):
        raise AddressInvalid(f"http:// to {parts.hostname} can be read on the way: write https://, or `plain: true`")
    return url


def host_of(url: str) -> str:
    """What may be shown of a URL: its path may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class Poster:
    """Calls foreign servers. Make it on the loop; after `close` no call may be made."""

    def __init__(self, tls: ssl.SSLContext, ca: str, timeout_s: float, proxy: str | None = None) -> None:
        """Open nothing yet. ca: whom `tls` trusts, for error messages; timeout_s: for a whole call."""
        library = loaded()
        self._tls, self._ca, self._timeout_s = tls, ca, timeout_s
        limits = library.Limits(max_connections=4, max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE_S)
        transport = library.AsyncHTTPTransport(
            verify=tls, limits=limits, proxy=proxy, socket_options=socket_options(timeout_s)
        )
        self._client: httpx.AsyncClient = library.AsyncClient(
            transport=transport, timeout=timeout_s, trust_env=False, follow_redirects=False
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """POST; any status is an answer. Of the reply at most `MOST_REPLY` bytes are kept, the rest isn't read.

        Raises:
            CallFailed: when the server can't be reached, or is silent; whether it acted is unknown.
            PeerUntrusted: when its certificate isn't trusted; nothing was sent.
        """
        library, host = loaded(), host_of(url)
        request = self._client.build_request("POST", url, content=body, headers=dict(headers))
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._client.send(request, stream=True)
                try:
                    return await _read(answer)
                finally:
                    await answer.aclose()
        except TimeoutError as error:
            raise CallFailed(f"{host}: no answer in time") from error
        except (library.HTTPError, library.StreamError, library.InvalidURL, ssl.SSLError, OSError) as error:
            raise explain(error, host, self._ca) from error

    async def close(self) -> None:
        """Close the kept connections."""
        await self._client.aclose()


async def _read(answer: "httpx.Response") -> Response:
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > MOST_REPLY:
            break
    pause = retry_after_s(answer.headers.get("retry-after"), answer.headers.get("date"))
    return Response(answer.status_code, bytes(body[:MOST_REPLY]), pause)

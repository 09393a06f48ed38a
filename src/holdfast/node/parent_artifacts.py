"""Artifacts from the parent, in ranges over HTTPS; what the link may carry of them beside the readings."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote

import msgspec

from holdfast.artifacts.errors import ArtifactAbsent, ParentLied
from holdfast.artifacts.ports import Coming
from holdfast.artifacts.ranges import Span, told
from holdfast.identity.errors import TokenUnusable
from holdfast.identity.tokens import read_token
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.model.lane import Lane
from holdfast.node.parent_link import BUSY_S, SLOW_S, STRANGER
from holdfast.storage.errors import StorageError
from holdfast.transport.errors import CallFailed, TransportError
from holdfast.transport.https import HttpsClient, Stream
from holdfast.transport.tls import client_context
from holdfast.uplink.levels import Level
from holdfast.uplink.pacing import CALL_BYTES, Pacing
from holdfast.uplink.settings import ParentSettings
from holdfast.wire.errors import LinkDown, LinkRefused

PATH = "/api/v1/artifacts/"
NAME = "holdfast-name"
MOST_FAILURE = 4_000
SPANS = {Level.WIDE: 8 << 20, Level.NARROW: 256 << 10, Level.TRICKLE: 64 << 10}
"""Bytes asked for at once."""
TRICKLE_S = 30.0


class HttpsParentArtifacts:
    """Implements `artifacts.ports.ParentArtifacts`."""

    def __init__(self, parent: ParentSettings, path: Callable[[str], Path], connections: int) -> None:
        """Read the CA and the token; connect to nothing yet. Raises like `HttpsParentLink`."""
        ca = path(parent.ca)
        self._token_file = path(parent.token_file)
        read_token(self._token_file)
        self._client = HttpsClient(
            parent.url, client_context(ca), ca=str(ca), timeout_s=parent.timeout, connections=connections
        )

    @asynccontextmanager
    async def read(self, digest: str, start: int, end: int | None) -> AsyncIterator[Coming]:
        """See the port."""
        try:
            token = read_token(self._token_file)
        except (StorageError, TokenUnusable) as error:
            raise LinkRefused(str(error), SLOW_S) from error
        headers = {
            "Authorization": f"Bearer {token.text}",
            "Accept-Encoding": "identity",
            "Range": f"bytes={start}-{'' if end is None else end - 1}",
            "If-Range": f'"{digest}"',
        }
        try:
            async with self._client.get(PATH + digest, headers) as answer:
                if answer.status not in (200, 206, 416):
                    await _refuse(answer, digest)
                yield _coming(answer, digest, start, end)
        except CallFailed as error:
            raise LinkDown(str(error)) from error
        except TransportError as error:
            raise LinkRefused(f"{error}; {error.hint}" if error.hint else str(error), SLOW_S) from error

    async def close(self) -> None:
        """Close the kept connections."""
        await self._client.close()


class UplinkPace:
    """Implements `artifacts.ports.Pace`: bulk of the link, under its budget and hours, and never more than half of it.

    A narrow link rests after each request for as long as that took; one that trickles carries a block now and then.
    """

    def __init__(self, pacing: Pacing, clock: Clock) -> None:
        """pacing: of the uplink."""
        self._pacing, self._clock = pacing, clock
        self._rests_until = 0.0

    def pause_s(self) -> float:
        """See the port."""
        wall_ns = self._clock.wall_ns()
        closed_s = (self._pacing.budget.opens_at(wall_ns, Lane.BULK) - wall_ns) / NS_PER_S
        return max(0.0, closed_s, self._rests_until - self._clock.monotonic())

    def span(self) -> int:
        """See the port."""
        return SPANS[self._pacing.level]

    def carried(self, size: int, seconds: float) -> None:
        """See the port."""
        level, now = self._pacing.level, self._clock.monotonic()
        self._pacing.budget.spent(size + CALL_BYTES, Lane.BULK, self._clock.wall_ns())
        rest_s = {Level.WIDE: 0.0, Level.NARROW: seconds, Level.TRICKLE: max(seconds, TRICKLE_S)}[level]
        self._rests_until = max(self._rests_until, now + rest_s)


async def _refuse(answer: Stream, digest: str) -> None:
    body = bytearray()
    async for piece in answer.pieces:
        body += piece
        if len(body) > MOST_FAILURE:
            break
    try:
        said = str(msgspec.json.decode(bytes(body))["error"])[:200]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError):
        said = "no reason given"
    if answer.status == 404:
        if b"artifact" not in bytes(body) and said == "not found":
            raise LinkRefused("it has no artifacts: its version is older", SLOW_S)
        raise ArtifactAbsent(f"the parent has no {digest[:12]}… either: {said}")
    if answer.status in STRANGER:
        raise LinkRefused(STRANGER[answer.status], SLOW_S)
    pause_s = answer.retry_after_s
    raise LinkRefused(f"status {answer.status}: {said}", BUSY_S if pause_s is None else pause_s)


def _coming(answer: Stream, digest: str, start: int, end: int | None) -> Coming:
    """What an answer holds, if it's what was asked for."""
    headers = answer.headers
    tag = headers.get("etag")
    if tag is not None and tag != f'"{digest}"':
        raise ParentLied(f"it calls {digest[:12]}… {tag[:80]}")
    length, name = headers.get("content-length", ""), unquote(headers.get(NAME, ""))
    name = name if name.isprintable() else ""
    if answer.status == 200 and length.isdigit() and (start == 0 or int(length) == 0):
        return Coming(Span(0, int(length)), int(length), answer.pieces, name)
    if answer.status == 416 and headers.get("content-range", "").strip().lower() == "bytes */0":
        return Coming(Span(0, 0), 0, answer.pieces, name)
    found = told(headers.get("content-range", "")) if answer.status == 206 else None
    if found is None:
        raise ParentLied(f"it answered {answer.status} to bytes {start}-{end}")
    span, size = found
    if span.start != start or span.end != min(size, size if end is None else end):
        raise ParentLied(f"it answered bytes {span.start}-{span.end} of {size} to {start}-{end}")
    if length and length != str(len(span)):
        raise ParentLied(f"it answers {length} bytes, and says that they are {len(span)}")
    return Coming(span, size, answer.pieces, name)

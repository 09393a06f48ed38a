"""Messages to the parent beside the uplink's: packed, over a connection of their own. Commands, devices, documents."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec

from holdfast.identity.errors import TokenUnusable
from holdfast.identity.tokens import read_token
from holdfast.node.parent_link import SLOW_S, STRANGER, call
from holdfast.storage.errors import StorageError
from holdfast.transport.https import HttpsClient
from holdfast.transport.tls import client_context
from holdfast.uplink.breaker import Breaker
from holdfast.uplink.settings import ParentSettings
from holdfast.wire.errors import LinkRefused

PACKED = "application/vnd.msgpack"
M = TypeVar("M")


class ParentCalls:
    """Calls of one kind, over one kept connection."""

    def __init__(
        self, parent: ParentSettings, path: Callable[[str], Path], absent: str, max_reply: int, wait_s: float = 0.0
    ) -> None:
        """Read the CA and the token; connect to nothing yet. Raises like `HttpsParentLink`.

        path: makes a path of node.yaml absolute; absent: what a parent lacks that answers 404
        wait_s: how long the parent may keep an answer back, so that silence is no dead link
        """
        ca = path(parent.ca)
        self._token_file = path(parent.token_file)
        read_token(self._token_file)
        self._sentences = {**STRANGER, 404: absent}
        self._client = HttpsClient(
            parent.url,
            client_context(ca),
            ca=str(ca),
            timeout_s=wait_s + parent.timeout,
            connections=1,
            max_reply=max_reply,
        )

    async def ask(self, path: str, message: msgspec.Struct, into: type[M]) -> M:
        """The answer to a message; reads the token file each time, so a new token needs no restart.

        Raises:
            LinkDown: no answer came.
            LinkRefused: an answer that is not the protocol's, or the token can't be read.
        """
        try:
            token = read_token(self._token_file)
        except (StorageError, TokenUnusable) as error:
            raise LinkRefused(str(error), SLOW_S) from error
        answer = await call(self._client, token, path, msgspec.msgpack.encode(message), PACKED, self._sentences)
        try:
            return msgspec.msgpack.decode(answer.body, type=into)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise LinkRefused(
                f"what answers there is no Holdfast node of a fitting version ({error})", SLOW_S
            ) from error

    async def close(self) -> None:
        """Close the kept connection."""
        await self._client.close()


def breaker_of(parent: ParentSettings) -> Breaker:
    """A breaker for one kind of calls."""
    return Breaker(parent.trip_after, parent.backoff_min, parent.backoff_max, Random())

"""What the uplink needs of the world."""

from typing import Protocol

from holdfast.wire.messages import BatchReply, Fetch, Hello, Welcome


class ParentLink(Protocol):
    """The parent, as two calls. Up to one batch per lane is in flight at once; none after `close`."""

    @property
    def sent_bytes(self) -> int:
        """Bytes of requests since the start, before TLS."""
        ...

    async def hello(self, hello: Hello) -> Welcome:
        """Open a session.

        Raises:
            LinkDown: no answer came.
            LinkRefused: an answer that is not the protocol's (429, 503, wrong token).
        """
        ...

    async def batch(self, body: bytes) -> BatchReply:
        """Offer a batch; raises like `hello`. After `LinkDown` whether it was applied is unknown: offer it again."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class ParentStore(Protocol):
    """The parent as a place where own rows are."""

    async def fetch(self, wanted: Fetch) -> bytes | None:
        """Have own rows back, as the body of a batch; None when the parent hasn't all of them. Raises like `hello`."""
        ...

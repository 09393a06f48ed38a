"""What a child and its parent say to each other about shared documents. Append only, like `messages`.

The updates and state vectors inside are Yjs', encoding v1.
"""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from holdfast.wire.errors import WireError

DocumentName = Annotated[str, Meta(min_length=1, max_length=127)]
Version = Annotated[str, Meta(max_length=64)]
# What a message may have beside its update.
MOST_BESIDE = 1 << 20
M = TypeVar("M")


class DocumentAsk(Struct, frozen=True):
    """One exchange. state: what the child has; update: what the parent may lack; seen: the parent's version it has."""

    name: DocumentName
    state: bytes
    update: bytes = b""
    seen: Version = ""


class DocumentReply(Struct, frozen=True):
    """The parent's side. status: `merged`; `gap`: the update built on edits missing here; `refused`: `detail` says why.

    version, state: the parent's, after the merge; update: what the child lacks, empty where it lacks nothing
    """

    status: Literal["merged", "gap", "refused"]
    version: Version = ""
    state: bytes = b"\x00"
    update: bytes = b""
    detail: str = ""


class NewsAsk(Struct, frozen=True):
    """Is there news? known: digest of the versions the parent last told; wait_s: it may hold the answer so long."""

    patterns: Annotated[tuple[Annotated[str, Meta(max_length=255)], ...], Meta(max_length=256)]
    known: bytes = b""
    wait_s: Annotated[float, Meta(ge=0, le=600)] = 0.0


class News(Struct, frozen=True):
    """versions: of every document that the child may exchange, None = they are those it knows."""

    versions: dict[str, str] | None = None


def packed(message: Struct) -> bytes:
    """A message as bytes (msgpack)."""
    return msgspec.msgpack.encode(message)


def unpacked(body: bytes, into: type[M]) -> M:
    """A message from bytes.

    Raises:
        WireError: when they aren't one.
    """
    try:
        return msgspec.msgpack.decode(body, type=into)
    except msgspec.MsgspecError as error:
        raise WireError(f"not a {into.__name__}: {error}") from error

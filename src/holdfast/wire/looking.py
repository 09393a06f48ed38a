"""A look at a child's own pages through its parent: one GET, asked over the questions' way. Append only.

The parent puts a `Call` into an `Ask`, only to a child whose `Poll` says that it takes them: an older child would
answer the rest of the question. The answer is one sealed stream: `CallHeader`, then the body as it is.
"""

from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from holdfast.wire.errors import WireError
from holdfast.wire.frame import Effort, seal, unseal

MAX_PATH, MAX_QUERY = 600, 4_000
MAX_REPLY = 4 << 20
"""Of a body, unpacked."""
MOST_HOLD_S = 20.0
_MAX_HEADER = 8 << 10


class Call(Struct, frozen=True, omit_defaults=True):
    """What is looked at: a path below `/api/v1/`, such as `devices`, and the query as it stands in the URL.

    hold_s: wait so long for an answer with another digest than `seen`, and answer 304 without a body if none came;
            the child decides how often it looks for one, longer on a poor link; an older one answers at once
    """

    path: Annotated[str, Meta(min_length=1, max_length=MAX_PATH)]
    query: Annotated[str, Meta(max_length=MAX_QUERY)] = ""
    seen: Annotated[str, Meta(max_length=32)] = ""
    hold_s: Annotated[float, Meta(ge=0, le=MOST_HOLD_S)] = 0.0


class CallHeader(Struct, frozen=True, omit_defaults=True):
    """What stands before the body. status: HTTP's; kind: the body's media type; digest: of the body, if it's held."""

    id: Annotated[str, Meta(min_length=1, max_length=128)]
    status: Annotated[int, Meta(ge=100, le=599)]
    kind: Annotated[str, Meta(max_length=200)] = "application/json"
    digest: Annotated[str, Meta(max_length=32)] = ""


class CallReply(NamedTuple):
    """What a child answered."""

    header: CallHeader
    body: bytes


_headers = msgspec.json.Decoder(CallHeader)


def encode_reply(header: CallHeader, body: bytes) -> bytes:
    """The body of an answer to a call."""
    return seal(msgspec.json.encode(header), body or b" ", Effort.USUAL)  # a stream can't be empty


def decode_reply(body: bytes) -> CallReply:
    """Open an answer that came from outside.

    Raises:
        WireError: when it is none, or beyond the limits; nothing large was allocated before.
    """
    if len(body) > MAX_REPLY + _MAX_HEADER:
        raise WireError(f"the answer has {len(body)} bytes; at most {MAX_REPLY} are allowed")
    head, content = unseal(body, _MAX_HEADER, MAX_REPLY)
    try:
        header = _headers.decode(head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"the answer's header can't be read: {error}") from error
    return CallReply(header, bytes(content))

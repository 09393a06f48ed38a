"""What goes over the live channel: JSON text frames. Append only: fields keep name, type and meaning."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

Topic = Literal["status", "last", "readings", "alerts", "devices", "events", "logs"]
MOST_MESSAGE = 64 << 10
"""Bytes of a client's frame."""
MOST_EXACT = 50
MOST_ROWS = 5_000
_Id = Annotated[str, Meta(min_length=1, max_length=64)]
_Name = Annotated[str, Meta(min_length=1, max_length=1_000)]


class Watch(Struct, frozen=True, tag="watch", tag_field="do", forbid_unknown_fields=True):
    """Tell me of this; an id that is in use is taken over.

    series:   `last`: patterns, all by default; `readings`: names
    match:    `devices`: a pattern of names
    limit:    `last`, `devices`: at most so many rows
    every_ms: no more often than this
    """

    id: _Id
    topic: Topic
    series: Annotated[tuple[_Name, ...], Meta(max_length=MOST_EXACT)] = ()
    match: Annotated[str, Meta(max_length=200)] = "*"
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = 1_000
    every_ms: Annotated[int, Meta(ge=0, le=600_000)] = 0


class Unwatch(Struct, frozen=True, tag="unwatch", tag_field="do", forbid_unknown_fields=True):
    """Tell me no more of it."""

    id: _Id


class Seen(Struct, frozen=True, tag="seen", tag_field="do", forbid_unknown_fields=True):
    """I have handled all frames up to this one."""

    n: Annotated[int, Meta(ge=0)]


Asked = Watch | Unwatch | Seen
_asked = msgspec.json.Decoder(Watch | Unwatch | Seen)


def asked(text: str) -> Asked:
    """A client's frame.

    Raises:
        msgspec.MsgspecError: when it's none.
    """
    said: Asked = _asked.decode(text)
    return said


class Trouble(Struct, frozen=True):
    """Why a watch tells nothing."""

    error: str
    hint: str = ""


class Frame(Struct, frozen=True, omit_defaults=True):
    """What a viewer is told. n: its number; data, errors: by the id of the watch."""

    n: int
    now_ns: int
    data: dict[str, Raw] = {}
    errors: dict[str, Trouble] = {}


class LiveLast(Struct, frozen=True, gc=False):
    """A series' newest reading; ts None = there is none yet."""

    name: str
    ts: int | None
    value: float | int | bool | str | None
    quality: str | None
    reason: str | None
    unit: str


def joined(rows: list[bytes]) -> bytes:
    """Encoded rows as one JSON list."""
    return b"[" + b",".join(rows) + b"]"

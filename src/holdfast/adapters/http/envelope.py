"""Many messages in one body: a JSON array, or an object a line (NDJSON). Pure.

An entry is `{"topic": …}` with exactly one of `payload` (any JSON, handed on as it's written), `payload_text` (a text,
as its UTF-8) and `payload_base64` (any bytes). A body is read whole or not at all.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from holdfast.adapters.http.errors import BodyInvalid, BodyTooLarge, TopicUnusable

MOST_MESSAGES = 10_000
"""In one body."""
MOST_TOPIC = 1_024
"""Bytes of a topic."""
_NONE = Raw()
_LIST, _OBJECT = b"[", b"{"
_SPACES = b" \t\r\n"


class Message(NamedTuple):
    """A payload for a topic."""

    topic: str
    payload: bytes


class _Entry(Struct, forbid_unknown_fields=True):
    topic: str
    payload: Raw = _NONE
    payload_text: str | None = None
    payload_base64: str | None = None


_entry = msgspec.json.Decoder(_Entry)
_entries = msgspec.json.Decoder(list[_Entry])
_HINT = 'as `[{"topic": "a/b", "payload": {"temp": 21.5}}]`, or such an object a line'


def messages_of(body: bytes) -> list[Message]:
    """The messages of a batch, in order.

    Raises:
        BodyInvalid: it can't be read, and where.
        BodyTooLarge: it has more messages than are taken at once.
        TopicUnusable: a topic can't be one.
    """
    start = body.lstrip(_SPACES)[:1]
    if not start:
        raise BodyInvalid("the body is empty", _HINT)
    if start not in (_LIST, _OBJECT):
        raise BodyInvalid("the body is neither a JSON array nor an object a line", _HINT)
    entries = _array(body) if start == _LIST else _lines(body)
    if len(entries) > MOST_MESSAGES:
        raise BodyTooLarge(f"the body has {len(entries)} messages", f"send at most {MOST_MESSAGES} at once")
    return [_message(entry, place) for place, entry in enumerate(entries)]


def lines_of(body: bytes) -> list[bytes]:
    """The lines that aren't empty: payloads of one topic.

    Raises:
        BodyTooLarge: there are more than are taken at once.
    """
    lines = [line for line in body.replace(b"\r\n", b"\n").split(b"\n") if line.strip(_SPACES)]
    if len(lines) > MOST_MESSAGES:
        raise BodyTooLarge(f"the body has {len(lines)} messages", f"send at most {MOST_MESSAGES} at once")
    return lines


def topic_fault(topic: str) -> str:
    """Why something can't be the topic of a message; empty = it can (as MQTT 5 §4.7 has it)."""
    if not topic:
        return "the topic is empty"
    try:
        size = len(topic.encode())
    except UnicodeEncodeError:
        return "the topic is no UTF-8"
    if size > MOST_TOPIC:
        return f"the topic has {size} bytes, over {MOST_TOPIC}"
    if any(one in topic for one in "+#\0"):
        return "a topic has no +, # or NUL"
    return "topics that begin with $ are the node's own" if topic[0] == "$" else ""


def _array(body: bytes) -> Sequence[_Entry]:
    try:
        return _entries.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BodyInvalid(f"the body can't be read: {error}", _HINT) from error


def _lines(body: bytes) -> Sequence[_Entry]:
    found = list[_Entry]()
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip(_SPACES):
            continue
        try:
            found.append(_entry.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BodyInvalid(f"line {number} can't be read: {error}", _HINT) from error
        if len(found) > MOST_MESSAGES:
            raise BodyTooLarge(f"the body has over {MOST_MESSAGES} messages", "send fewer at once")
    return found


def _message(entry: _Entry, place: int) -> Message:
    if fault := topic_fault(entry.topic):
        raise TopicUnusable(f"message {place}: {fault}", "levels parted by /, as in `site/room-1/telemetry`")
    said = (entry.payload is not _NONE) + (entry.payload_text is not None) + (entry.payload_base64 is not None)
    if said != 1:
        raise BodyInvalid(f"message {place} needs exactly one of payload, payload_text and payload_base64", _HINT)
    if entry.payload_text is not None:
        return Message(entry.topic, entry.payload_text.encode())
    if entry.payload_base64 is None:
        return Message(entry.topic, bytes(entry.payload))
    try:
        return Message(entry.topic, base64.b64decode(entry.payload_base64, validate=True))
    except (binascii.Error, ValueError) as error:
        raise BodyInvalid(f"message {place}: payload_base64 is no base64", _HINT) from error

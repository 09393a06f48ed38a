"""CBOR (RFC 8949) and MessagePack, untyped and bounded."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from io import BytesIO
from typing import Any, NoReturn

import cbor2
import msgspec

from holdfast.codecs.refused import Refused, malformed
from holdfast.codecs.reject import RejectReason

MAX_DEPTH = 32
_MAX_LOOSE = 64 * 1024
_msgpack = msgspec.msgpack.Decoder(ext_hook=lambda code, data: None).decode  # noqa: ARG005  # the hook's names
"""Bytes of CBOR in which map keys may be numbers: of more, somebody could choose keys that collide and take minutes."""


def decode_cbor(payload: bytes) -> Any:
    """The one data item that `payload` holds; map keys are text or numbers, tags 25, 28, 29, 35 and 256 are refused.

    Raises:
        Refused: when it's no well-formed CBOR or nests too deep.
    """
    if not payload:
        malformed("empty")
    stream = BytesIO(payload)
    try:
        value = cbor2.CBORDecoder(
            stream,
            max_depth=MAX_DEPTH,
            semantic_decoders=_TAGS,
            strict_hashable_types=len(payload) > _MAX_LOOSE,
        ).decode()
    except (cbor2.CBORDecodeError, UnicodeDecodeError, ValueError, TypeError, OverflowError) as error:
        text = str(error)
        if "nesting depth" in text:
            raise Refused(RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}") from None
        malformed(f"not CBOR: {text}")
    if stream.tell() != len(payload):
        malformed(f"not CBOR: {len(payload) - stream.tell()} bytes after the end")
    return value


def decode_msgpack(payload: bytes) -> Any:
    """The one value that `payload` holds; extension types other than the timestamp become None.

    Raises:
        Refused: when it's no MessagePack or nests too deep.
    """
    try:
        return _msgpack(payload)
    except RecursionError:
        raise Refused(RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError, OverflowError) as error:
        malformed(f"not MessagePack: {error}" if payload else "empty")


def _refuse(*_: Any) -> NoReturn:
    msg = "a shared reference or pattern, which no reading needs"
    raise ValueError(msg)


def _extended_time(*said: Any) -> Any:
    """Tag 1001 (RFC 9581 §3): a map whose 1 is POSIX time and whose -3, -6 or -9 is what follows the second."""
    told = next((one for one in said if isinstance(one, Mapping)), {})
    seconds = told.get(1)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | Decimal):
        msg = "an extended time without its key 1, seconds since 1970"
        raise ValueError(msg)  # noqa: TRY004 - what a decoder's hook may raise
    parts = sum(Fraction(int(told.get(-digits, 0)), 10**digits) for digits in (3, 6, 9))
    whole, rest = divmod(Fraction(seconds) + parts, 1)
    return datetime.fromtimestamp(int(whole), UTC) + timedelta(microseconds=int(rest * 1_000_000))


_TAGS: dict[int, Any] = {**dict.fromkeys((25, 28, 29, 35, 256), _refuse), 1001: _extended_time}

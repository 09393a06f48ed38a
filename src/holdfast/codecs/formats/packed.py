"""CBOR (RFC 8949) and MessagePack, untyped and bounded."""

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
            semantic_decoders=_REFUSED_TAGS,
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


_REFUSED_TAGS: dict[int, Any] = dict.fromkeys((25, 28, 29, 35, 256), _refuse)

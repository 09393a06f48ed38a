"""`Content-Encoding`: bodies unpacked, never beyond a bound. Pure.

Sources: RFC 9110 §8.4.1 (gzip, deflate), RFC 8878 (zstd).
"""

import zlib

import zstandard

from holdfast.adapters.http.errors import BodyInvalid, BodyTooLarge, KindUnknown

_MOST_MEMBERS = 1_000
_WINDOW = 8 << 20
"""RFC 9659: what a decoder of HTTP bodies has to have."""
_STEP = 128
"""Bytes unpacked at once: one of zstd may stand for 32 kB, so that at most 4 MB are held beyond the bound."""
_WBITS = {"gzip": 31, "x-gzip": 31, "deflate": zlib.MAX_WBITS}


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """The body as it was before its `Content-Encoding`. most: bytes.

    Raises:
        KindUnknown: it's packed in a way, or more than once, that isn't taken.
        BodyInvalid: it's damaged or cut off.
        BodyTooLarge: it would be larger than `most`.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name in _WBITS:
        return _inflated(body, _WBITS[name], most)
    if name == "zstd":
        return _zstd(body, most)
    hint = "send it with `Content-Encoding: gzip`, `deflate` or `zstd`, or as it is"
    raise KindUnknown(f"bodies in {name[:40]!r} aren't taken", hint)


def _inflated(body: bytes, wbits: int, most: int) -> bytes:
    """A gzip file may be several members on end (RFC 1952 §2.2)."""
    out, left, rest = list[bytes](), most, body
    try:
        for _ in range(_MOST_MEMBERS):
            stream = zlib.decompressobj(wbits)
            piece = stream.decompress(rest, left + 1)
            if len(piece) > left:
                raise _too_large(most)
            if not stream.eof:
                raise BodyInvalid("the packed body is cut off", "send it again")
            out.append(piece)
            left, rest = left - len(piece), stream.unused_data
            if not rest:
                return b"".join(out)
    except zlib.error as error:
        raise BodyInvalid(f"the packed body is damaged: {error}", "is its `Content-Encoding` right?") from error
    raise BodyInvalid(f"the packed body has more than {_MOST_MEMBERS} members", "pack it as one")


def _zstd(body: bytes, most: int) -> bytes:
    stream = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj(read_across_frames=False)
    out, size = list[bytes](), 0
    try:
        for start in range(0, len(body), _STEP):
            if stream.eof:
                raise BodyInvalid("something follows the packed body", "send one frame")
            out.append(stream.decompress(body[start : start + _STEP]))
            size += len(out[-1])
            if size > most:
                raise _too_large(most)
    except zstandard.ZstdError as error:
        raise BodyInvalid(f"the packed body is damaged: {error}", "is its `Content-Encoding` right?") from error
    if not stream.eof:
        raise BodyInvalid("the packed body is cut off", "send it again")
    if stream.unused_data:
        raise BodyInvalid("something follows the packed body", "send one frame")
    return b"".join(out)


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {most} bytes once it is unpacked", "send less at once")

"""Parses many payloads into one type, and tells for each bad one why it is bad.

Each payload is parsed alone, by a C-level `map` over the typed decoder: no loop in Python while they're good, one
exception for each bad one, and no way for one message to reach into another (ADR 5).
"""

import re
from collections.abc import Sequence
from functools import partial
from operator import length_hint, methodcaller
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.profiles import Decode
from holdfast.codecs.refused import Refused
from holdfast.codecs.reject import Fault, RejectReason, shorten
from holdfast.codecs.settings import Format

MAX_BYTES = 256_000
MAX_DEPTH = 32
_FEW = 64
_objects, _arrays = methodcaller("count", b"{"), methodcaller("count", b"[")
_OPENERS = (ord("{"), ord("["))
_NO_NUMBER = re.compile(rb"[:,\[]\s*[+-]?(NaN|nan|Infinity|inf)\b")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


class PayloadParser:
    """Parses payloads of one type."""

    def __init__(self, payload: Any, format_: Format = "json", decode: Decode | None = None) -> None:
        """decode: for formats that msgspec doesn't read itself; gives what is then checked against the type."""
        self._is_text = format_ == "json"
        self._explain = explain_json if self._is_text else explain_binary
        if self._is_text:
            self._decode: Decode = msgspec.json.Decoder(payload).decode
        elif decode is None:
            self._decode = msgspec.msgpack.Decoder(payload).decode
        else:
            self._decode = partial(_convert, decode, payload)

    def parse(self, payloads: Sequence[bytes]) -> tuple[list[Any], list[int], list[Fault]]:
        """The parsed payloads, their positions in `payloads` (ascending), and the faults of all others."""
        faults = bounds_faults(payloads) if self._is_text else size_faults(payloads)
        bad = {fault.at for fault in faults}
        kept = [i for i in range(len(payloads)) if i not in bad]
        candidates = [payloads[i] for i in kept] if bad else list(payloads)
        items: list[Any] = []
        rest = iter(candidates)
        while length_hint(rest):
            try:
                items.extend(map(self._decode, rest))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Refused) as error:
                # what came before is in `items`; the iterator stands behind the bad one
                at = kept[len(candidates) - length_hint(rest) - 1]
                faults.append(Fault(at, *self._explain(payloads[at], error)))
        if len(items) == len(payloads):
            return items, kept, faults
        bad = {fault.at for fault in faults}
        return items, [i for i in kept if i not in bad], faults


def _convert(decode: Decode, type_: Any, payload: bytes) -> Any:
    return msgspec.convert(decode(payload), type_, str_keys=True)


_any = msgspec.json.Decoder(msgspec.Raw).decode


def explain_json(payload: bytes, error: Exception) -> tuple[RejectReason, str]:
    """Why a payload was refused that should have been JSON."""
    if isinstance(error, RecursionError):
        return RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}"
    if isinstance(error, UnicodeDecodeError):
        return RejectReason.MALFORMED, "not UTF-8"
    text = str(error)
    if "out of range" in text or _NO_NUMBER.search(payload):
        return RejectReason.NOT_A_NUMBER, shorten(f"a value is not a finite number: {text}")
    if isinstance(error, msgspec.ValidationError) and _is_json(payload):
        return _mistyped(text)
    return RejectReason.MALFORMED, shorten(f"not JSON: {text}") if payload.strip() else "empty"


def explain_binary(payload: bytes, error: Exception) -> tuple[RejectReason, str]:
    """Why a payload of another format was refused."""
    if isinstance(error, Refused):
        return error.reason, error.detail
    if isinstance(error, RecursionError):
        return RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}"
    if isinstance(error, msgspec.ValidationError):
        return _mistyped(str(error))
    return RejectReason.MALFORMED, shorten(f"not MessagePack: {error}") if payload else "empty"


def _mistyped(text: str) -> tuple[RejectReason, str]:
    is_missing = "missing required field" in text
    return RejectReason.MISSING_FIELD if is_missing else RejectReason.WRONG_TYPE, shorten(text)


def _is_json(payload: bytes) -> bool:
    try:
        _any(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def size_faults(payloads: Sequence[bytes]) -> list[Fault]:
    """The payloads that are too large."""
    sizes = enumerate(map(len, payloads))
    return [Fault(i, RejectReason.TOO_LARGE, _too_large(n)) for i, n in sizes if n > MAX_BYTES]


def _too_large(size: int) -> str:
    return f"{size} bytes; at most {MAX_BYTES} are taken"


def bounds_faults(payloads: Sequence[bytes]) -> list[Fault]:
    """The payloads that are too large, nested too deep, or not UTF-8; found before anything is parsed."""
    if len(payloads) <= _FEW and are_plain(payloads):
        return []
    sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
    faults = [
        Fault(int(i), RejectReason.TOO_LARGE, _too_large(int(sizes[i]))) for i in np.flatnonzero(sizes > MAX_BYTES)
    ]
    whole = list(payloads) if not faults else [p if len(p) <= MAX_BYTES else b"" for p in payloads]
    together = b"".join(whole)
    if not together.isascii():
        faults.extend(Fault(i, RejectReason.MALFORMED, "not UTF-8") for i, p in enumerate(whole) if not _is_utf8(p))
    # 33 levels need at least 33 openers: only a payload with so many is looked at closer.
    if len(together) > MAX_DEPTH:
        many = np.flatnonzero(_openers(together, np.where(sizes > MAX_BYTES, 0, sizes)) > MAX_DEPTH).tolist()
        told = {fault.at for fault in faults}
        deep = [i for i in many if i not in told and depth(payloads[i]) > MAX_DEPTH]
        faults.extend(Fault(i, RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}") for i in deep)
    return faults


def are_plain(payloads: Sequence[bytes]) -> bool:
    """Surely within all bounds; False tells nothing. For the few where columns cost more."""
    openers = max(map(_objects, payloads), default=0) + max(map(_arrays, payloads), default=0)
    return openers <= MAX_DEPTH and max(map(len, payloads), default=0) <= MAX_BYTES and b"".join(payloads).isascii()


def depth(payload: bytes) -> int:
    """How deep brackets nest outside of strings. Linear in the payload."""
    plain = np.frombuffer(_STRINGS.sub(b"", payload), np.uint8)
    steps = np.isin(plain, _OPENERS).astype(np.int64) - np.isin(plain, (ord("}"), ord("]")))
    return int(np.cumsum(steps).max(initial=0))


def _openers(together: bytes, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Opening brackets of each of some payloads that lie behind one another, strings included."""
    every = np.frombuffer(together, np.uint8)
    at = np.flatnonzero((every == _OPENERS[0]) | (every == _OPENERS[1]))
    return np.bincount(np.searchsorted(np.cumsum(sizes), at, side="right"), minlength=len(sizes))


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True

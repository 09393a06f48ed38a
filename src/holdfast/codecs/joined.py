"""Decodes many payloads with one msgspec call, and tells for each bad one why it is bad.

Payloads are joined with a separator element that holds a per-process random nonce: `[p0,"nonce",p1,"nonce",p2]`. Only
if the result alternates payload, nonce, payload … were the payloads whole values of their own; with bare commas
`{"a":1},{"b":2}` in one message, or two halves of an object in two, would shift other devices' messages. Otherwise the
list is halved until the bad ones stand alone.
"""

import re
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.reject import Fault, RejectReason, shorten

MAX_BYTES = 256_000
MAX_DEPTH = 32
_OPENERS = (ord("{"), ord("["))
_NO_NUMBER = re.compile(rb"[:,\[]\s*[+-]?(NaN|nan|Infinity|inf)\b")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


class JoinedDecoder:
    """Decodes lists of payloads of one type. Not thread-safe."""

    def __init__(self, payload: Any) -> None:
        self._nonce = secrets.token_hex(8)
        self._separator = f',"{self._nonce}",'.encode()
        self._many = msgspec.json.Decoder(list[payload | str])
        self._one = msgspec.json.Decoder(payload)

    def decode(self, payloads: Sequence[bytes]) -> tuple[list[Any], list[int], list[Fault]]:
        """The decoded payloads, their positions in `payloads` (ascending), and the faults of all others."""
        faults = bounds_faults(payloads)
        bad = {fault.at for fault in faults}
        kept = [i for i in range(len(payloads)) if i not in bad] if bad else list(range(len(payloads)))
        items: list[Any] = []
        positions: list[int] = []
        self._halve(payloads, kept, items, positions, faults)
        return items, positions, faults

    def _halve(
        self, payloads: Sequence[bytes], at: list[int], items: list[Any], positions: list[int], faults: list[Fault]
    ) -> None:
        if len(at) == 1:
            fault = self._single(payloads[at[0]], items)
            if fault is None:
                positions.append(at[0])
            else:
                faults.append(Fault(at[0], *fault))
            return
        found = self._whole(payloads if len(at) == len(payloads) else [payloads[i] for i in at])
        if found is not None:
            items.extend(found)
            positions.extend(at)
            return
        middle = len(at) // 2
        self._halve(payloads, at[:middle], items, positions, faults)
        self._halve(payloads, at[middle:], items, positions, faults)

    def _whole(self, payloads: Sequence[bytes]) -> list[Any] | None:
        """All of them by one call; None when any is bad."""
        if not payloads:
            return []
        try:
            mixed = self._many.decode(b"[" + self._separator.join(payloads) + b"]")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        items = mixed[::2]
        n = len(payloads)
        if len(mixed) != 2 * n - 1 or mixed[1::2] != [self._nonce] * (n - 1) or str in set(map(type, items)):
            return None
        return items

    def _single(self, payload: bytes, items: list[Any]) -> tuple[RejectReason, str] | None:
        try:
            items.append(self._one.decode(payload))
        except RecursionError:
            return RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}"
        except UnicodeDecodeError:
            return RejectReason.MALFORMED, "not UTF-8"
        except msgspec.ValidationError as error:
            return _validation(str(error))
        except msgspec.DecodeError as error:
            if "out of range" in str(error) or _NO_NUMBER.search(payload):
                return RejectReason.NOT_A_NUMBER, shorten(f"a value is not a finite number: {error}")
            return RejectReason.MALFORMED, shorten(f"not JSON: {error}" if payload else "empty")
        return None


def bounds_faults(payloads: Sequence[bytes]) -> list[Fault]:
    """The payloads that are too large or nested too deep to be parsed."""
    sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
    faults = [
        Fault(int(i), RejectReason.TOO_LARGE, f"{sizes[i]} bytes; at most {MAX_BYTES} are taken")
        for i in np.flatnonzero(sizes > MAX_BYTES)
    ]
    # 33 levels need at least 33 openers and as many closers: only longer payloads can be suspects.
    longer = np.flatnonzero((sizes > 2 * MAX_DEPTH) & (sizes <= MAX_BYTES)).tolist()
    if longer and _openers([payloads[i] for i in longer]).max() > MAX_DEPTH:
        faults.extend(
            Fault(i, RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}")
            for i in longer
            if depth(payloads[i]) > MAX_DEPTH
        )
    return faults


def _openers(payloads: Sequence[bytes]) -> NDArray[np.int64]:
    """Opening brackets of each of some non-empty payloads, strings included."""
    ends = np.cumsum(np.fromiter(map(len, payloads), np.int64, len(payloads)))
    every = np.frombuffer(b"".join(payloads), np.uint8)
    at = np.flatnonzero((every == _OPENERS[0]) | (every == _OPENERS[1]))
    return np.bincount(np.searchsorted(ends, at, side="right"), minlength=len(payloads))


def depth(payload: bytes) -> int:
    """How deep brackets nest outside of strings. Linear in the payload."""
    plain = np.frombuffer(_STRINGS.sub(b"", payload), np.uint8)
    steps = np.isin(plain, _OPENERS).astype(np.int64) - np.isin(plain, (ord("}"), ord("]")))
    return int(np.cumsum(steps).max(initial=0))


def _validation(text: str) -> tuple[RejectReason, str]:
    if "missing required field" in text:
        return RejectReason.MISSING_FIELD, shorten(text)
    if "out of range" in text:
        return RejectReason.NOT_A_NUMBER, shorten(text)
    return RejectReason.WRONG_TYPE, shorten(text)

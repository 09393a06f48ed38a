"""Bounds on payloads before they are parsed: bytes, nesting, UTF-8. Pure.

Most payloads are harmless, and that has to be cheap to see: all small ones of a batch are looked at together, as one
array of bytes. Only those with suspiciously many brackets get the exact, string-aware look.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from holdfast.codecs.reject import Fault, RejectReason

MAX_BYTES = 256_000
MAX_DEPTH = 32

_TOGETHER = 4096  # longer ones are looked at one by one, so that joining never copies more than this a message
_FEW = 24  # below this many messages a Python loop beats numpy's fixed costs
_FOLD, _BRACKET = 0xDF, 0x5B  # `[` is 0x5B and `{` is 0x7B: alike but for this bit

# A closing quote may lack, so that no text is scanned twice: linear on hostile input.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def check(payloads: Sequence[bytes]) -> list[Fault]:
    """The payloads that must not be parsed, in order."""
    if len(payloads) <= _FEW:
        return _one_by_one(payloads, range(len(payloads)))
    lengths = np.fromiter(map(len, payloads), np.int64, len(payloads))
    if int(lengths.max()) <= _TOGETHER:
        return _together(payloads, lengths)
    short = np.flatnonzero(lengths <= _TOGETHER)
    found = _together([payloads[i] for i in short], lengths[short]) if len(short) else []
    faults = [Fault(int(short[f.at]), f.reason, f.detail) for f in found]
    faults += _one_by_one(payloads, np.flatnonzero(lengths > _TOGETHER).tolist())
    return sorted(faults, key=lambda f: f.at)


def depth(payload: bytes) -> int:
    """How deeply arrays and objects nest in a JSON text."""
    bare = np.frombuffer(_STRINGS.sub(b"", payload), np.uint8) & _FOLD
    steps = (bare == _BRACKET).astype(np.int64) - (bare == _BRACKET + 2)  # `]` and `}` are two further on
    return int(np.cumsum(steps).max(initial=0))


def _one_by_one(payloads: Sequence[bytes], which: Iterable[int]) -> list[Fault]:
    faults = []
    for i in which:
        payload = payloads[i]
        if len(payload) > MAX_BYTES:
            detail = f"{len(payload)} bytes; at most {MAX_BYTES} are allowed"
            faults.append(Fault(i, RejectReason.TOO_LARGE, detail))
            continue
        many = payload.count(b"{") + payload.count(b"[") > MAX_DEPTH
        if many or not payload.isascii():
            faults += _closely(payload, i)
    return faults


def _together(payloads: Sequence[bytes], lengths: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[Fault]:
    joined = b"".join(payloads)
    opened = np.flatnonzero((np.frombuffer(joined, np.uint8) & _FOLD) == _BRACKET)
    before = np.searchsorted(opened, np.cumsum(lengths))
    suspects = {int(i) for i in np.flatnonzero(np.diff(before, prepend=0) > MAX_DEPTH)}
    if not joined.isascii():
        suspects.update(i for i, payload in enumerate(payloads) if not payload.isascii())
    return [fault for i in sorted(suspects) for fault in _closely(payloads[i], i)]


def _closely(payload: bytes, at: int) -> list[Fault]:
    nested = depth(payload)
    if nested > MAX_DEPTH:
        detail = f"nested {nested} deep; at most {MAX_DEPTH} levels are allowed"
        return [Fault(at, RejectReason.TOO_DEEP, detail)]
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError as error:
        return [Fault(at, RejectReason.MALFORMED, f"not UTF-8 text at byte {error.start}")]
    return []

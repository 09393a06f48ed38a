"""One profile at work on a few messages: as `reading` and `columns`, value by value.

A column operation costs the same for one value as for a thousand, and a device that sends a message now and then is
decoded alone: fifty such operations were most of what its message cost. This path takes only what is plain: JSON with
numbers at fixed paths, of devices whose series are known, at times that can be believed. Whatever else comes (and
whatever is refused) is left to the columns, from the start; a test holds both to the same answers.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.columns import OUT_OF_RANGE
from holdfast.codecs.devices import DeviceSlots
from holdfast.codecs.keys import key_one, word_one
from holdfast.codecs.parsing import are_plain
from holdfast.codecs.profiles import Profile
from holdfast.codecs.structs import Getter, Shape
from holdfast.codecs.times import ns_one
from holdfast.model.batch import Batch
from holdfast.model.series import Kind

FEW = 8
"""Messages up to which values beat columns."""
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class FewRead(NamedTuple):
    """The readings of a few messages, all good. Lists: one entry a message; lead: None where none told a time."""

    batch: Batch
    message: NDArray[np.int32]
    keys: list[int]
    lead: list[int] | None
    devices: list[int]


class FewReader:
    """Reads up to `FEW` messages of one profile. Loop thread only."""

    def __init__(self, profile: Profile, shape: Shape) -> None:
        """Take the profile and how to get at its payloads' parts."""
        self._profile = profile
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(shape.payload).decode
        self._columns = [
            (shape.getters[f.path], *f.meaning.line, f.meaning.low, f.meaning.high) for f in profile.fields
        ]
        self._time, self._id, self._device = (
            None if path is None else shape.getters[path]
            for path in (profile.time_path, profile.id_path, profile.device_path)
        )

    def read(
        self, payloads: Sequence[bytes], names: Sequence[str], received: Sequence[int], first: int, slots: DeviceSlots
    ) -> FewRead | None:
        """The readings; None = the columns must judge.

        names:    each message's device, as its topic names it; not looked at when payloads name theirs
        received: when each came, ns UTC
        first:    the first message's number
        """
        if not are_plain(payloads):
            return None
        try:
            items = list(map(self._decode, payloads))
        except _UNREADABLE:
            return None
        told: Sequence[int] | None = received
        if self._time is not None:
            told = self._told(self._time, items, received)
        devices = names if self._device is None else list(map(self._device, items))
        known = [slots.whole(name) for name in devices]
        if told is None or None in known:
            return None
        whole = [one for one in known if one is not None]
        keys = self._keys(items, [one.hash for one in whole], told)
        lead = None if self._time is None else [mine - ours for mine, ours in zip(told, received, strict=True)]
        batch = self._batch(items, [one.series for one in whole], told)
        width = len(self._columns)
        message = np.array([first + i for i in range(len(items)) for _ in range(width)], np.int32)
        return FewRead(batch, message, keys, lead, [one.number for one in whole])

    def _told(self, time: Getter, items: Sequence[Any], received: Sequence[int]) -> list[int] | None:
        """The time that each device told, ns UTC; None when any is no time, too old, or ahead of ours."""
        p, told = self._profile, []
        for item, ours in zip(items, received, strict=True):
            ns = ns_one(time(item), p.time_unit)
            if ns is None or ns - ours > p.future_ns or (p.stale_ns is not None and ours - ns > p.stale_ns):
                return None
            told.append(ns)
        return told

    def _keys(self, items: Sequence[Any], hashes: Sequence[int], told: Sequence[int]) -> list[int]:
        if self._profile.id_is_time:
            return [key_one(one, ns) for one, ns in zip(hashes, told, strict=True)]
        if self._id is None:
            return [0] * len(items)
        words = map(word_one, map(self._id, items))
        return [key_one(one, word) for one, word in zip(hashes, words, strict=True)]

    def _batch(self, items: Sequence[Any], series: Sequence[list[int]], told: Sequence[int]) -> Batch:
        values, codes, width = [], [], len(self._columns)
        for item in items:
            for get, a, b, low, high in self._columns:
                raw = float(get(item))
                value = raw if a == 1.0 and b == 0.0 else raw * a + b
                values.append(value)
                codes.append(0 if low <= value <= high else OUT_OF_RANGE)
        return Batch(
            np.array([one for row in series for one in row], np.int32),
            np.array([ns for ns in told for _ in range(width)], np.int64),
            np.array(values),
            np.array(codes, np.uint8),
        )


def few_reader(profile: Profile, shape: Shape) -> FewReader | None:
    """A reader of few messages; None for profiles whose values are more than numbers at fixed paths of JSON."""
    is_plain_json = profile.format == "json" and profile.decode is None and profile.records is None
    if not (is_plain_json and profile.fields) or profile.samples is not None:
        return None
    for f in profile.fields:
        m = f.meaning
        if f.optional or f.unit_path is not None or m.kind is Kind.TEXT or m.missing or m.decimals is not None:
            return None
    return FewReader(profile, shape)

"""Payloads of adapters that read typed values: what `model.points.PointMap`'s profiles read.

Values stand as the device has them; scale, unit and limits are the profile's.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from holdfast.model.points import Scalar

Quality = Literal["good", "uncertain", "bad", "offline"]
_NS_PER_US = 1_000
_encode = msgspec.json.Encoder().encode


class Point(NamedTuple):
    """A value with a quality and a time of its own. value: None = there is none; ts_ns: ns UTC, None = of receipt."""

    name: str
    value: Scalar | None
    quality: Quality = "good"
    ts_ns: int | None = None


def values_payload(device: str, ts_ns: int, values: Mapping[str, Scalar]) -> bytes:
    """Values that are all good and of one time, for `PointMap.topic`. Not-a-numbers don't belong here."""
    return _encode({**values, "device": device, "ts": ts_ns // _NS_PER_US})


def points_payload(device: str, points: Iterable[Point]) -> bytes:
    """Values with a quality and a time each, for `PointMap.topic` + `/q`."""
    return _encode({"device": device, "points": [_point(one) for one in points]})


def offline(names: Iterable[str]) -> list[Point]:
    """A device doesn't answer any more: none of its values is known."""
    return [Point(name, None, "offline") for name in names]


def _point(one: Point) -> dict[str, Scalar | None]:
    said: dict[str, Scalar | None] = {"n": one.name, "v": one.value}
    if one.quality != "good":
        said["q"] = one.quality
    if one.ts_ns is not None:
        said["ts"] = one.ts_ns
    return said

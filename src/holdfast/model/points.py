"""What a device's values mean, as people write it: in profiles, and in the maps of adapters that read typed values."""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from holdfast.kernel.scalars import Duration

ValueType = Literal["float", "int", "bool", "text"]
Scalar = bool | float | str
PointName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$")]
MapName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class ReadingSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a value in a payload means.

    unit is the payload's, `to` the stored one (default: the quantity's base). The stored value is
    `convert(raw * scale + offset)`, rounded to `decimals`; outside of min..max (in the stored unit) its quality is bad.
    missing: what the device sends when it has no value; there's no reading then
    stuck_after: a value unchanged for so long is uncertain
    """

    metric: str
    unit: str | None = None
    to: str | None = None
    type: ValueType = "float"
    scale: float = 1.0
    offset: float = 0.0
    decimals: Annotated[int, Meta(ge=0, le=12)] | None = None
    min: float | None = None
    max: float | None = None
    missing: tuple[Scalar, ...] = ()
    stuck_after: Duration | None = None


class PointSettings(ReadingSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A value of a device that an adapter reads, or is told of, by an address of its own.

    writable: commands may write it; they give the value as it's stored, within min and max
    """

    writable: bool = False


class PointMap(NamedTuple):
    """The values that devices of one make have: one profile.

    kind: the protocol, as `modbus`; name: unique within it
    """

    kind: str
    name: str
    points: Mapping[str, PointSettings]

    @property
    def topic(self) -> str:
        """Where values come that are all good; below it, on `…/q`, those with a quality and times of their own."""
        return f"points/{self.kind}/{self.name}"

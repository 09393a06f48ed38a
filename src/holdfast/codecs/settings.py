"""The profile language: what a person may write in a profile file. Data, never code."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration

TimeUnit = Literal["s", "ms", "us", "ns", "iso8601"]
ValueType = Literal["float", "int", "bool", "text"]


class ReadingSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a value in a payload means.

    unit is the payload's, `to` the stored one (default: the quantity's base). The stored value is
    `convert(raw * scale + offset)`, rounded to `decimals`; outside of min..max (in the stored unit) its quality is bad.
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


class FieldSettings(ReadingSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A reading at a fixed path; `unit_field` is the path at which the device says the unit."""

    optional: bool = False
    unit_field: str | None = None


class RecordsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An array of named records; the other keys are member names inside a record."""

    path: str
    name: str = "n"
    value: str = "v"
    bool_value: str = "vb"
    text_value: str = "vs"
    unit: str | None = None
    time: str | None = None
    map: dict[str, ReadingSettings]
    unknown: Literal["ignore", "reject"] = "ignore"


class TimeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the device's own timestamp stands; without this, readings carry the time they were received."""

    field: str
    unit: TimeUnit = "s"


class ProfileSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device type's contract.

    format: `lorawan` = uplinks of a LoRaWAN network server, decoded by the script `codec`, or by `codecs` of the
            device's type; paths relative to the profile's file
    """

    topic: str
    format: Literal["json", "lorawan"] = "json"
    codec: str | None = None
    codecs: dict[str, str] = field(default_factory=dict)
    version: Annotated[int, Meta(ge=1)]
    device: str | None = None
    time: TimeSettings | None = None
    id: str | None = None
    stale_after: Duration | None = None
    future_limit: Duration = 5.0
    fields: dict[str, FieldSettings] = field(default_factory=dict)
    records: RecordsSettings | None = None


class ProfilesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A profile file."""

    profiles: dict[str, ProfileSettings]

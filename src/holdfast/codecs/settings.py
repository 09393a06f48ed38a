"""The profile language: what a person may write in a profile file. Data, never code."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration, Zone
from holdfast.model.points import ReadingSettings, Scalar

TimeUnit = Literal["s", "ms", "us", "ns", "iso8601", "auto"]
Format = Literal[
    "json",
    "cbor",
    "msgpack",
    "csv",
    "binary",
    "protobuf",
    "text",
    "senml",
    "influx",
    "sparkplug",
    "opcua",
    "points",
    "homie",
    "cayenne",
    "bthome",
    "announcement",
    "lorawan",
    "ignore",
]
BinaryType = Literal[
    "u8",
    "i8",
    "u16",
    "i16",
    "u24",
    "i24",
    "u32",
    "i32",
    "u64",
    "i64",
    "f32",
    "f64",
    "s8c8",
    "log8",
    "bool",
    "text",
    "hex",
]


class FieldSettings(ReadingSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A reading at a fixed path; `unit_field` is the path at which the device says the unit."""

    optional: bool = False
    unit_field: str | None = None


class MapSettings(ReadingSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A reading of whatever name the payload gives it; `metric` and the paths may hold the name's and topic's captures.

    type:       `auto` stores what the device sends
    values:     what the device's words mean, as ON: true
    ignore:     such a name is no reading
    unit_field: path at which the device says the unit
    unit_when:  the unit if the payload has such a path
    time_field: path of this reading's own time, in the unit of the profile's `time`
    unless:     path of a better reading of the same; if the payload has it, this one is none
    others:     what to do with a word that isn't among `values`
    """

    metric: str = ""
    type: Literal["float", "int", "bool", "text", "auto"] = "float"  # type: ignore[assignment]  # one more than a field
    values: dict[str, Scalar] = field(default_factory=dict)
    ignore: bool = False
    unit_field: str | None = None
    unit_when: dict[str, str] = field(default_factory=dict)
    time_field: str | None = None
    unless: str | None = None
    others: Literal["reject", "ignore"] = "reject"


class CsvSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """columns: their names when the payload has no header line; decimal: what stands before a number's fraction."""

    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    columns: tuple[str, ...] = ()


class LowBitsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bits of another byte that continue a number below its least significant bit."""

    at: int
    bits: str


class BinaryFieldSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """at: offset in bytes, negative from the end; bits: `low-high` within the number, bit 0 the least significant.

    length: bytes of text or hex; missing: raw values that mean that there is none; low: bits that follow elsewhere
    s8c8 is a sign bit and seven bits, then a byte of hundredths; log8 a byte on a logarithmic scale from 0 to 65535.
    """

    at: int
    type: BinaryType = "u8"
    order: Literal["big", "little"] = "big"
    bits: str | None = None
    length: Annotated[int, Meta(ge=1, le=4096)] | None = None
    low: LowBitsSettings | None = None
    missing: tuple[float, ...] = ()


class LayoutSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A fixed layout. match: what the payload begins with, in hex; length: its length, at_least: its least length."""

    match: str = ""
    length: int | None = None
    at_least: int | None = None
    fields: dict[str, BinaryFieldSettings]


class EmbeddedSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A binary payload in a text member of an object; its fields stand beside that member then.

    optional: without the member the object stands as it is
    ble_company: the member is a Bluetooth advertisement; the payload is its manufacturer data of this company
    """

    field: str
    encoding: Literal["hex", "base64"] = "hex"
    optional: bool = False
    ble_company: Annotated[int, Meta(ge=0, le=65535)] | None = None


class BthomeSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where BTHome's bytes stand.

    field: the member with them in hex, beside `mac` and `rssi`; null = the payload is nothing else
    of:    what they are: a whole advertisement, or the service data behind its UUID
    keys:  file of bind keys, relative to the profile's: a line `54:48:E6:8F:80:A5 231d39c1…` a device
    """

    field: str | None = "data"
    of: Literal["advertisement", "service_data"] = "advertisement"
    keys: str = ""


class ProtobufSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """descriptors: a FileDescriptorSet (`protoc --include_imports -o`), relative to the profile's file."""

    descriptors: str
    message: str


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
    """Where the device's own timestamp stands; without this, readings carry the time they were received.

    unit: `auto` is iso8601 for text and, for a number, the one of s, ms, us and ns that gives a time of this century
    zone: of iso8601 times that name none; without it such a time refuses the message
    optional: a message without one carries the time it was received
    """

    field: str
    unit: TimeUnit = "s"
    zone: Zone | None = None
    optional: bool = False


class SamplesSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Fields are arrays of samples at even distances; one of rate_hz, rate_field (Hz), every_field says how far apart.

    unit: of what stands at every_field; time_of: the sample whose time the message's is
    """

    rate_hz: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    rate_field: str | None = None
    every_field: str | None = None
    unit: Literal["s", "ms", "us", "ns"] = "s"
    time_of: Literal["first", "last"] = "first"


class ProfileSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device type's contract.

    extends:  a built-in profile, as `tasmota.sensor`; keys that are written here replace its own
    map:      names in the payload to readings; what stands in no entry goes by `unknown`
    name:     what a value is called: a `text` profile's made of the topic's captures, an object's also of {name}
    codec, codecs, ports: with `format: lorawan` what decodes uplinks, by the device's type, by fPort
              (`2`, `10-19`): a script (path relative to the profile's file) or `cayenne`
    device:   path of the device's name; with `format: lorawan` what names it: `eui`, `name` or `topic`
    roots:    members in which the payload proper may stand; the first one that's there
    scalar:   what a payload that's no object is called; `{last}` is the last level of `{device*}`, which then isn't
              the device's, and such payloads of a device that sends objects too are ignored
    samples:  the fields are arrays, each element a reading with a time of its own
    rebirth_every: with `format: sparkplug` a node whose birth is wanted is asked for it at most once in so long; 0 =
              never
    """

    topic: str = ""
    version: Annotated[int, Meta(ge=1)] = 1
    format: Format = "json"
    codec: str | None = None
    codecs: dict[str, str] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)
    extends: str | None = None
    map: dict[str, MapSettings] = field(default_factory=dict)
    unknown: Literal["name", "ignore", "reject"] | None = None
    name: str | None = None
    roots: tuple[str, ...] = ()
    precision: Literal["s", "ms", "us", "ns"] = "ns"
    csv: CsvSettings | None = None
    binary: tuple[LayoutSettings, ...] = ()
    embedded: EmbeddedSettings | None = None
    protobuf: ProtobufSettings | None = None
    bthome: BthomeSettings | None = None
    device: str | None = None
    time: TimeSettings | None = None
    scalar: str | None = None
    rebirth_every: Duration = 30.0
    id: str | None = None
    stale_after: Duration | None = None
    future_limit: Duration = 5.0
    fields: dict[str, FieldSettings] = field(default_factory=dict)
    records: RecordsSettings | None = None
    samples: SamplesSettings | None = None


class ProfilesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A profile file."""

    profiles: dict[str, ProfileSettings]

"""A compiled profile: everything the decoder needs, nothing that changes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from holdfast.codecs.settings import BthomeSettings, Format, TimeUnit
from holdfast.codecs.topics import TopicPattern
from holdfast.model.points import Scalar
from holdfast.model.series import Kind

if TYPE_CHECKING:
    from holdfast.codecs.lorawan.plan import LorawanPlan

Line = tuple[float, float]
"""(a, b): stored value = a * payload value + b."""
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a value means once it is stored.

    line:  from the payload's default unit to the stored one; `lines` by the spelling that a device may send instead
    low, high: limits in the stored unit; outside of them the quality is bad
    missing: what the device sends instead of a value; stuck_ns: unchanged for so long is uncertain, 0 = never
    """

    metric: str
    unit: str
    kind: Kind
    line: Line
    lines: dict[str, Line]
    decimals: int | None
    low: float
    high: float
    missing: tuple[Scalar, ...] = ()
    stuck_ns: int = 0


@dataclass(frozen=True, slots=True)
class Field:
    """A reading at a fixed path."""

    path: Path
    meaning: Meaning
    optional: bool
    unit_path: Path | None


@dataclass(frozen=True, slots=True)
class Records:
    """An array of named records; the members are the names inside a record."""

    path: Path
    name: str
    value: str
    bool_value: str
    text_value: str
    unit: str | None
    time: str | None
    meanings: dict[str, Meaning]
    rejects_unknown: bool


@dataclass(frozen=True, slots=True)
class Samples:
    """Fields are arrays of samples.

    rate_hz: 0 = the payload says it at `path`, or says there how far apart they are
    per_s:   units of time in a second, of what stands at `path`; 0 where that is a rate, Hz
    of_last: the message's time is the last sample's
    """

    rate_hz: float
    path: Path | None
    per_s: float
    of_last: bool


Decode = Callable[[bytes], Any]
"""A payload to an object of dicts, lists and scalars.

Raises:
    Refused: when it can't be.
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value means whose name fits; `metric` and the paths are templates over the name's and topic's captures.

    name:      as it was written, `*` and `{captures}` in it
    meaning:   None = such a name is no reading; its `metric` isn't the final one
    is_auto:   the kind is what the device sends
    values:    what the device's words mean
    unit_path, time_path: where the payload tells this value's unit and time
    unit_when: (path, unit) if the payload has the path
    unless:    a path; if the payload has it, this is no reading
    drops_others: a word that isn't among `values` is no reading; otherwise it refuses the message
    """

    name: str
    pattern: re.Pattern[str]
    metric: str
    meaning: Meaning | None
    is_auto: bool = False
    values: Mapping[str, Scalar] = field(default_factory=dict)
    unit_path: str | None = None
    unit_when: tuple[tuple[str, str], ...] = ()
    time_path: str | None = None
    unless: str | None = None
    drops_others: bool = False


@dataclass(frozen=True, slots=True)
class Open:
    """How a profile reads payloads that name their values themselves.

    decode: the payload to an object, None = the format has a source of its own
    name:   a template for what a value is called; {name} is its path in an object
    roots:  members in which the object proper may stand
    scalar: what a payload is called that's no object; None = it's refused
    rebirth_ns: see `settings.ProfileSettings.rebirth_every`
    bthome, keys: of `format: bthome`; bind keys by MAC
    """

    rules: tuple[Rule, ...]
    unknown: str
    decode: Decode | None = None
    name: str = ""
    roots: tuple[str, ...] = ()
    precision: TimeUnit = "ns"
    scalar: str | None = None
    rebirth_ns: int = 0
    bthome: BthomeSettings | None = None
    keys: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """A device type's contract, checked.

    time_path: None means readings carry the time of receipt
    id_path:   None with `id_is_time` False means messages carry no id, so repeats can't be told
    stale_ns:  None means no message is too old
    lorawan:   how its messages become what `open` reads; None = they already are
    decode:    of a format other than JSON with fixed fields or records
    open:      instead of fields and records
    samples:   None = a field is one reading
    """

    name: str
    version: int
    pattern: TopicPattern
    device_path: Path | None
    time_path: Path | None
    time_unit: TimeUnit
    id_path: Path | None
    id_is_time: bool
    stale_ns: int | None
    future_ns: int
    fields: tuple[Field, ...]
    records: Records | None
    lorawan: "LorawanPlan | None" = None
    format: Format = "json"
    zone: tzinfo | None = None
    time_optional: bool = False
    decode: Decode | None = None
    open: Open | None = None
    samples: Samples | None = None

    @property
    def meanings(self) -> tuple[Meaning, ...]:
        """The columns of the profile: its fields or its records' meanings."""
        if self.records is not None:
            return tuple(self.records.meanings.values())
        return tuple(f.meaning for f in self.fields)

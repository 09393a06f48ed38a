"""A compiled profile: everything the decoder needs, nothing that changes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.codecs.settings import TimeUnit
from holdfast.codecs.topics import TopicPattern
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
    """

    metric: str
    unit: str
    kind: Kind
    line: Line
    lines: dict[str, Line]
    decimals: int | None
    low: float
    high: float


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
class Profile:
    """A device type's contract, checked.

    time_path: None means readings carry the time of receipt
    id_path:   None with `id_is_time` False means messages carry no id, so repeats can't be told
    stale_ns:  None means no message is too old
    lorawan:   how its messages become what `records` reads; None = they already are
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

    @property
    def meanings(self) -> tuple[Meaning, ...]:
        """The columns of the profile: its fields or its records' meanings."""
        if self.records is not None:
            return tuple(self.records.meanings.values())
        return tuple(f.meaning for f in self.fields)

"""The scenario language: what a person may write in a scenario's file."""

from typing import Annotated, Any, ClassVar, TypeAlias

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration

MOST_DEVICES = 10_000
Share = Annotated[float, Meta(gt=0, le=1)]


class GroupSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Devices of one kind behind one protocol.

    model:    a plant model: room, cold_store, pump, press, meter, battery
    protocol: how they speak
    name:     what devices are called; {n} is their number from 1; absent = GROUP-{n:03}
    every:    how often each publishes, or shows new values
    together: all at once, instead of spread over `every`
    params:   of the plant model
    end:      of the protocol: addresses, topics
    """

    model: str
    protocol: str
    count: Annotated[int, Meta(ge=1, le=MOST_DEVICES)] = 1
    name: str = ""
    every: Duration = 1.0
    together: bool = False
    params: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] = field(default_factory=dict)


class FaultBase(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """When, and which devices.

    devices: a pattern of device names, as `rooms-00*`
    from:    since the scenario's start
    for:     how long; absent = to the end. With `each`: how long each time
    each:    once in so long for each device, at a moment by chance
    """

    devices: str = "*"
    from_: Duration = field(name="from", default=0.0)
    for_: Duration | None = field(name="for", default=None)
    each: Duration | None = None


class ValueFault(FaultBase, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """A sensor's fault. points: a pattern of point names."""

    points: str = "*"


class MessageFault(FaultBase, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """Befalls this share of the messages in its time, by chance: 0.05 = 5 %."""

    share: Share = 1.0


class Drift(ValueFault, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="drift"):
    """The value goes away from the truth, by so much of its unit an hour. `step`: at once."""

    per_hour: float = 0.0
    step: float = 0.0


class Stuck(ValueFault, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="stuck"):
    """The value stays what it was."""


class Noise(ValueFault, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="noise"):
    """Noise of this standard deviation is added, in the value's unit."""

    deviation: Annotated[float, Meta(gt=0)]


class Dropout(MessageFault, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="dropout"):
    """Nothing is sent, nothing answered."""


class Garbage(MessageFault, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="garbage"):
    """Frames are malformed."""


class Storm(FaultBase, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="storm"):
    """So many times the messages."""

    PUSHED: ClassVar[bool] = True
    times: Annotated[int, Meta(ge=2, le=1000)] = 20


class Duplicates(MessageFault, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="duplicates"):
    """A message is sent once more, or so many times more."""

    PUSHED: ClassVar[bool] = True
    times: Annotated[int, Meta(ge=1, le=100)] = 1


class Reordered(MessageFault, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="reordered"):
    """A message comes after the device's next one."""

    PUSHED: ClassVar[bool] = True


class ClockSkew(FaultBase, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="clock_skew"):
    """The device's clock is off by so many seconds (negative = behind), and runs so many millionths too fast."""

    seconds: float = 0.0
    ppm: float = 0.0


class Slow(FaultBase, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="slow"):
    """It answers, or what it sends arrives, so much late."""

    by: Duration


class HalfOpen(FaultBase, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="half_open"):
    """It takes connections and requests, and never says a word."""


FaultSettings: TypeAlias = (
    Drift | Stuck | Noise | Dropout | Garbage | Storm | Duplicates | Reordered | ClockSkew | Slow | HalfOpen
)


class ScenarioSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """scenario.yaml.

    seed:  of everything that's by chance
    start: the moment at which it begins, RFC 3339 with a zone; `now` = the moment of the run
    """

    seed: int = 1
    start: Any = "now"  # YAML makes a datetime of an unquoted time
    groups: dict[str, GroupSettings]
    faults: tuple[FaultSettings, ...] = ()

"""What the devices' routes say, as JSON."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from holdfast.web.profile_answers import DeviceProfile, DeviceSource

Names = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...], Meta(min_length=1, max_length=1_000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class DeviceRow(Struct, frozen=True):
    """A device. Of one below, all but readings, series and last_ns is as its own node told it at told_ns, ns UTC.

    state:    online, late, silent, never; unknown = its node isn't heard now; empty = its node doesn't tell
    status:   new, accepted, retired; empty = its node doesn't tell
    hardware: what it calls itself on the wire; former: names under which older series lie
    first_ns, last_ns: first and last heard, ns UTC, 0 = never; of a child's device, the newest reading's time
    messages: all; of them `refused` as bad, `held` as its device isn't taken, `repeats` as known already
    readings: stored; of a child's device, since this node started
    rate:     messages a minute, of about the last minute; of this node's own devices
    interval_s: expected time between messages, None = not known yet
    day_judged, day_refused: messages of the last 24 h, and those refused; over_budget: too many
    skew_s:   its clock against this node's, None = not known
    """

    name: str
    node: str
    state: str = ""
    status: str = ""
    labels: tuple[str, ...] = ()
    note: str = ""
    hardware: str = ""
    former: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    first_ns: int = 0
    last_ns: int = 0
    messages: int = 0
    readings: int = 0
    refused: int = 0
    held: int = 0
    repeats: int = 0
    bytes: int = 0
    rate: float = 0.0
    interval_s: float | None = None
    day_judged: int = 0
    day_refused: int = 0
    over_budget: bool = False
    skew_s: float | None = None
    series: int = 0
    told_ns: int = 0


class DeviceList(Struct, frozen=True):
    """Some of the devices, by node and name. total: how many fit."""

    total: int
    devices: list[DeviceRow]


class DeviceGap(Struct, frozen=True):
    """A time without its messages. missing: expected; filled: came later; down_s: so long this node itself was down."""

    from_ns: int
    to_ns: int
    missing: int
    filled: int
    down_s: float


class DeviceDetail(Struct, frozen=True):
    """A device, its gaps (newest first), and its series, those under former names included.

    sources, profiles: where its messages came from since this node started, and the profiles that read those; empty of
    a device below: its own node knows them
    """

    device: DeviceRow
    gaps: list[DeviceGap]
    series: list[str]
    sources: list[DeviceSource] = []
    profiles: list[DeviceProfile] = []


class DeviceChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What to do.

    do:      accept, retire, describe: `devices`, names or patterns; rename, replace: one of `devices`, and `to`
    to:      the new name, or the name of the new hardware
    labels, note: for describe; None = as they are
    """

    do: Literal["accept", "retire", "describe", "rename", "replace"]
    devices: Names
    to: Annotated[str, Meta(max_length=200)] = ""
    labels: tuple[str, ...] | None = None
    note: str | None = None


class DeviceChanged(Struct, frozen=True):
    """What was done. released: messages from the quarantine that became readings; readings: so many.

    unheard: devices accepted that never sent anything; was: the name before a rename
    """

    devices: list[str]
    released: int = 0
    readings: int = 0
    still_refused: int = 0
    unheard: list[str] = []
    was: str = ""

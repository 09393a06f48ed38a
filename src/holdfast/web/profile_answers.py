"""What the devices' routes say of profiles and sources, as JSON."""

from msgspec import Struct


class ProfileField(Struct, frozen=True):
    """A value that a profile reads.

    path:    where it stands in the payload, or which names it's for (`*` any text, `{x}` a part of the name)
    metric:  what it's called then; may hold captures, as path does
    unit:    in which it's stored; empty = none, or as the device says it
    kind:    float, int, bool, text; auto = what the device sends
    scale, offset: stored = payload * scale + offset, where the device names no other unit
    low, high: in the stored unit; outside of them the quality is bad; None = no limit
    stuck_s: unchanged for so long the quality is uncertain; 0 = never
    missing: what the device sends instead of a value
    """

    path: str
    metric: str
    unit: str = ""
    kind: str = "float"
    scale: float = 1.0
    offset: float = 0.0
    decimals: int | None = None
    low: float | None = None
    high: float | None = None
    stuck_s: float = 0.0
    missing: list[str] = []
    optional: bool = False


class DeviceProfile(Struct, frozen=True):
    """A profile that claims the topics of a device.

    time:    where the readings' time stands; empty = they carry the time of receipt
    id:      where the message's id stands; empty = repeats can't be told
    stale_s: older messages are refused; None = none is too old
    ahead_s: a device's clock farther ahead than this makes its readings uncertain
    unknown: what is done with values that no field is for: name, ignore, reject; empty = they're ignored
    total:   of its fields; more than are listed where they are very many
    """

    name: str
    version: int
    format: str
    topic: str
    time: str
    id: str
    stale_s: float | None
    ahead_s: float
    unknown: str
    total: int
    fields: list[ProfileField]


class DeviceSource(Struct, frozen=True):
    """A way on which a device's messages came since this node started.

    adapter: as /api/v1/adapters names it; where: its address; source: who sent there, as an MQTT client's id
    heard_ns: when it was noted last, ns UTC, within a minute; profile: the one that claims the topic, empty = none
    """

    adapter: str
    where: str
    source: str
    topic: str
    heard_ns: int
    profile: str

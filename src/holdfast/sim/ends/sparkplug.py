"""A Sparkplug B edge node and its devices (Eclipse Sparkplug 3.0.0), over MQTT.

The group is one edge node, each simulated device a device of it. Births carry names, types, aliases and units; data
carry aliases. The node's will is its NDEATH, bdSeq goes up with each connection, and after a reconnect, or when a host
asks for it (NCMD `Node Control/Rebirth`), everything is born again. Needs the extra `protobuf`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from holdfast.codecs.formats.sparkplug_schema import PAYLOAD
from holdfast.kernel.clock import NS_PER_MS
from holdfast.sim.ends.broker import BrokerEndSettings
from holdfast.sim.ends.port import DevicePlan, PointPlan, Scalar
from holdfast.sim.ends.profiles import profiles_yaml
from holdfast.sim.ends.publishing import framed
from holdfast.sim.ends.single import SingleEnd
from holdfast.sim.mqtt.session import Message, Will

_INT64, _DOUBLE, _BOOLEAN, _STRING = 4, 10, 11, 12
_DATATYPES: Mapping[str, tuple[int, str]] = {
    "float": (_DOUBLE, "double_value"),
    "int": (_INT64, "long_value"),
    "bool": (_BOOLEAN, "boolean_value"),
    "text": (_STRING, "string_value"),
}
_BD_SEQ, _REBIRTH = "bdSeq", "Node Control/Rebirth"
_MOST_POINTS = 64
_MASK64 = 2**64 - 1


class SparkplugEndSettings(BrokerEndSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """group_id, node: as in `spBv1.0/GROUP/DDATA/NODE/DEVICE`; the node is absent the scenario's group."""

    group_id: str = "sim"
    node: str = ""

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself."""
        yield from super().findings()
        for key, value in (("group_id", self.group_id), ("node", self.node or "node")):
            if set("/+#") & set(value) or not value:
                yield (key,), "must be one level of a topic"


class SparkplugEnd(SingleEnd):
    """See the page."""

    def __init__(self, name: str, settings: SparkplugEndSettings, devices: Mapping[str, DevicePlan]) -> None:
        super().__init__(name, settings, devices)
        self._group, self._node = settings.group_id, settings.node or name
        self._seq, self._bd_seq = 0, -1
        self._node_is_born = False
        self._born: set[str] = set()

    def frames(self, device: str, at_ns: int, values: Mapping[str, Scalar]) -> Sequence[bytes]:
        """Births that are due, or data."""
        frames = []
        if not self._node_is_born:
            self._node_is_born, self._born, self._seq = True, set(), 0
            frames.append(framed(self._topic("NBIRTH"), self._node_birth(at_ns)))
        kind = "DDATA" if device in self._born else "DBIRTH"
        self._born.add(device)
        payload = PAYLOAD(timestamp=at_ns // NS_PER_MS, seq=self._next_seq())
        for place, (name, plan) in enumerate(self._devices[device].points.items()):
            _metric(payload, plan, values[name], self._alias(device, place), is_birth=kind == "DBIRTH")
        frames.append(framed(self._topic(kind, device), _bytes(payload)))
        return frames

    async def start(self) -> None:
        """Connect, with the NDEATH as will.

        Raises:
            HoldfastError: when it can't.
        """
        await self._open([self._topic("NCMD")], self._heard, self._will)

    def map_yaml(self) -> str:
        """A profile for the group."""
        profile = {"topic": "spBv1.0/#", "version": 1, "format": "sparkplug"}
        return profiles_yaml({"sim-sparkplug": profile})

    def _will(self) -> Will:
        """A new connection: what was born before is dead."""
        self._bd_seq += 1
        self._node_is_born = False
        payload = PAYLOAD()
        payload.metrics.add(name=_BD_SEQ, datatype=_INT64, long_value=self._bd_seq)
        return Will(self._topic("NDEATH"), _bytes(payload))

    def _heard(self, message: Message) -> None:
        """A host's command; whatever can't be read is none."""
        try:
            said = PAYLOAD.FromString(message.payload)
        except Exception:  # noqa: BLE001  # protobuf's errors differ by its backend; a host's rubbish ends nothing here
            return
        if any(metric.name == _REBIRTH and metric.boolean_value for metric in said.metrics):
            self._node_is_born = False

    def _topic(self, kind: str, device: str = "") -> str:
        return "/".join(filter(None, ("spBv1.0", self._group, kind, self._node, device)))

    def _next_seq(self) -> int:
        seq, self._seq = self._seq, (self._seq + 1) % 256
        return seq

    def _alias(self, device: str, place: int) -> int:
        return self._devices[device].number * _MOST_POINTS + place + 1

    def _node_birth(self, at_ns: int) -> bytes:
        now = at_ns // NS_PER_MS
        payload = PAYLOAD(timestamp=now, seq=self._next_seq())
        payload.metrics.add(name=_BD_SEQ, timestamp=now, datatype=_INT64, long_value=max(0, self._bd_seq))
        payload.metrics.add(name=_REBIRTH, timestamp=now, datatype=_BOOLEAN, boolean_value=False)
        return _bytes(payload)


def _metric(payload: Any, plan: PointPlan, value: Scalar, alias: int, *, is_birth: bool) -> None:
    datatype, where = _DATATYPES[plan.type]
    metric = payload.metrics.add(alias=alias, timestamp=payload.timestamp, datatype=datatype)
    if is_birth:
        metric.name = plan.metric
        if plan.unit:
            metric.properties.keys.append("engUnit")
            metric.properties.values.add(type=_STRING, string_value=plan.unit)
    setattr(metric, where, int(value) & _MASK64 if plan.type == "int" else value)


def _bytes(payload: Any) -> bytes:
    """Fields in the order of their numbers: the same bytes from every backend of protobuf."""
    found: bytes = payload.SerializeToString(deterministic=True)
    return found

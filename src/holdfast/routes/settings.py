"""`routes:` in node.yaml: what leaves for which broker, as what."""

from collections.abc import Iterator
from string import Formatter
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration, Size
from holdfast.transport.brokers import BrokerLogin

PLACES = ("node", "device", "metric")
EVENT_PLACES = ("node", "device", "rule", "severity", "kind")
Count = Annotated[int, Meta(ge=1, le=65_535)]
Rows = Annotated[int, Meta(ge=1, le=100_000)]
LEAST_PAYLOAD = 1_000
TimeUnit = Literal["ns", "us", "ms", "s", "iso8601"]
Finding = tuple[tuple[str, ...], str]


class FlatSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The names in a `flat` message: one object for the readings of one device at one time."""

    device: str = "device_id"
    """The member with the device's name."""
    time: str = "ts"
    node: str = ""
    """The member with the node's name; absent = none."""
    unit: TimeUnit = "ms"
    """Of `time`."""
    fields: dict[str, str] = field(default_factory=dict)
    """Metric to member's name; a metric that isn't here keeps its own."""

    def findings(self) -> Iterator[Finding]:
        """Names that stand for two things."""
        fixed = [name for name in (self.device, self.time, self.node) if name]
        names = [*fixed, *self.fields.values()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            yield ("fields",), f"`{twice[0]}` would name two members: give each its own name"


class RowsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How readings, or summaries, are published."""

    topic: str = "{node}/{device}/{metric}"
    """May use {node}, {device} and {metric}."""
    format: Literal["canonical", "senml", "flat"] = "canonical"
    array: bool = True
    """One JSON array for all rows of a topic that are sent together; false = a message each."""
    flat: FlatSettings = field(default_factory=FlatSettings)
    """The names of `format: flat`."""

    def findings(self) -> Iterator[Finding]:
        """What contradicts itself."""
        yield from topic_findings(self.topic, PLACES)
        if self.format == "flat":
            if "{metric}" in self.topic:
                yield ("topic",), "a flat message holds all metrics of a device: take {metric} out of the topic"
            yield from ((("flat", *where), text) for where, text in self.flat.findings())


class EventsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How events (alerts among them) are published: a message each, before everything else."""

    topic: str = "{node}/{device}/events/{rule}"
    """May use {node}, {device}, {rule}, {severity} and {kind}."""

    def findings(self) -> Iterator[Finding]:
        """What contradicts itself."""
        yield from topic_findings(self.topic, EVENT_PLACES)


class RouteSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One route to one broker."""

    to: BrokerLogin
    readings: RowsSettings | None = None
    """Lane 2; absent = not sent."""
    summaries: RowsSettings | None = None
    """Summaries in lane 1; absent = not sent."""
    events: EventsSettings | None = None
    """Events of lanes 0 and 1; absent = not sent."""
    start: Literal["oldest", "now"] = "oldest"
    """Where a new route begins: with the oldest row the journal holds, or with what comes."""
    linger: Duration = 0.01
    """How long rows of lane 2 gather before the next read; events don't wait for it."""
    max_rows: Rows = 20_000
    """Rows read from the journal at once."""
    max_payload: Size = 120_000
    """Bytes of the largest payload: an array is cut before it, a larger single message is left out and counted. AWS IoT
    takes 128 kB in all, Azure IoT Hub 256 kB."""
    in_flight: Count = 100
    """Messages sent and not acknowledged; the broker may want fewer (MQTT 5 Receive Maximum)."""
    remember_every: Duration = 1.0
    """How often the journal is told what is delivered; after a kill so much is sent again at most."""

    def findings(self) -> Iterator[Finding]:
        """What contradicts itself: (key, what to do)."""
        yield from ((("to", *where), text) for where, text in self.to.findings())
        if self.max_payload < LEAST_PAYLOAD:
            yield ("max_payload",), f"at least {LEAST_PAYLOAD} bytes, or single events would not fit"
        if self.readings is None and self.summaries is None and self.events is None:
            yield (), "the route takes nothing: name `readings`, `summaries` or `events`"
        for name in ("readings", "summaries", "events"):
            part: RowsSettings | EventsSettings | None = getattr(self, name)
            if part is not None:
                yield from (((name, *where), text) for where, text in part.findings())


def topic_findings(topic: str, places: tuple[str, ...]) -> Iterator[Finding]:
    """What is wrong with a topic template."""
    if not topic or any(c in topic for c in "+#\0"):
        yield ("topic",), "a topic to publish to has at least one character and no + or #"
        return
    try:
        found = list(Formatter().parse(topic))
    except ValueError as error:
        yield ("topic",), f"isn't a template: {error}"
        return
    for _, name, spec, conversion in found:
        if name is not None and (name not in places or spec or conversion):
            allowed = ", ".join(f"{{{place}}}" for place in places)
            yield ("topic",), f"`{{{name}}}` can't stand in this topic; allowed: {allowed}"

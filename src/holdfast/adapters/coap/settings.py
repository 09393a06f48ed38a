"""`coap:` in node.yaml: links by name. A link listens, or asks devices, or both."""

import ipaddress
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

from holdfast.adapters.broker.settings import filter_fault
from holdfast.adapters.coap.values import WriteFormat
from holdfast.kernel.scalars import Duration, Size
from holdfast.model.points import MapName, PointName, PointSettings
from holdfast.transport.addresses import parse_listen
from holdfast.transport.errors import AddressInvalid

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
DeviceName = Annotated[str, Meta(pattern=r"^[^/+#$\x00-\x1f][^/+#\x00-\x1f]{0,127}$")]
Found = Iterator[tuple[tuple[str, ...], str]]
_LARGEST_BODY = 64 * 1024 * 1024


class CoapPoint(PointSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A value of a device.

    path:   the resource, as `sensors/temp`
    record: of a SenML pack the record's name, of a JSON or CBOR object the field (`air.temperature`); empty = all of it
    format: how it is written
    """

    path: Annotated[str, Meta(min_length=1, max_length=512)]
    record: str = ""
    format: WriteFormat = "text"


class CoapMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What devices of one make have."""

    points: Annotated[dict[PointName, CoapPoint], Meta(min_length=1, max_length=500)]


class CoapDevice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device that is a server.

    url:     coap://host:port/path: with a map the points' paths follow it, with a topic it's the resource
    map:     its points, by a name of `maps`
    topic:   instead of a map: its payloads go on under this topic as they are, to a profile
    observe: be told of changes (RFC 7641); where a device doesn't do that, and with false, it's polled
    every:   between polls
    timeout: for an answer; a request is sent three times within it
    """

    url: str
    map: str = ""
    topic: str = ""
    observe: bool = True
    every: Duration = 60.0
    timeout: Duration = 20.0


class CoapLink(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A listener, devices, or both."""

    listen: str = ""
    """host:port for devices that push; port 0 takes a free one."""
    prefix: str = ""
    """Put before every path to make its topic."""
    topics: tuple[str, ...] = ("#",)
    """Topic filters; what matches none is answered 4.04."""
    peers: tuple[str, ...] = ()
    """Networks that may send, as `10.7.0.0/16`; none = everybody. Datagrams of others aren't answered."""
    rate: Annotated[float, Meta(ge=0)] = 500.0
    """Datagrams a second and address; what's above isn't answered, so that it comes again later. 0 = no limit."""
    max_body: Size = 1024 * 1024
    """Bytes of a block-wise upload."""
    half_sent: Size = 16 * 1024 * 1024
    """Bytes of all that are on their way."""
    bodies: Count = 256
    """Block-wise uploads on their way."""
    bodies_per_peer: Count = 4
    """Of them from one address."""
    body_timeout: Duration = 60.0
    """Between two blocks of an upload."""
    under_way: Count = 2_000
    """Messages that aren't on disk yet; more are answered 5.03."""
    under_way_per_peer: Count = 200
    """Of them from one address."""
    remember: Count = 30_000
    """Messages remembered for when they come once more, 247 s at most; each takes some 0.5 kB."""
    maps: dict[MapName, CoapMap] = field(default_factory=dict)
    """Points by the name of a map."""
    devices: dict[DeviceName, CoapDevice] = field(default_factory=dict)
    """Devices to observe, poll and write."""

    def findings(self) -> Found:
        """What contradicts itself: (key, what to do)."""
        if not self.listen and not self.devices:
            yield (), "`listen` or `devices` is missing: nothing would ever come"
        yield from self._listening()
        if self.half_sent < self.max_body:
            yield ("half_sent",), "less than one body of `max_body`: none could be uploaded"
        if not 1 <= self.max_body <= _LARGEST_BODY:
            yield ("max_body",), "1 B to 64MiB"
        for name, device in self.devices.items():
            for where, text in _of_device(device, self.maps):
                yield ("devices", name, *where), text

    def _listening(self) -> Found:
        if self.listen:
            try:
                parse_listen(self.listen)
            except AddressInvalid as error:
                yield ("listen",), str(error)
        if set(self.prefix) & set("+#$") or self.prefix != self.prefix.strip("/"):
            yield ("prefix",), "levels of a topic, as `field/north`: no + # $, no / at either end"
        for one in self.topics:
            fault = filter_fault(one)
            if fault:
                yield ("topics",), f"{one}: {fault}"
        for peer in self.peers:
            try:
                ipaddress.ip_network(peer)
            except ValueError as error:
                yield ("peers",), f"{peer}: {error}; write a network such as 10.7.0.0/16 or 10.7.0.9"


def _of_device(device: CoapDevice, maps: dict[str, CoapMap]) -> Found:
    fault = url_fault(device.url)
    if fault:
        yield ("url",), fault
    if bool(device.map) == bool(device.topic):
        yield (), "one of `map` (its points are named here) and `topic` (a profile reads its payloads)"
    elif device.map and device.map not in maps:
        yield ("map",), f"there is no map `{device.map}` in `maps`: {', '.join(maps) or 'there is none'}"
    yield from _of_topic(device)
    yield from _of_times(device)


def _of_topic(device: CoapDevice) -> Found:
    if device.topic and (filter_fault(device.topic) or set(device.topic) & set("+#")):
        yield ("topic",), "a topic, without wildcards"
    if device.topic.startswith("points/"):
        yield ("topic",), "`points/…` is where maps' values go: take another topic"


def _of_times(device: CoapDevice) -> Found:
    if device.every < 0.05:
        yield ("every",), "at least 50ms"
    if device.timeout < 0.1:
        yield ("timeout",), "at least 100ms"


def url_fault(url: str) -> str:
    """What is wrong with a device's address; empty = nothing."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"{error}; write coap://host:port"
    if parts.scheme == "coaps":
        return "DTLS isn't spoken: see docs/how-to/coap.md for what to do instead"
    if parts.scheme != "coap" or not parts.hostname or port == 0:
        return "write coap://host:port"
    return "no user, query or fragment belongs there" if parts.username or parts.query or parts.fragment else ""

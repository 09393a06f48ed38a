"""`opcua:` in node.yaml: servers, and which of their nodes are values of which devices. Files are relative to it."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import asdict

from holdfast.adapters.opcua.addresses import parse
from holdfast.kernel.scalars import Duration
from holdfast.model.points import PointName, PointSettings

URL_HELP = "write it as opc.tcp://10.0.0.7:4840 or opc.tcp://host:4840/path"
PORT = 4840
ROOT = "{root}"
Elements = Annotated[int, Meta(ge=1, le=1_000)]
Policy = Literal["none", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"]
Found = Iterator[tuple[tuple[str | int, ...], str]]


class NodePoint(PointSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A node's value. What else it means is as in profiles.

    id:       ns=2;s=Press1.Force, nsu=URI;s=… or i=2258; {root} is the device's `root`
    sampling: how often the server looks; absent = as of the server
    queue:    values that the server keeps between two publishes; absent = as of the server
    deadband: changes that aren't larger aren't told; `5%` of the node's EURange, or in the node's own unit
    array:    skip = a value that is an array isn't read; first = its first element; a number = so many, METRIC.0 …
    """

    id: str
    sampling: Duration | None = None
    queue: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    deadband: Annotated[str, Meta(pattern=r"^\d+(\.\d+)?\s*%?$")] | float | None = None
    array: Literal["skip", "first"] | Elements = "skip"

    def findings(self) -> Found:
        """What can't be: (key, what to do)."""
        try:
            parse(self.id.replace(ROOT, "x"))
        except ValueError as error:
            yield ("id",), str(error)
        if isinstance(self.array, int) and self.writable:
            yield ("writable",), "an array's elements can't be written one by one"

    def points(self, name: str) -> Iterator[tuple[str, PointSettings]]:
        """The readings it makes."""
        own = {key: value for key, value in asdict(self).items() if key in PointSettings.__struct_fields__}
        if not isinstance(self.array, int):
            yield name, PointSettings(**own)
            return
        for i, one in enumerate(self.names(name)):
            yield one, PointSettings(**{**own, "metric": f"{self.metric}.{i}"})

    def names(self, name: str) -> list[str]:
        """What they are called."""
        return [f"{name}_{i}" for i in range(self.array)] if isinstance(self.array, int) else [name]


class NodeMap(Struct, frozen=True, forbid_unknown_fields=True):
    """A file with the nodes of devices of one make."""

    nodes: dict[PointName, NodePoint]


class OpcuaDevice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device behind a server. root: what {root} in its node ids stands for; absent = its name."""

    nodes: dict[PointName, NodePoint] = field(default_factory=dict)
    map: str = ""
    """A file with `nodes`, for devices of one make; instead of `nodes`."""
    root: str | UnsetType = UNSET

    def findings(self) -> Found:
        """What contradicts itself: (key, what to do)."""
        if bool(self.nodes) == bool(self.map):
            yield (), "a device has either `nodes` or a `map`"
        for name, node in self.nodes.items():
            yield from ((("nodes", name, *where), text) for where, text in node.findings())


class OpcuaSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server, how we come to it, and what is wanted of it."""

    url: str
    """opc.tcp://host:4840"""
    devices: dict[Annotated[str, Meta(pattern=r"^[^/+#\x00]{1,128}$")], OpcuaDevice]
    security: Policy = "none"
    mode: Literal["sign", "sign-and-encrypt"] = "sign-and-encrypt"
    certificate: str = ""
    """This node's application certificate, PEM or DER; its URI must be in it (subjectAltName)."""
    key: str = ""
    server_certificate: str = ""
    """The server's certificate, PEM or DER: another one isn't trusted. `holdfast opcua trust` fetches it."""
    user: str = ""
    password: str = ""
    password_file: str = ""
    """Instead of `password`; read anew at each connection."""
    publish_every: Duration = 0.5
    sampling: Duration = 0.25
    queue: Annotated[int, Meta(ge=1, le=10_000)] = 10
    keep_alive: Duration = 5.0
    """Without changes the server says after so long that it's there; silent for longer, it's taken for gone."""
    timeout: Duration = 10.0
    """Longest wait for a connection, and for each answer."""
    resume: Duration = 120.0
    """How long the server is asked to keep our session, and what it couldn't send, while we're away."""
    look_again: Duration = 60.0
    """Nodes that the server doesn't know are asked for again every so often."""
    backoff_min: Duration = 0.5
    backoff_max: Duration = 30.0

    @property
    def where(self) -> str:
        """The address without what is secret."""
        parts = urlsplit(self.url)
        return f"opc.tcp://{parts.hostname}:{parts.port or PORT}{parts.path}"

    def findings(self) -> Found:
        """What contradicts itself: (key, what to do)."""
        yield from self._address_findings()
        yield from self._login_findings()
        for name in ("timeout", "publish_every", "keep_alive", "backoff_min", "look_again"):
            if not getattr(self, name):
                yield (name,), "must be above 0"
        if self.keep_alive < self.publish_every:
            yield ("keep_alive",), "must not be below `publish_every`"
        if self.backoff_max < self.backoff_min:
            yield ("backoff_max",), "must not be below `backoff_min`"
        if not self.devices:
            yield ("devices",), "name at least one device; `holdfast opcua browse URL --yaml` writes them"
        for name, device in self.devices.items():
            yield from ((("devices", name, *where), text) for where, text in device.findings())

    def _address_findings(self) -> Found:
        try:
            parts = urlsplit(self.url)
            well = parts.scheme == "opc.tcp" and parts.hostname and (parts.port is None or parts.port)
        except ValueError:
            well = None
        if not well:
            yield ("url",), f"{self.url!r} is no address: {URL_HELP}"
        elif parts.username or parts.password:
            yield ("url",), "a login isn't written in the address: use `user` and `password_file`"

    def _login_findings(self) -> Found:
        if bool(self.certificate) != bool(self.key):
            yield ("certificate",), "`certificate` and `key` belong together: name both, or none"
        if self.security != "none":
            if not self.certificate:
                yield (
                    ("certificate",),
                    f"{self.security} needs `certificate` and `key`; `holdfast opcua keys` makes them",
                )
            if not self.server_certificate:
                said = "without it nobody knows who answers; `holdfast opcua trust` fetches it"
                yield ("server_certificate",), said
        if self.password and self.password_file:
            yield ("password",), "`password` and `password_file` are both given: keep one"
        if (self.password or self.password_file) and not self.user:
            yield ("user",), "a password goes with a `user`"


def points_of(nodes: Mapping[str, NodePoint]) -> dict[str, PointSettings]:
    """The readings that nodes make, by name."""
    return {key: point for name, node in nodes.items() for key, point in node.points(name)}

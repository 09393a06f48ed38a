"""How to reach a foreign MQTT broker: address, login, TLS. Shared by `brokers:` and `routes:` in node.yaml."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from holdfast.kernel.scalars import Duration
from holdfast.transport.errors import AddressInvalid, TlsUnusable
from holdfast.transport.tls import broker_context

PORTS = {"mqtt": 1883, "mqtts": 8883}
URL_HELP = "mqtt://host:1883 or mqtts://host:8883"


class BrokerAddress(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int
    is_tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.is_tls else 'mqtt'}://{host}:{self.port}"


class BrokerLogin(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A broker and how this node introduces itself there. Files are relative to node.yaml."""

    url: str
    """mqtt://host:1883 or mqtts://host:8883; without a port those are meant."""
    version: Literal["v3.1.1", "v5"] = "v5"
    """NATS and Azure IoT Hub speak 3.1.1."""
    client_id: str = ""
    """Unique at the broker; absent = `holdfast-NODE-NAME`. AWS IoT's policies and Azure's device ids name it."""
    username: str = ""
    password: str = ""
    password_file: str = ""
    """Instead of `password`; read anew at every connection, so a new token needs no restart."""
    ca: str = ""
    """PEM of the CA that signed the broker's certificate; absent = the CAs that the system trusts."""
    certificate: str = ""
    """PEM of this node's certificate, where the broker wants one (AWS IoT, X.509 devices of Azure)."""
    key: str = ""
    """PEM of its key."""
    alpn: tuple[str, ...] = ()
    """Protocol names offered in TLS: `x-amzn-mqtt-ca` for AWS IoT on port 443."""
    keep_alive: Duration = 30.0
    """Silence after which a ping asks whether the broker is still there."""
    timeout: Duration = 10.0
    """Longest wait for a connection, and for the broker's welcome."""
    backoff_min: Duration = 0.2
    backoff_max: Duration = 30.0
    """Bounds of the jittered pause after a failure."""

    @property
    def address(self) -> BrokerAddress:
        """The address in `url`.

        Raises:
            AddressInvalid: when it is none.
        """
        return parse_broker(self.url)

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself: (key, what to do)."""
        try:
            is_tls = self.address.is_tls
        except AddressInvalid as error:
            yield ("url",), str(error)
            return
        if not is_tls:
            plain = [name for name in ("ca", "certificate", "alpn") if getattr(self, name)]
            yield from (((name,), f"`{name}` needs TLS: write mqtts:// in `url`") for name in plain)
        yield from self._login_findings()

    def _login_findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        if bool(self.certificate) != bool(self.key):
            yield ("certificate",), "`certificate` and `key` belong together: name both, or none"
        if self.password and self.password_file:
            yield ("password",), "`password` and `password_file` are both given: keep one"
        if (self.password or self.password_file) and not self.username and self.version == "v3.1.1":
            yield ("password",), "MQTT 3.1.1 knows no password without `username` (§3.1.2.9)"
        if not 1 <= self.keep_alive <= 65_535:
            yield ("keep_alive",), "MQTT counts whole seconds in 16 bits: 1s to 65535s"
        for name in ("timeout", "backoff_min"):
            if not getattr(self, name):
                yield (name,), "must be above 0"
        if self.backoff_max < self.backoff_min:
            yield ("backoff_max",), "must not be below `backoff_min`"

    def secret(self, path: Callable[[str], Path]) -> bytes | None:
        """The password as of now; None without one.

        Raises:
            TlsUnusable: when its file can't be read.
        """
        if not self.password_file:
            return self.password.encode() or None
        file = path(self.password_file)
        try:
            return file.read_bytes().strip()
        except OSError as error:
            raise TlsUnusable(f"{file} can't be read: {error.strerror}") from error

    def context(self, path: Callable[[str], Path]) -> ssl.SSLContext | None:
        """TLS as the settings want it; None for plain TCP.

        Raises:
            TlsUnusable: when a file can't be used.
        """
        if not self.address.is_tls:
            return None
        ca, pair = path(self.ca) if self.ca else None, None
        if self.certificate:
            pair = path(self.certificate), path(self.key)
        return broker_context(ca, pair, self.alpn)


def parse_broker(url: str) -> BrokerAddress:
    """The address in `url`.

    Raises:
        AddressInvalid: when it is not mqtt://host[:port] or mqtts://host[:port].
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressInvalid(f"{url!r} is not a URL: {error}") from error
    if parts.scheme not in PORTS or not parts.hostname or port == 0:
        raise AddressInvalid(f"expected {URL_HELP}, not {url!r}")
    if parts.username or parts.password or parts.path.strip("/") or parts.query or parts.fragment:
        raise AddressInvalid("the URL holds host and port only; user and password have keys of their own")
    return BrokerAddress(parts.hostname, port or PORTS[parts.scheme], parts.scheme == "mqtts")

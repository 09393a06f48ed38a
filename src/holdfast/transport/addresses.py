"""Addresses as operators write them: `host:port` to listen on, `https://…` to call."""

import ipaddress
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from holdfast.transport.errors import AddressInvalid

LISTEN_HELP = 'an address such as "127.0.0.1:8080", "0.0.0.0:8443" or "[::1]:8080"'
_LAST_PORT = 65535
MailTls = Literal["starttls", "tls", "none"]
"""How a mail server is spoken to: TLS by STARTTLS (RFC 3207), from the start (RFC 8314), or not at all."""


class Address(NamedTuple):
    """Where to listen. Port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(text: str) -> Address:
    """The address in `text`.

    Raises:
        AddressInvalid: when it isn't `host:port`.
    """
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not bare or (":" in host and bare == host) or not port.isascii() or not port.isdigit():
        raise AddressInvalid(f"expected {LISTEN_HELP}, not {text!r}")
    if int(port) > _LAST_PORT:
        raise AddressInvalid(f"port {port} is above {_LAST_PORT}")
    return Address(bare, int(port))


def is_loopback(host: str) -> bool:
    """Is it reachable from this machine only?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_https(url: str) -> str:
    """The URL without a trailing slash.

    Raises:
        AddressInvalid: when it is not an https:// URL with a host, or carries user, query or fragment.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressInvalid(f"{url!r} is not a URL: {error}") from error
    if parts.scheme == "http":
        raise AddressInvalid(f"{url!r} is plain HTTP, which shows the token to the network; write https://")
    if parts.scheme != "https" or not parts.hostname or port == 0:
        raise AddressInvalid(f"expected an https:// URL with a host, not {url!r}")
    if parts.username or parts.query or parts.fragment:
        raise AddressInvalid("the URL may hold host, port and path only; the token goes into its own file")
    return url.rstrip("/")

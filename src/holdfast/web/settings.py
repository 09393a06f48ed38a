"""`api:` in node.yaml: where the JSON API and the page listen."""

from typing import Literal

from msgspec import Struct

from holdfast.kernel.scalars import Duration, Size
from holdfast.transport.addresses import Address, is_loopback, parse_listen
from holdfast.transport.errors import AddressInvalid

Finding = tuple[tuple[str | int, ...], str]


class TlsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Files of the server's certificate and key, PEM; relative to node.yaml."""

    certificate: str
    key: str


class ApiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The node's one HTTP door: pages, JSON API, metrics, and sync for children."""

    listen: str = "127.0.0.1:8080"
    """host:port; port 0 lets the system choose. Without `tls` only this machine's own addresses are allowed."""
    tls: TlsSettings | None = None
    max_body: Size = 16 * 1024 * 1024
    """Largest request body taken from a child."""
    question_time: Duration = 30.0
    """A question about the past that takes longer is given up."""
    names: tuple[str, ...] = ()
    """Host names by which people's browsers reach this node over plain HTTP, as through a proxy on this machine."""
    metrics: Literal["", "open", "login"] = ""
    """Who may read /metrics where people log in: everybody, or whoever has a token; empty = this machine too."""
    connections: int = 256
    """Connections beyond these are answered 503 at once."""

    @property
    def address(self) -> Address:
        """Where to listen; valid once `findings` is empty."""
        return parse_listen(self.listen)

    def findings(self) -> list[Finding]:
        """What is wrong beyond types: where, and what to do."""
        try:
            address = self.address
        except AddressInvalid as error:
            return [(("listen",), str(error))]
        found: list[Finding] = []
        if self.tls is None and not is_loopback(address.host):
            reason = "without `tls` readings and tokens would cross the network in the clear"
            found.append((("listen",), f"{reason}; listen on 127.0.0.1, or set `tls` with certificate and key"))
        if not self.question_time > 0:
            found.append((("question_time",), "above zero, as in 30s"))
        if self.connections < 1:
            found.append((("connections",), "at least 1"))
        return found

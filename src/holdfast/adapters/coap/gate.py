"""Who may send, and how fast. Pure; time is an argument, in seconds.

Asked for every datagram before anything of it is looked at: a datagram that isn't let in costs two system calls and
this. What is turned away isn't answered. A confirmable message comes again by itself, after a pause that doubles
(RFC 7252 §4.2), which is just what a peer that is too fast should do; a non-confirmable one is lost, and counted.
"""

import ipaddress
from collections.abc import Sequence

from msgspec import Struct

from holdfast.adapters.mqtt.rates import Buckets

_CACHED = 10_000
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Turned(Struct):
    """Datagrams turned away since the start, by reason."""

    strangers: int = 0
    too_fast: int = 0
    malformed: int = 0


class Gate:
    """Networks and rates of one listener. A peer is an address; its port is the peer's to choose."""

    def __init__(self, peers: Sequence[str], rate: float, limit: int = _CACHED) -> None:
        """peers: networks, empty = everybody; rate: datagrams a second and address, 0 = no limit."""
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(one) for one in peers)
        self._buckets = Buckets(rate, limit) if rate else None
        self._known: dict[str, bool] = {}
        self._limit = limit
        self.turned = Turned()

    def lets(self, host: str, now: float) -> bool:
        """May a datagram of this address (as the socket tells it) come in?"""
        if self._networks and not self._is_known(host):
            self.turned.strangers += 1
            return False
        if self._buckets is not None and not self._buckets.of(host, now).take(now):
            self.turned.too_fast += 1
            return False
        return True

    def _is_known(self, host: str) -> bool:
        verdict = self._known.get(host)
        if verdict is None:
            if len(self._known) >= self._limit:
                self._known.clear()
            address = plain(host)
            verdict = self._known[host] = any(
                address.version == network.version and address in network for network in self._networks
            )
        return verdict


def plain(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address without zone; one of IPv4 that came on an IPv6 socket as what it is."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address

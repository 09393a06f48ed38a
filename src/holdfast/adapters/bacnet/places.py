"""Addresses as people write them: `10.0.0.5/24:47808` for our own, `10.0.0.9` or `10.0.0.9:47809` for a device's."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, NetmaskValueError
from typing import NamedTuple

from holdfast.adapters.bacnet.frames import PORT

_WRITTEN = re.compile(r"^([0-9.]+)(?:/(\d{1,2}))?(?::(\d{1,5}))?$")
PLACE_HELP = "this machine's address with its subnet, as 10.0.0.5/24 or 10.0.0.5/24:47808"
ADDRESS_HELP = "an address as 10.0.0.9 or 10.0.0.9:47808"


class Place(NamedTuple):
    """Our own. broadcast: of the subnet, empty = there's none to speak of."""

    host: str
    port: int = PORT
    broadcast: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def place(text: str) -> Place:
    """Our own address.

    Raises:
        ValueError: it isn't one.
    """
    host, mask, port = _parts(text, PLACE_HELP)
    if mask is None or mask >= 31:
        return Place(host, port)
    return Place(host, port, str(IPv4Interface(f"{host}/{mask}").network.broadcast_address))


def address(text: str) -> tuple[str, int]:
    """A device's, a BBMD's, or where Who-Is is sent.

    Raises:
        ValueError: it isn't one.
    """
    host, mask, port = _parts(text, ADDRESS_HELP)
    if mask is not None:
        raise ValueError(f"expected {ADDRESS_HELP}")
    return host, port


def _parts(text: str, wanted: str) -> tuple[str, int | None, int]:
    found = _WRITTEN.match(text)
    try:
        if found is not None:
            host, mask, port = str(IPv4Address(found[1])), found[2], int(found[3] or PORT)
            if port < 65_536 and int(mask or 0) <= 32:
                return host, None if mask is None else int(mask), port
    except (AddressValueError, NetmaskValueError):
        pass
    raise ValueError(f"expected {wanted}")

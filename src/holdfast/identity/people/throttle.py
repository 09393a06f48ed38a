"""Failed logins: who must wait, and how long. Pure; the table is bounded.

A name and an address each have FREE failures; every further one doubles the wait. A name waits a minute at most: who
guesses somebody's name must not be able to shut them out. An address waits a quarter of an hour at most. Failures are
forgotten an hour after the last. When the table is full, who failed longest ago is forgotten: a guesser's own address
is always the newest.
"""

import ipaddress

FREE = 5
FORGET_S = 3600.0
MOST = 4096
NAME_S, ADDRESS_S = 60.0, 900.0


class Throttle:
    """Remembers failures. now: seconds, never going backwards."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        # key -> (failures, time of the last); in the order of the last failure
        self._failed: dict[tuple[str, str], tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._failed)

    def wait_s(self, name: str, address: str, now: float) -> float:
        """How long this one must wait before it's heard; 0 = not at all."""
        return max(0.0, *(self._until(key, now) - now for key in _keys(name, address)))

    def failed(self, name: str, address: str, now: float) -> None:
        """One more failure."""
        for key in _keys(name, address):
            count, last = self._failed.pop(key, (0, now))
            self._failed[key] = (count + 1 if now - last < FORGET_S else 1, now)
        while len(self._failed) > self._most:
            del self._failed[next(iter(self._failed))]

    def passed(self, name: str) -> None:
        """The person came in, so the name's failures were theirs.

        The address's stay, or a guesser with a login of its own could wash them off.
        """
        self._failed.pop(("name", name), None)

    def _until(self, key: tuple[str, str], now: float) -> float:
        count, last = self._failed.get(key, (0, now))
        if count < FREE or now - last >= FORGET_S:
            return now
        return last + min(NAME_S if key[0] == "name" else ADDRESS_S, 2.0 ** min(count - FREE, 20))


def _keys(name: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("name", name), ("address", _network(address))


def _network(address: str) -> str:
    """An IPv6 caller has a whole /64 to come from."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)

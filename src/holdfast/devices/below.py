"""The devices of nodes below, as children tell of them: stored before it's acknowledged. Loop thread only."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from holdfast.journal import child_devices
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock
from holdfast.wire.devices import DeviceReceipt, DeviceReport, Told

MOST_HELD = 100_000
"""Devices of one child; what comes above is not kept."""
HEARD_WITHIN_S = 60.0
"""A child that said nothing for so long may be cut off: how its devices are isn't known then."""
UNKNOWN = "unknown"
_told = msgspec.msgpack.Decoder(Told)


class Below:
    """What was told."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        """Read what is stored. Blocking."""
        self._journal, self._clock = journal, clock
        self._of: dict[str, dict[tuple[str, str], Told]] = {}
        self._heard: dict[str, float] = {}
        self._on_news: list[Callable[[Iterable[tuple[str, str]]], None]] = []
        for child, data in child_devices.stored(journal):
            one = _told.decode(data)
            self._of.setdefault(child, {})[one.node, one.name] = one

    def on_news(self, callback: Callable[[Iterable[tuple[str, str]]], None]) -> None:
        """Call back with (node, name) of what has changed."""
        self._on_news.append(callback)

    def __iter__(self) -> Iterator[Told]:
        """Every device once, as of now."""
        for child, devices in self._of.items():
            for key, one in devices.items():
                if self._by(key) == child:
                    yield self._now(child, one)

    def get(self, node: str, name: str) -> Told | None:
        """One device."""
        child = self._by((node, name))
        return None if child is None else self._now(child, self._of[child][node, name])

    def labels(self, node: str, name: str) -> tuple[str, ...]:
        """Of one device, as it was told of last. Any thread: it looks two things up, and changes nothing."""
        key = node, name
        told = self._of.get(node, {}).get(key)
        if told is None:  # a copy: a child may come meanwhile
            told = next((devices[key] for devices in list(self._of.values()) if key in devices), None)
        return () if told is None else told.labels

    def _by(self, key: tuple[str, str]) -> str | None:
        """Who tells of a device: its own node, where that is a child, before others."""
        if key in self._of.get(key[0], ()):
            return key[0]
        return next((child for child, devices in self._of.items() if key in devices), None)

    def _now(self, child: str, one: Told) -> Told:
        heard = self._heard.get(child)
        if heard is not None and self._clock.monotonic() - heard < HEARD_WITHIN_S:
            return one
        return msgspec.structs.replace(one, state=UNKNOWN)

    async def take(self, child: str, report: DeviceReport) -> DeviceReceipt:
        """A child tells."""
        was_heard, mine = self._is_heard(child), self._of.setdefault(child, {})
        report = msgspec.structs.replace(report, rows=tuple(one for one in report.rows if self._is_welcome(mine, one)))
        done = await self._journal.submit(lambda tx: _store(tx, child, report))
        if done is None:
            return DeviceReceipt(again=True)
        gone = [*report.gone, *done]
        for key in gone:
            mine.pop(key, None)
        mine.update(((one.node, one.name), one) for one in report.rows)
        self._heard[child] = self._clock.monotonic()
        changed = list(mine) if not was_heard else [(one.node, one.name) for one in report.rows]
        self._tell([*changed, *gone])
        return DeviceReceipt(report.n)

    def turn(self) -> None:
        """Children that fell silent are news, too."""
        now = self._clock.monotonic()
        for child in [child for child, at in self._heard.items() if now - at >= HEARD_WITHIN_S]:
            del self._heard[child]
            self._tell(self._of.get(child, ()))

    def _is_heard(self, child: str) -> bool:
        heard = self._heard.get(child)
        return heard is not None and self._clock.monotonic() - heard < HEARD_WITHIN_S

    def _is_welcome(self, mine: dict[tuple[str, str], Told], one: Told) -> bool:
        is_ours = one.node == self._journal.node  # nobody below may speak for this node
        return not is_ours and (len(mine) < MOST_HELD or (one.node, one.name) in mine)

    def _tell(self, keys: Iterable[tuple[str, str]]) -> None:
        found = list(keys)
        if found:
            for callback in self._on_news:
                callback(found)


def _store(tx: Transaction, child: str, report: DeviceReport) -> list[tuple[str, str]] | None:
    """Store a page; returns what went with it. None = the page before it isn't here, and nothing was stored."""
    life, _, n = child_devices.mark(tx, child).rpartition(" ")
    is_new_life = life != report.life
    known = 0 if is_new_life else int(n)
    if report.n == 0:
        return None if is_new_life else []
    begins = report.n == report.since
    if not begins and (is_new_life or report.n not in (known, known + 1)):
        return None
    if is_new_life:
        child_devices.age(tx, child)
    child_devices.drop(tx, child, report.gone)
    data = [(one.node, one.name, msgspec.msgpack.encode(one)) for one in report.rows]
    child_devices.put(tx, child, report.n, data)
    child_devices.set_mark(tx, child, f"{report.life} {report.n}")
    return child_devices.drop_older(tx, child, report.since) if report.done else []

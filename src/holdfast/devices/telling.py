"""Tells the parent how the devices of this node and of those below it are: what changed, soon after it did.

Nothing of it is on this node's disk: after a restart, and whenever the parent lacks a page, everything is told anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Protocol

from msgspec.structs import replace

from holdfast.devices.happenings import DevicesTold, DevicesUntold
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.telemetry.happenings import Telemetry
from holdfast.wire.devices import MOST_ROWS, DeviceReceipt, DeviceReport, Told
from holdfast.wire.errors import LinkDown, LinkRefused
from holdfast.wire.patience import Patience
from holdfast.wire.sites import SiteTold

TELL_EVERY_S = 3.0
LIFE_EVERY_S = 15.0
"""Between signs of life while nothing changes; the parent waits four of them."""
DEAF_S = 3600.0
"""A parent that doesn't take `sites` is tried again after so long: it may have been renewed."""
Key = tuple[str, str]
"""Node and name of a device."""


class ParentDevices(Protocol):
    """The parent, as one who is told."""

    async def tell(self, report: DeviceReport) -> DeviceReceipt:
        """Tell a page; it's on the parent's disk when this returns.

        Raises:
            LinkDown: no answer came.
            LinkRefused: an answer that is not the protocol's.
        """
        ...


class ToldSites(Protocol):
    """How this node and those below it are; `sites.telling.SitesAbove`."""

    def everything(self) -> None:
        """The parent has nothing of it (any more)."""
        ...

    async def page(self) -> tuple[SiteTold, ...]:
        """What has changed since it was taken."""
        ...

    def taken(self, rows: Sequence[SiteTold]) -> None:
        """The parent has these."""
        ...


class Pages:
    """What must be told, page by page. Pure."""

    def __init__(self, life: str) -> None:
        self._life, self._n, self._since = life, 0, 1
        self._waiting: dict[Key, int] = {}
        """Each with its latest change: what changes again while a page is on its way must be told again."""
        self._change = 0

    def news(self, keys: Iterable[Key]) -> None:
        """These have changed, came or went."""
        self._change += 1
        self._waiting.update(dict.fromkeys(keys, self._change))

    def everything(self, keys: Iterable[Key]) -> None:
        """Tell everything from the next page on."""
        self._since = self._n + 1
        self._change += 1
        self._waiting = dict.fromkeys(keys, self._change)

    @property
    def is_due(self) -> bool:
        """Is there anything to tell but that this node lives?"""
        return bool(self._waiting) or self._since > 0

    def page(self) -> dict[Key, int]:
        """What the next page tells of; with the change that it tells."""
        return dict(islice(self._waiting.items(), MOST_ROWS))

    def report(self, keys: Collection[Key], told: dict[Key, Told]) -> DeviceReport:
        """The page. told: of `keys` those that are there."""
        if not self.is_due:
            return DeviceReport(self._life)
        is_done = self._since > 0 and len(keys) == len(self._waiting)
        gone = tuple(key for key in keys if key not in told)
        return DeviceReport(self._life, self._n + 1, self._since, is_done, tuple(told.values()), gone)

    def taken(self, report: DeviceReport, page: Mapping[Key, int]) -> None:
        """The parent has it."""
        self._n = max(self._n, report.n)
        for key, change in page.items():
            if self._waiting.get(key) == change:
                del self._waiting[key]
        if report.done:
            self._since = 0


class Telling:
    """`run` is its only task's body."""

    def __init__(
        self,
        life: str,
        everything: Callable[[], Iterable[Key]],
        look: Callable[[Sequence[Key]], Awaitable[dict[Key, Told]]],
        parent: ParentDevices,
        patience: Patience,
        clock: Clock,
        telemetry: Telemetry,
        sites: ToldSites | None = None,
    ) -> None:
        """life: this process's incarnation; look: those of some devices that are there, and may be told of."""
        self._sites, self._deaf_until = sites, 0.0
        self._everything, self._look, self._parent = everything, look, parent
        self._patience, self._clock, self._telemetry = patience, clock, telemetry
        self._pages = Pages(life)
        self._has_begun = False
        self.on_orders: Callable[[], None] = lambda: None
        """Called when the parent says that commands wait for this node."""
        self._told_at: float | None = None
        self._trouble = ""

    def news(self, keys: Iterable[Key]) -> None:
        """These have changed. Loop thread."""
        self._pages.news(keys)

    async def run(self) -> None:
        """Tell, for ever."""
        while True:
            now = self._clock.monotonic()
            if self._patience.may_call(now) and (self._pages.is_due or self._is_time(now)):
                await self.once()
            await asyncio.sleep(TELL_EVERY_S)

    async def once(self) -> None:
        """Tell what waits, until nothing does or it fails; the first time, everything."""
        if not self._has_begun:
            self._has_begun = True
            self._pages.everything(self._everything())
        try:
            while await self._page():
                pass
        except HoldfastError as error:
            self._failed(error)
        except Exception as bug:  # noqa: BLE001  # a fault of ours here must not end a node that stores readings
            self._failed(LinkDown(f"unexpected: {bug!r}"))
        else:
            self._patience.succeeded()
            if self._trouble:
                self._telemetry.emit(DevicesTold())
            self._trouble = ""

    async def _page(self) -> bool:
        """Tell one page; does more wait?"""
        page = self._pages.page()
        report = replace(self._pages.report(page, await self._look(list(page))), sites=await self._of_sites())
        receipt = await self._parent.tell(report)
        self._told_at = self._clock.monotonic()
        self._heard_of_sites(receipt, report.sites)
        if receipt.orders:
            self.on_orders()
        if receipt.again:
            if report.since == report.n > 0:
                raise LinkRefused("it asks for everything again and again", LIFE_EVERY_S)
            self._pages.everything(self._everything())
            return True
        self._pages.taken(report, page)
        return self._pages.is_due

    async def _of_sites(self) -> tuple[SiteTold, ...]:
        if self._sites is None or self._clock.monotonic() < self._deaf_until:
            return ()
        return await self._sites.page()

    def _heard_of_sites(self, receipt: DeviceReceipt, rows: Sequence[SiteTold]) -> None:
        if self._sites is None:
            return
        if rows and not receipt.sites:
            self._deaf_until = self._clock.monotonic() + DEAF_S
            self._sites.everything()
        elif receipt.sites:
            self._deaf_until = 0.0
            self._sites.taken(rows)
        if receipt.ask_sites:
            self._sites.everything()

    def _is_time(self, now: float) -> bool:
        return self._told_at is None or now - self._told_at >= LIFE_EVERY_S

    def _failed(self, error: HoldfastError) -> None:
        self._patience.failed(self._clock.monotonic(), error.retry_after_s if isinstance(error, LinkRefused) else 0.0)
        if str(error) != self._trouble:
            self._trouble = str(error)
            self._telemetry.emit(DevicesUntold(detail=self._trouble))

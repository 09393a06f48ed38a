"""What a node tells its parent of itself and of the nodes below: only what has changed. Loop thread only."""

from collections.abc import Awaitable, Callable, Sequence
from math import floor, log10
from typing import NamedTuple

from msgspec.structs import replace

from holdfast.sites.below import Known, SitesBelow
from holdfast.wire.sites import MOST_SITES, SiteAbout, SiteHealth, SiteTold

MOST_VIA = 8


class _Told(NamedTuple):
    """What the parent has of a node."""

    about: SiteAbout | None
    health: SiteHealth | None
    state: str
    via: tuple[str, ...]


class SitesAbove:
    """Implements `devices.telling.ToldSites`."""

    def __init__(
        self, node: str, about: SiteAbout, health: Callable[[], Awaitable[SiteHealth]], below: SitesBelow | None
    ) -> None:
        """about, health: this node's own."""
        self._node, self._about, self._health, self._below = node, about, health, below
        self._has: dict[str, _Told] = {}

    def everything(self) -> None:
        """The parent has nothing of it (any more)."""
        self._has.clear()

    async def page(self) -> tuple[SiteTold, ...]:
        """What has changed since it was taken, at most a report's worth."""
        own = Known(self._node, (), self._about, await self._health())
        rows: list[SiteTold] = []
        for one in (own, *(self._below or ())):
            if len(rows) >= MOST_SITES:
                break
            row = self._row(one)
            if row is not None:
                rows.append(row)
        return tuple(rows)

    def taken(self, rows: Sequence[SiteTold]) -> None:
        """The parent has these."""
        for row in rows:
            was = self._has.get(row.node, _Told(None, None, "", ()))
            about = was.about if row.about is None else row.about
            health = was.health if row.health is None else row.health
            self._has[row.node] = _Told(about, health, row.state, row.via)

    def _row(self, one: Known) -> SiteTold | None:
        is_own, has = one.node == self._node, self._has.get(one.node)
        if len(one.via) > MOST_VIA or (not is_own and one.state == "never"):
            return None
        about = one.about or SiteAbout()
        if about.can and not self._about.can:  # what would have to go through this node
            about = replace(about, can=())
        state = "" if is_own else one.state
        if has == _Told(about, one.health, state, one.via):
            return None
        return SiteTold(
            one.node,
            0 if is_own else one.heard_ns,
            one.via,
            None if has is not None and has.about == about else about,
            None if has is not None and has.health == one.health else one.health,
            state,
        )


def rounded(value: float) -> float:
    """To two digits: what only trembles isn't news."""
    if value <= 0:
        return 0.0
    place = floor(log10(value)) - 1
    return round(value, -place)

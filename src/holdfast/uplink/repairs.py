"""Has rows back from the parent where the own disk damaged them; what doesn't hash to the chain kept is refused."""

import asyncio
from collections.abc import Callable

from holdfast.journal.integrity import repair
from holdfast.journal.journal import Journal
from holdfast.journal.parent import CONSUMER
from holdfast.journal.records import Gap
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.message import Message
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.happenings import UplinkRepaired
from holdfast.uplink.ports import ParentStore
from holdfast.wire.columns import decode
from holdfast.wire.errors import LinkError, WireError
from holdfast.wire.messages import Fetch, Limits

LOOK_EVERY_S = 30.0
AT_ONCE = 16


class Repairs:
    """Looks for damaged gaps in what the parent has. `run` is its only task's body."""

    def __init__(
        self, journal: Journal, link: ParentStore, telemetry: Telemetry, branch: Callable[[], int | None]
    ) -> None:
        """branch: what the parent calls this node's history; None while there is no session."""
        self._journal, self._link, self._telemetry, self._branch = journal, link, telemetry, branch
        self._hopeless: set[tuple[int, int]] = set()

    async def run(self) -> None:
        """Look now and then, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.once()

    async def once(self) -> int:
        """Try what wasn't tried yet since the start; returns the groups that came back."""
        branch, mended = self._branch(), 0
        if branch is None:
            return 0
        for gap in (await asyncio.to_thread(self._wanted))[:AT_ONCE]:
            try:
                body = await self._link.fetch(Fetch(gap.lane, gap.first, gap.last, branch))
            except LinkError:
                return mended  # later
            mended += await self._mend(gap, body)
        return mended

    def _wanted(self) -> list[Gap]:
        """Gaps of own rows that were damaged after the parent had taken them."""
        taken = {lane: self._journal.cursor(CONSUMER, lane) for lane in Lane}
        return [
            gap
            for gap in self._journal.damaged_gaps()
            if gap.last <= taken[gap.lane] and (gap.lane, gap.first) not in self._hopeless
        ]

    async def _mend(self, gap: Gap, body: bytes | None) -> bool:
        content = None if body is None else await asyncio.to_thread(_rows, body)
        before = self._journal.chain_at(gap.lane, gap.first - 1)
        is_back = False
        if content is not None and before is not None:
            is_back = await self._journal.submit(lambda tx: repair(tx, gap.lane, gap.first, content, before))
        if is_back:
            self._telemetry.emit(UplinkRepaired(lane=int(gap.lane), first=gap.first, rows=len(gap)))
        else:
            self._hopeless.add((gap.lane, gap.first))
        return is_back


def _rows(body: bytes) -> Batch | tuple[Event, ...] | tuple[Message, ...] | None:
    try:
        content = decode(body, Limits())
    except WireError:
        return None
    if content.readings:
        return content.readings[0]
    if content.messages:
        return content.messages[0]
    return content.events[0] if content.events else None

"""The nodes below as a hub shows them, and looks at their own pages over the way that questions take."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace as changed

from holdfast.ingest.happenings import IngestChildLookedAt
from holdfast.ingest.questions import Questions, Unanswered
from holdfast.journal import alerts
from holdfast.sites.below import Known, SitesBelow
from holdfast.web.site_answers import LaneLag, SiteRow
from holdfast.web.sites import SiteUnreached
from holdfast.wire.acts import ABLE
from holdfast.wire.asking import Ask
from holdfast.wire.errors import WireError
from holdfast.wire.looking import MAX_PATH, MOST_HOLD_S, Call, CallReply, decode_reply
from holdfast.wire.sites import SiteAbout, SiteHealth, SiteTold

if TYPE_CHECKING:
    from holdfast.node.node import Node

LOOK_S = 8.0
COUNTED_FOR_S = 3.0
"""How long counts of devices and alerts are used: a hub with 100,000 devices isn't to count them for every viewer."""


class Desk:
    """Implements `web.deps.SiteDesk`. Loop thread only."""

    def __init__(self, node: "Node", below: SitesBelow) -> None:
        self._node, self._below = node, below
        self._counted: tuple[float, dict[str, Counter[str]], dict[str, dict[str, int]]] | None = None

    async def here(self) -> SiteRow:
        """This node."""
        told = self._node.told_devices
        now_ns = self._node.clock.wall_ns()
        own = Known(self._node.journal.node, (), told.about, await told.health(), now_ns, now_ns, "online")
        devices, open_alerts = await self._counts()
        return _row(own, None, devices.get(own.node, Counter()), open_alerts.get(own.node, {}))

    async def rows(self) -> list[SiteRow]:
        """All below, by name of the node."""
        devices, open_alerts = await self._counts()
        found = [self._seen(one, devices, open_alerts) for one in self._below]
        return sorted(found, key=lambda row: row.node)

    async def row(self, node: str) -> SiteRow | None:
        """One of them; None = it isn't known."""
        one = self._below.get(node)
        return None if one is None else self._seen(one, *await self._counts())

    def take(self, teller: str, rows: Sequence[SiteTold]) -> bool:
        """A child tells."""
        return self._below.take(teller, rows)

    async def look(self, node: str, call: Call) -> CallReply:
        """What the site's own page says now.

        Raises:
            SiteUnreached: when no answer came, or the site doesn't show its pages.
        """
        one = self._below.get(node)
        child = node if one is None or not one.via else one.via[0]
        if child != node:
            call = changed(call, path=f"sites/{node}/api/{call.path}")
        if len(call.path) > MAX_PATH:
            raise SiteUnreached("the path is too long to be passed on")
        questions = self._node.surroundings.questions
        reply = await self._ask(questions, child, call)
        if child != node and reply.header.status == 404 and b'"there is no site' in reply.body:
            raise SiteUnreached(f"{child} doesn't know it any more")
        if child != node and reply.header.status == 503 and b'"age_s":' in reply.body:
            raise SiteUnreached(f"{child}, which is above it, doesn't reach it")  # what is held here may be more
        return reply

    async def _ask(self, questions: Questions | None, child: str, call: Call) -> CallReply:
        standing = None if questions is None else questions.standing(child)
        if questions is None:
            raise SiteUnreached("this node asks its children nothing (`children.ask_within` is 0)")
        if standing is None or not standing.is_reachable:
            raise SiteUnreached("it isn't connected")
        if not standing.calls:
            raise SiteUnreached("it doesn't show its pages: an older version, or `parent.questions.looks` is 0 there")
        number, clock = uuid.uuid4().hex, self._node.clock
        began, lasts = clock.monotonic(), LOOK_S + (MOST_HOLD_S if call.hold_s else 0.0)
        ask = Ask(number, ("-/-",), 0, 1, branch=standing.branch, within_s=lasts, call=call)
        outcome: Literal["answered", "malformed", "unanswered"] = "unanswered"
        try:
            reply = decode_reply(await questions.ask(child, ask, lasts))
            outcome = "answered"
        except Unanswered as error:
            raise SiteUnreached(str(error)) from error
        except WireError as error:
            outcome = "malformed"
            raise SiteUnreached(f"it answered what can't be read: {error}") from error
        finally:
            seconds = round(clock.monotonic() - began, 3)
            self._node.telemetry.emit(
                IngestChildLookedAt(child=child, path=call.path[:200], outcome=outcome, seconds=seconds)
            )
        if reply.header.id != number:
            raise SiteUnreached("it answered another question")
        return reply

    def _seen(self, one: Known, devices: dict[str, Counter[str]], open_alerts: dict[str, dict[str, int]]) -> SiteRow:
        return _row(one, self._reach(one), devices.get(one.node, Counter()), open_alerts.get(one.node, {}))

    def _reach(self, one: Known) -> tuple[bool, bool]:
        questions = self._node.surroundings.questions
        standing = None if questions is None else questions.standing(one.via[0] if one.via else one.node)
        if standing is None or not standing.is_reachable or (one.via and one.state != "online"):
            return False, False
        return True, standing.calls

    async def _counts(self) -> tuple[dict[str, Counter[str]], dict[str, dict[str, int]]]:
        now = self._node.clock.monotonic()
        if self._counted is None or now - self._counted[0] >= COUNTED_FOR_S:
            open_alerts = await asyncio.to_thread(self._node.journal.look, alerts.open_by_node)
            devices: dict[str, Counter[str]] = {}
            for told in self._node.told_devices.below or ():
                devices.setdefault(told.node, Counter())[told.state or "unknown"] += 1
            for row in self._node.devices.roster:
                state = self._node.devices.state(row.number).name.lower()
                devices.setdefault(self._node.journal.node, Counter())[state] += 1
            self._counted = now, devices, open_alerts
        return self._counted[1], self._counted[2]


def _row(one: Known, reach: tuple[bool, bool] | None, devices: Counter[str], open_alerts: dict[str, int]) -> SiteRow:
    about, health = one.about or SiteAbout(), one.health or SiteHealth()
    reachable, looks = (True, True) if reach is None else reach
    return SiteRow(
        one.node,
        list(one.via),
        about.name or one.node,
        about.latitude,
        about.longitude,
        about.zone,
        about.note,
        about.version,
        about.started_ns,
        one.state,
        one.heard_ns,
        one.told_ns,
        reachable,
        looks,
        [LaneLag(lane, *each) for lane, each in enumerate(zip(health.rows, health.seconds, strict=False))],
        health.pace,
        health.kbps,
        health.clock,
        health.level,
        health.condition,
        health.disk,
        health.rate,
        list(health.trouble),
        open_alerts,
        dict(devices),
        ABLE in about.can,
    )

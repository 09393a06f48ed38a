"""Sends what people here do about alerts of nodes below: as commands, which wait until the site has them.

A command's row is the whole state: waiting while it's open, then done, or refused with the site's reason.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, TypeVar

from holdfast.commands.errors import CommandConflicts
from holdfast.commands.service import Asked, CommandService
from holdfast.journal import commanded
from holdfast.journal.alerts import Alert
from holdfast.journal.commanded import Stored
from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.errors import HoldfastError
from holdfast.model.command import MAX_PARAMS, State
from holdfast.sites.below import Known
from holdfast.storage.sqlite import Connection
from holdfast.wire.acts import ABLE, PLACE, Act, decode_act, encode_act

T = TypeVar("T")
WAITS_S = 7 * 86_400.0
"""How long an act waits for its site."""
ActState = Literal["waiting", "done", "refused", "expired"]
_STATES: dict[State, ActState] = {State.DONE: "done", State.EXPIRED: "expired"}


class SiteUnable(HoldfastError):
    """The site doesn't take it."""

    hint = "do it at the site itself, or renew its software"


class ActInvalid(HoldfastError):
    """What was asked can't be one: a site couldn't read it, and what waits behind it would wait for ever."""

    hint = "see docs/reference/http-api.md, Sites"


@dataclass(frozen=True, slots=True)
class Sent:
    """An act as it stands. detail: the site's reason."""

    id: str
    node: str
    act: Act
    state: ActState
    made_ns: int
    ended_ns: int
    detail: str

    @staticmethod
    def of(one: Stored) -> "Sent | None":
        """As it's stored; None = it's no act."""
        act, command = decode_act(one.command.params), one.command
        if act is None:
            return None
        state: ActState = _STATES.get(one.state, "refused") if one.state.is_terminal else "waiting"
        return Sent(command.id, command.node, act, state, command.made_ns, one.ended_ns, one.answer.detail)


class ActsBelow:
    """The acts of one node. Loop thread only, but for `of_alerts`."""

    def __init__(self, own: str, commands: CommandService, known: Callable[[str], Known | None]) -> None:
        """known: a node below."""
        self.own, self._commands, self._known = own, commands, known

    def why_not(self, node: str) -> str:
        """Why a node takes none; empty = it does."""
        known = self._known(node)
        if known is None:
            return f"there is no node {node[:80]} below this one"
        about = known.about
        if about is None or ABLE not in about.can:
            version = about.version if about is not None and about.version else "an older one"
            return (
                f"{node} can't take it from here: its version ({version}) doesn't, or `alerts.from_parent` is off there"
            )
        return ""

    def place_of(self, alert: Alert) -> str:
        """The node that decided on an alert, whose people are called; empty = this one."""
        node = str(alert.raised.why.get("decided_on") or alert.node)
        return "" if node == self.own else node

    async def send(self, node: str, act: Act, who: str, number: str = "") -> Sent:
        """Have it wait for its site. Returns when it's on disk. number: of the command; empty = one is made.

        Raises:
            SiteUnable: the site doesn't take it.
            ActInvalid: nobody could.
            CommandError: nothing was taken.
        """
        if why := self.why_not(node):
            raise SiteUnable(why)
        params = encode_act(act)
        if decode_act(params) is None or len(params) > MAX_PARAMS or not act.place.isprintable():
            raise ActInvalid("the act is too long, or names what no alert is called")
        lasts_s = WAITS_S
        if act.until_ns:
            lasts_s = max(1.0, min(lasts_s, (act.until_ns - self._commands.clock.wall_ns()) / NS_PER_S))
        number = number or await self._number(node, act)
        asked = Asked(act.place, act.name, who, params, node, number, lasts_s)
        try:
            stored, _ = await self._commands.ask(asked)
        except CommandConflicts:  # somebody else's acknowledgement is on its way
            found = await self._look(lambda db: commanded.find(db, number))
            if found is None:
                raise
            stored = found
        sent = Sent.of(stored)
        if sent is None:
            raise SiteUnable(f"what waits under {number} is no act")
        return sent

    async def _number(self, node: str, act: Act) -> str:
        """Once is enough for an acknowledgement: of those that wait or were done there's one."""
        if act.do != "acknowledge":
            return uuid.uuid4().hex
        key = f"{self.own}\0{node}\0{act.event}"
        before = await self._look(lambda db: commanded.of_places(db, [(node, act.place)]))
        tries = sum(
            one.command.name == act.name and one.state.is_terminal and one.state is not State.DONE for one in before
        )
        return blake2b(f"{key}\0{tries}".encode(), digest_size=16).hexdigest()

    async def _look(self, read: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._commands.journal.look, read)

    def of_alerts(self, db: Connection, found: Sequence[Alert]) -> dict[int, list[Sent]]:
        """What was sent about alerts, oldest first, by the alert's number."""
        places = {(node, f"{PLACE}{one.event}"): one.id for one in found if (node := self.place_of(one))}
        if not places:
            return {}
        sent: dict[int, list[Sent]] = {}
        for stored in commanded.of_places(db, list(places)):
            one = Sent.of(stored)
            if one is not None:
                sent.setdefault(places[stored.command.node, stored.command.device], []).append(one)
        return sent


def standing(sent: Sequence[Sent]) -> str:
    """How the acts of an alert are: `waiting` while any is, else how the last one ended; empty = there are none."""
    if any(one.state == "waiting" for one in sent):
        return "waiting"
    return sent[-1].state if sent else ""

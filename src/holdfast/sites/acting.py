"""Does what people at a node above decided about this node's alerts; each once, in the commit that ends the command.

The commit also holds a line of the audit log: who it was, and that it came from above.
"""

import asyncio
from collections.abc import Callable

import msgspec

from holdfast.commands.ending import CommandOver, Ending
from holdfast.commands.errors import Undeliverable
from holdfast.commands.service import CommandService
from holdfast.commands.telling import FROM_ABOVE
from holdfast.journal import alerts, audit_log, commanded
from holdfast.journal.alerts import Alert
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.command import Answer, Command, State
from holdfast.notify.errors import NotifyBusy, RequestInvalid
from holdfast.notify.filters import Filter
from holdfast.notify.service import NotifyService
from holdfast.storage.sqlite import Connection
from holdfast.wire.acts import Act, decode_act, is_act

MOST_METRICS = 1_000
_ABOUT = ("node", "device", "rule", "metric")
UNKNOWN = "the alert isn't known here: it may have been forgotten since it was over"
NOT_UNDERSTOOD = "this site's version doesn't know what was asked"
OVER = "the alert was over when this came"


class ActingHere:
    """Implements `commands.ports.DeviceLink` for what is addressed to the node itself. `run` is its task's body."""

    def __init__(
        self,
        commands: CommandService,
        notify: NotifyService,
        journal: Journal,
        clock: Clock,
        may_be_known: Callable[[Alert], bool] = lambda _: True,
    ) -> None:
        """may_be_known: may anybody above know that there is this alert?"""
        self._commands, self._notify, self._journal, self._clock = commands, notify, journal, clock
        self._may_be_known = may_be_known
        self._waiting: dict[str, Command] = {}
        self._bell = asyncio.Event()

    def takes(self, address: str) -> bool:
        """See `DeviceLink`."""
        return is_act(address)

    def hand(self, command: Command, address: str, left_s: float, heard: Callable[[], None]) -> bool:  # noqa: ARG002  # the port's
        """See `DeviceLink`."""
        if not command.origin.startswith(FROM_ABOVE):
            raise Undeliverable(f"{address[:80]} is this node itself: acknowledge the alert here")
        self._waiting[command.id] = command  # no more than the desk holds
        self._bell.set()
        return True

    async def run(self) -> None:
        """Do what waits, for ever."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._waiting:
                command = next(iter(self._waiting.values()))
                try:
                    await self.once(command)
                finally:
                    self._waiting.pop(command.id, None)

    async def once(self, command: Command) -> None:
        """Do one; what can't be done now is handed over again."""
        one = self._commands.desk.get(command.id)
        if one is None or one.is_ending:
            return
        act = decode_act(command.params)
        ending = Ending(self._commands, one, lambda tx, answer: self._note(tx, command, act, answer))
        try:
            if act is None or (act.name, act.place) != (command.name, command.device):
                answer = Answer(State.REFUSED, NOT_UNDERSTOOD)
            else:
                answer = await self._done(act, ending.write)
        except (NotifyBusy, CommandOver) as error:
            if isinstance(error, NotifyBusy):
                ending.let_go()
                return
            await ending.settle(Answer(State.DONE), failed=True)
        except HoldfastError as error:
            await ending.settle(Answer(State.REFUSED, str(error)[:500]), failed=True)
        except Exception as bug:  # noqa: BLE001  # a fault of ours here must not end a node that stores readings
            await ending.settle(Answer(State.FAILED, f"unexpected: {bug!r}"[:500]), failed=True)
        else:
            await ending.settle(answer)

    async def _done(self, act: Act, write: Callable[..., None]) -> Answer:
        by, also = f"{act.by} at {act.at}", write
        if act.do == "silence":
            await self._notify.quieting.silence(
                _filter(act.match), act.until_ns, by, act.text, lambda tx: write(tx, _silenced(tx))
            )
            return Answer(State.DONE)
        if act.do == "unsilence":
            number = act.silence or await asyncio.to_thread(self._journal.look, lambda db: _made(db, act.made_by))
            await self._notify.quieting.unsilence(number, also)
            return Answer(State.DONE)
        found = await asyncio.to_thread(self._journal.look, lambda db: _find(db, act))
        if found is None or not self._may_be_known(found):
            return Answer(State.REFUSED, UNKNOWN)
        if act.do == "comment":
            await self._notify.comment(found.id, by, act.text, also)
        elif act.do == "acknowledge":
            if not found.is_open:
                return Answer(State.REFUSED, OVER)
            after = await self._notify.acknowledge(found.id, by, act.text, also)
            return Answer(State.DONE, "" if after.acked_by == by else f"{after.acked_by} had acknowledged it before")
        else:
            await self._notify.label(found.id, "confirmed" if act.do == "confirmed" else "rejected", by, act.text, also)
        return Answer(State.DONE)

    def _note(self, tx: Transaction, command: Command, act: Act | None, answer: Answer) -> None:
        who = "" if act is None else f"{act.by} at {act.at}"
        body = {
            "who": who,
            "what": f"{command.name} by {command.origin}",
            "status": 200 if answer.state is State.DONE else 409,
            "address": "",
            "role": "operator",
            "via": "parent",
            "body": command.params[:2_000].decode("utf-8", "replace"),
        }
        if answer.detail:
            body["detail"] = answer.detail
        audit_log.write(tx, self._clock.wall_ns(), body)


def _silenced(tx: Transaction) -> Answer:
    """The end of an act that made a silence in this commit."""
    return Answer(State.DONE, result=msgspec.json.encode({"silence": alerts.newest_silence(tx.db)}))


def _made(db: Connection, act: str) -> int:
    """The number of the silence that an act made here; 0 = it made none."""
    found = commanded.find(db, act)
    said = msgspec.json.decode(found.answer.result) if found is not None and found.answer.result else None
    return int(said.get("silence", 0)) if isinstance(said, dict) else 0


def _find(db: Connection, act: Act) -> Alert | None:
    """The alert that the event raised, or the open one of the same rule and series."""
    found = alerts.raised_by(db, act.event)
    if found is not None or len(act.about) != len(_ABOUT):
        return found
    node, device, rule, metric = act.about
    wanted = alerts.Wanted(node=node, device=device, rule=rule)
    return next((one for one in alerts.page(db, wanted, MOST_METRICS) if one.metric == metric), None)


def _filter(match: dict[str, object]) -> Filter:
    try:
        return msgspec.convert(match, Filter)
    except msgspec.ValidationError as error:
        raise RequestInvalid(f"{NOT_UNDERSTOOD}: {error}", "make the silence at the site") from error

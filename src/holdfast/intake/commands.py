"""Commands where they meet the stream of messages: rules that send them, and what MQTT clients publish about them.

Answers of devices and commands of local clients come as arrivals like telemetry. They are taken out here, stored, and
settled after the commit (G1); what can't be read goes on to the intake, whose quarantine keeps the raw bytes.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from holdfast.adapters.port import Arrival, Inbox, Receipt
from holdfast.commands.asking import asked, canonical, local_body
from holdfast.commands.errors import CommandConflicts, CommandError, CommandsBusy, CommandsCrowded
from holdfast.commands.happenings import CommandAnswerUnused
from holdfast.commands.mqtt import Topics, answer_of
from holdfast.commands.service import Asked, CommandService
from holdfast.journal.commanded import Stored
from holdfast.stream.evidence import Decision

LOCAL = "command/"
MOST_WAITING = 1_000
_KNOWN_TOPICS = 20_000


def issue(commands: CommandService, decision: Decision) -> list[Stored]:
    """Hand over what a decision asks of devices; returns the rows to be stored."""
    origin = f"rule:{decision.event.rule}"
    wanted = []
    for one in decision.commands:
        try:
            wanted.append(Asked(one.device, one.name, origin, canonical(one.params), "", one.id, one.deadline_s))
        except CommandError as error:
            commands.turned_away("invalid", Asked(one.device, one.name, origin), str(error))
    return commands.issue(wanted)


class CommandInbox:
    """Stands before the intake's inbox. Loop thread only."""

    def __init__(self, inner: Inbox, commands: CommandService, topics: Topics) -> None:
        self._inner, self._commands, self._topics = inner, commands, topics
        self._known: dict[str, tuple[str, str] | None] = {}
        self._is_local = commands.settings.local
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def when_drained(self, callback: Callable[[], None]) -> None:
        """See `Inbox`."""
        self._inner.when_drained(callback)

    def offer(self, arrival: Arrival) -> bool:
        """See `Inbox`."""
        topic = arrival.topic
        if self._is_local and topic.startswith(LOCAL) and topic.count("/") == 2:
            self._ask(arrival)
            return True
        if topic not in self._known:
            if len(self._known) >= _KNOWN_TOPICS:
                self._known.clear()
            self._known[topic] = self._topics.answered(topic)
        about = self._known[topic]
        if about is None:
            return self._inner.offer(arrival)
        return self._answer(arrival, *about)

    def _answer(self, arrival: Arrival, device: str, number: str) -> bool:
        answers = [answer_of(bytes(payload)) for payload in arrival.payloads]
        answer = answers[0]
        if answer is None or not all(answers):
            self._commands.telemetry.emit(CommandAnswerUnused(device, number, "malformed"))
            return self._inner.offer(arrival)
        if self._waiting >= MOST_WAITING:
            arrival.receipt.refuse()
            return True
        self._waiting += 1
        self._commands.answered(number, device, answer, partial(self._settle, arrival))
        return True

    def _settle(self, arrival: Arrival) -> None:
        """What the adapter wants stored with the answer comes after it: the answer may come twice, but not be lost."""
        if arrival.annex is None:
            self._settled(arrival.receipt)
        else:
            done = self._commands.journal.submit(arrival.annex.writing())
            done.add_done_callback(partial(self._written, arrival.receipt))

    def _written(self, receipt: Receipt, done: "asyncio.Future[None]") -> None:
        if not done.cancelled() and done.exception() is None:
            self._settled(receipt)
        else:
            self._waiting -= 1
            receipt.refuse()

    def _settled(self, receipt: Receipt) -> None:
        self._waiting -= 1
        receipt.settle()

    def _ask(self, arrival: Arrival) -> None:
        if self._waiting >= MOST_WAITING:
            arrival.receipt.refuse()
            return
        self._waiting += 1
        task = asyncio.ensure_future(self._asked(arrival))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _asked(self, arrival: Arrival) -> None:
        """Take local commands; what can't be taken is said in the log, and settled: sending it again won't help."""
        _, device, name = arrival.topic.split("/")
        origin = f"mqtt:{arrival.source}"
        try:
            is_written = await self._take(arrival, device, name, origin)
        except CommandsBusy:
            self._waiting -= 1
            arrival.receipt.refuse()  # it keeps it, and sends it again
        else:
            settle = partial(self._settled, arrival.receipt) if is_written else partial(self._settle, arrival)
            settle()

    async def _take(self, arrival: Arrival, device: str, name: str, origin: str) -> bool:
        """Is what the adapter wants stored written with the last command? A command without an id must not come twice.

        Raises:
            CommandsBusy: nothing can be stored now.
        """
        also, longest = arrival.annex, self._commands.settings.longest
        reasons = {CommandsCrowded: "crowded", CommandConflicts: "conflict"}
        is_written = also is None
        for place, payload in enumerate(arrival.payloads, 1):
            is_last = also is not None and place == len(arrival.payloads)
            try:
                wanted = asked(local_body(name, bytes(payload)), device, origin, longest)
                await self._commands.ask(wanted, also.writing() if is_last and also is not None else None)
                is_written |= is_last
            except CommandsBusy:
                raise
            except CommandError as error:
                is_written |= is_last and isinstance(error, CommandConflicts)  # found in the commit that wrote it
                reason = reasons.get(type(error), "invalid")
                self._commands.turned_away(reason, Asked(device, name, origin), str(error))
        return is_written

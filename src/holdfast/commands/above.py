"""The child's side: asks its parent for commands, puts them on disk, and says so with the next question."""

import asyncio
from collections.abc import Callable, Sequence

from holdfast.commands.errors import CommandsBusy, DeviceRenamed, NodeUnknown
from holdfast.commands.happenings import CommandLinkLost, CommandLinkRestored
from holdfast.commands.ports import ParentCommands
from holdfast.commands.service import CommandService
from holdfast.commands.telling import FROM_ABOVE
from holdfast.journal import commanded
from holdfast.journal.commanded import Stored
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.errors import HoldfastError
from holdfast.model.command import Answer, Command, State
from holdfast.wire.commands import CommandPoll, Order, Orders
from holdfast.wire.errors import LinkDown, LinkRefused
from holdfast.wire.patience import Patience

LEAST_PAUSE_S = 0.05
TAKEN_LATE = "its deadline had passed when it reached this node"
OTHER_HERE = "another command was taken under its id at this node"


class Above:
    """Takes commands from the parent. `run` is its only task's body."""

    def __init__(
        self,
        service: CommandService,
        parent: ParentCommands,
        patience: Patience,
        *,
        why_not: Callable[[Order], str] = lambda _: "",
        waits: bool = True,
    ) -> None:
        """why_not: why this node doesn't take an order, empty = it does; waits: False = it asks when it's called."""
        self._service, self._parent, self._patience = service, parent, patience
        self._why_not, self._waits, self._called = why_not, waits, asyncio.Event()
        self._taken: tuple[str, ...] = ()
        self._is_up: bool | None = None

    def call(self) -> None:
        """The parent says that something waits. Loop thread."""
        self._called.set()

    async def run(self) -> None:
        """Ask, for ever."""
        clock = self._service.clock
        while True:
            if not self._waits and not self._taken:
                await self._called.wait()
            self._called.clear()
            while not self._patience.may_call(now := clock.monotonic()):  # noqa: ASYNC110  # the time is known
                await asyncio.sleep(max(0.01, self._patience.quiet_until - now))
            try:
                await self.once(self._service.settings.wait if self._waits else 0.0)
            except HoldfastError as error:
                self._failed(error)
                self.call()
            except Exception as bug:  # noqa: BLE001  # a fault of ours here must not end a node that stores readings
                self._failed(LinkDown(f"unexpected: {bug!r}"))
                self.call()
            else:
                self._reached()
                await asyncio.sleep(LEAST_PAUSE_S)

    async def once(self, wait_s: float) -> int:
        """Ask once, and take what is given; returns how many.

        Raises:
            LinkError: the parent wasn't reached, or doesn't serve us.
            CommandsBusy: the journal takes no writes; the parent keeps what it has.
        """
        if self._service.journal.condition is not Condition.OK:
            raise CommandsBusy(f"the journal is {self._service.journal.condition.value}")
        orders: Orders = await self._parent.commands(CommandPoll(self._taken, wait_s))
        self._taken = ()  # they're noted above
        if orders.orders:
            await self.take(orders.orders)
            self._taken = tuple(one.id for one in orders.orders)
        return len(orders.orders)

    async def take(self, orders: Sequence[Order]) -> None:
        """Put commands on disk, each once by its id; then they go their way."""
        service = self._service
        stored = [await asyncio.to_thread(self._stored, one) for one in orders]
        opened = []
        rows = list[Stored]()
        for one in stored:
            command = one.command
            if service.desk.get(command.id) is not None:
                rows.append(one)
                continue
            crowd = "" if one.state.is_terminal else service.desk.crowded(command.node, command.device)
            ready = _ended(one, Answer(State.REFUSED, f"{crowd} at {service.journal.node}")) if crowd else one
            rows.append(ready)
            if not ready.state.is_terminal:
                opened.append(service.put(ready, is_stored=False))
        fresh = await service.journal.submit(lambda tx: [self._insert(tx, one) for one in rows])
        is_new = {row.command.id for row, new in zip(rows, fresh, strict=True) if new}
        for mine in opened:
            if mine.command.id not in is_new:
                service.desk.remove(mine)
                continue
            service.settle([Stored(mine.command)])
            if not mine.via:
                service.hand(mine)
        service.ring()

    def _insert(self, tx: Transaction, one: Stored) -> bool:
        command = one.command
        if commanded.insert(tx, one):
            if one.state.is_terminal:
                self._tell(tx, command, one.answer)
            return True
        known = commanded.find(tx.db, command.id)
        if known is not None and not known.command.asks_the_same(command):
            self._tell(tx, command, Answer(State.REFUSED, OTHER_HERE))
        return False

    def _tell(self, tx: Transaction, command: Command, answer: Answer) -> None:
        event = self._service.telling(command, answer, command.made_ns)
        tx.append_events(event.lane, [event])
        tx.count("events_accepted")

    def _stored(self, order: Order) -> Stored:
        """As it is to be kept: a deadline by a clock that isn't set yet is counted from now."""
        service, now_ns = self._service, self._service.clock.wall_ns()
        left_ns = round(order.left_s * NS_PER_S)
        until = now_ns + left_ns if service.is_unset() else min(order.deadline_ns, now_ns + left_ns)
        origin = FROM_ABOVE + order.origin
        command = Command(order.id, order.node, order.device, order.name, order.params, origin, now_ns, until)
        if why := self._why_not(order):
            return _ended(Stored(command), Answer(State.REFUSED, why))
        try:
            stored = Stored(command, service.towards(order.node))
        except NodeUnknown as error:
            return _ended(Stored(command), Answer(State.UNDELIVERABLE, str(error)))
        called = service.names(order.device)
        if not stored.via and order.made_ns >= called.since_ns > 0:
            renamed = DeviceRenamed(order.device, called.name)
            return _ended(stored, Answer(State.REFUSED, f"{renamed} at {service.journal.node}; {renamed.hint}"))
        return stored if until > now_ns else _ended(stored, Answer(State.EXPIRED, TAKEN_LATE))

    def _reached(self) -> None:
        self._patience.succeeded()
        if self._is_up is False:
            self._service.telemetry.emit(CommandLinkRestored())
        self._is_up = True

    def _failed(self, error: HoldfastError) -> None:
        now = self._service.clock.monotonic()
        self._patience.failed(now, error.retry_after_s if isinstance(error, LinkRefused) else 0.0)
        if self._is_up is not False:
            self._service.telemetry.emit(CommandLinkLost(detail=str(error)))
        self._is_up = False


def _ended(one: Stored, answer: Answer) -> Stored:
    return Stored(one.command, one.via, state=answer.state, ended_ns=max(1, one.command.made_ns), answer=answer)

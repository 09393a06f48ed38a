"""The parent's side of commands that go down: kept until the child says that they are on its disk.

Nothing of a poll is remembered but what it says was taken, so it may be cut anywhere and come again: the child takes a
command once by its id, and is handed it again until it has said so.
"""

import asyncio
import contextlib
from collections import Counter

from holdfast.commands.service import CommandService
from holdfast.journal import commanded
from holdfast.journal.transaction import Transaction
from holdfast.model.command import State
from holdfast.wire.commands import MOST_BYTES, MOST_ORDERS, CommandPoll, Order, Orders


class Below:
    """Hands out what waits for children. Loop thread only."""

    def __init__(self, service: CommandService) -> None:
        self._service = service
        self._asking: Counter[str] = Counter()

    async def poll(self, child: str, poll: CommandPoll) -> Orders:
        """Note what the child took; then what waits for it, as soon as something does."""
        await self._taken(child, poll.taken)
        self._asking[child] += 1
        try:
            return await self._next(child, poll.wait_s)
        finally:
            self._asking[child] -= 1
            if not self._asking[child]:
                del self._asking[child]

    def is_asking(self, child: str) -> bool:
        """Does it hold a question open?"""
        return child in self._asking

    async def _next(self, child: str, wait_s: float) -> Orders:
        deadline = self._service.clock.monotonic() + wait_s
        while True:
            bell = self._service.bell
            orders = self._waiting(child)
            left = deadline - self._service.clock.monotonic()
            if orders or left <= 0:
                return Orders(orders)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await bell.wait()

    def has(self, child: str) -> bool:
        """Does anything wait for it?"""
        return self._service.desk.has_below(child) and any(self._service.desk.below(child, self._service.now()))

    async def _taken(self, child: str, numbers: tuple[str, ...]) -> None:
        found = [self._service.desk.get(number) for number in numbers]
        mine = [one for one in found if one is not None and one.via == child]
        if not mine:
            return
        at_ns, ids = self._service.clock.wall_ns(), [one.command.id for one in mine]

        def write(tx: Transaction) -> None:
            for number in ids:
                commanded.mark(tx, number, State.SENT, at_ns)

        await self._service.journal.submit(write)
        for one in mine:
            if one.state is State.ACCEPTED:
                one.state = State.SENT

    def _waiting(self, child: str) -> tuple[Order, ...]:
        found: list[Order] = []
        size = 0
        for one, left in self._service.desk.below(child, self._service.now()):
            command = one.command
            size += len(command.params)
            if len(found) >= MOST_ORDERS or (found and size > MOST_BYTES):
                break
            one.perhaps = True  # from here on the child may have it, whatever becomes of this answer
            found.append(
                Order(
                    command.id,
                    command.node,
                    command.device,
                    command.name,
                    command.params,
                    command.origin,
                    command.deadline_ns,
                    left,
                    command.made_ns,
                )
            )
        return tuple(found)

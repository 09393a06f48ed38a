"""Questions to children, who dial out: each keeps a poll open, takes a question from it and posts the answer.

Kept in memory only: whoever asks waits, and asks again after a restart. Bounded: one poll a child, `MOST_WAITING`
questions a child, and so many polls in all as the door has connections to spare.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from holdfast.kernel.clock import Clock
from holdfast.wire.asking import Ask, Poll

MOST_WAITING = 8
GRACE_S = 5.0
"""A child whose poll just ended comes back within this time."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a child was last heard.

    silent_s: since its last poll ended; 0 = one is open; was_cut: it ended with its connection
    calls: may its own pages be looked at?
    """

    branch: int
    session: int
    silent_s: float
    was_cut: bool = False
    calls: bool = False

    @property
    def is_reachable(self) -> bool:
        """May a question reach it now?"""
        return not self.silent_s or (self.silent_s <= GRACE_S and not self.was_cut)


@dataclass(slots=True)
class _Door:
    """One child's."""

    poll: Poll
    heard: float
    turn: int = 0
    is_open: bool = False
    was_cut: bool = False
    waiting: deque[Ask] = field(default_factory=deque)
    bell: asyncio.Event = field(default_factory=asyncio.Event)


class Unanswered(Exception):
    """The child gave no answer; says why."""


class Questions:
    """Polls and questions under way. Loop thread only, but for `standing`."""

    def __init__(self, clock: Clock, most_polls: int = 128) -> None:
        """most_polls: open at once; a child beyond them is told to come again, and isn't reached meanwhile."""
        self._clock, self._most = clock, most_polls
        self._doors: dict[str, _Door] = {}
        self._pending: dict[tuple[str, str], asyncio.Future[bytes]] = {}

    @property
    def polls(self) -> int:
        """Children that can be asked now."""
        return sum(door.is_open for door in self._doors.values())

    def standing(self, child: str) -> Standing | None:
        """How the child was last heard; None = it never asked for questions."""
        door = self._doors.get(child)
        if door is None:
            return None
        silent_s = 0.0 if door.is_open else max(1e-3, self._clock.monotonic() - door.heard)
        return Standing(door.poll.branch, door.poll.session, silent_s, door.was_cut, door.poll.calls)

    def has_room(self, child: str) -> bool:
        """May the child keep a poll open?"""
        door = self._doors.get(child)
        return (door is not None and door.is_open) or self.polls < self._most

    async def poll(self, child: str, poll: Poll) -> Ask | None:
        """The next question for the child; None when there was none in its time, or a later poll took its place."""
        door = self._doors.setdefault(child, _Door(poll, 0.0))
        door.poll, door.is_open, door.was_cut = poll, True, False
        door.turn += 1
        mine = door.turn
        door.bell.set()  # an older poll of the same child ends
        try:
            async with asyncio.timeout(poll.wait_s):
                return await self._next(child, door, mine)
        except TimeoutError:
            return None
        except asyncio.CancelledError:
            door.was_cut = door.turn == mine  # a later poll is another connection
            raise
        finally:
            if door.turn == mine:
                door.is_open, door.heard = False, self._clock.monotonic()

    async def _next(self, child: str, door: _Door, mine: int) -> Ask | None:
        while door.turn == mine:
            while door.waiting:
                ask = door.waiting.popleft()
                if (child, ask.id) in self._pending:
                    return ask
            door.bell.clear()
            await door.bell.wait()
        return None

    def answered(self, child: str, number: str, body: bytes) -> bool:
        """Take an answer; False when nobody waits for it (any more)."""
        waiting = self._pending.get((child, number))
        if waiting is None or waiting.done():
            return False
        waiting.set_result(body)
        return True

    async def ask(self, child: str, ask: Ask, within_s: float) -> bytes:
        """The child's answer.

        Raises:
            Unanswered: when it didn't come.
        """
        door, standing = self._doors.get(child), self.standing(child)
        if door is None or standing is None or not standing.is_reachable:
            raise Unanswered("not reached")
        if len(door.waiting) >= MOST_WAITING:
            raise Unanswered(f"not asked: {MOST_WAITING} questions wait for it")
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pending[child, ask.id] = answer
        door.waiting.append(ask)
        door.bell.set()
        try:
            async with asyncio.timeout(within_s):
                return await answer
        except TimeoutError:
            raise Unanswered(f"no answer within {within_s:g} s") from None
        finally:
            del self._pending[child, ask.id]

    def close(self) -> None:
        """End every poll."""
        for door in self._doors.values():
            door.turn += 1
            door.is_open = False
            door.bell.set()

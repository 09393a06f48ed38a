"""The open commands of a node, and what is due about each. Pure: no clock, no disk, no socket.

A command that came in this life of the process has its deadline on the monotonic clock, so setting the wall clock moves
it nowhere. One from an earlier life has it on the wall clock only; while that isn't set (a machine that boots in 1970)
it is neither sent nor ended. What was accepted in an earlier life counts as perhaps sent: the process may have ended
between handing it over and writing so.

Invariants: a command is on the desk from before its commit until its end is committed; once it's ending, it's handed to
nobody any more.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from holdfast.journal.commanded import Stored
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.command import Answer, Command, State

AGAIN_S = 0.25
"""Until the next try, where the device couldn't be reached."""
FIRST_REPEAT_S = 10.0
"""Until a command is handed over again of which nobody says that the device has it; doubles each time."""
_MOST_DOUBLINGS = 16
UNSAID = "no answer before its deadline"
UNSENT = "its deadline passed before the device could be reached"


@dataclass(slots=True)
class Open:
    """One command that hasn't ended. until: deadline, monotonic seconds; None = only the wall clock knows it.

    perhaps:   somebody may have been handed it, although `state` doesn't say so
    address:   the hardware that was handed it, empty = none that is known; nobody else gets it
    is_stored: its row is committed; `then` runs once it is
    due:       when it is handed over next, monotonic
    """

    command: Command
    via: str = ""
    state: State = State.ACCEPTED
    until: float | None = None
    perhaps: bool = False
    is_stored: bool = True
    is_ending: bool = False
    due: float = 0.0
    tries: int = 0
    address: str = ""
    then: list[Callable[[], None]] = field(default_factory=list)
    over: list[Callable[[], None]] = field(default_factory=list)

    @property
    def may_be_known(self) -> bool:
        """May the device have it?"""
        return self.perhaps or self.state is not State.ACCEPTED

    @property
    def key(self) -> tuple[str, str]:
        """Whose limit it counts against."""
        return self.command.node, self.command.device


@dataclass(frozen=True, slots=True)
class Now:
    """The time, and whether the wall clock is to be believed."""

    monotonic: float
    wall_ns: int
    is_unset: bool = False


@dataclass(slots=True)
class Turn:
    """What is due: hand these over, end those."""

    hand: list[Open] = field(default_factory=list)
    end: list[tuple[Open, Answer]] = field(default_factory=list)


class Desk:
    """Every open command of a node, by id."""

    def __init__(self, per_device: int, total: int, grace_s: float) -> None:
        self._per_device, self._total, self._grace_s = per_device, total, grace_s
        self._open: dict[str, Open] = {}
        self._of_device: Counter[tuple[str, str]] = Counter()
        self._via: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Open]:
        return iter(list(self._open.values()))

    def get(self, number: str) -> Open | None:
        """An open command."""
        return self._open.get(number)

    def crowded(self, node: str, device: str) -> str:
        """Why no further command is taken for a device; empty = it may be."""
        if len(self._open) >= self._total:
            return f"{self._total} commands are open at this node"
        if self._of_device[node, device] >= self._per_device:
            return f"{self._per_device} commands of {device} are open"
        return ""

    @property
    def is_full(self) -> bool:
        """Is there no room for any device?"""
        return len(self._open) >= self._total

    def add(self, one: Open) -> Open:
        """Put a command on the desk; its id isn't there yet."""
        self._open[one.command.id] = one
        self._of_device[one.key] += 1
        self._via[one.via] += 1
        return one

    def restore(self, stored: Stored, address: str = "") -> None:
        """Put a command of an earlier life on the desk."""
        self.add(Open(stored.command, stored.via, stored.state, perhaps=True, address=address))

    def remove(self, one: Open) -> None:
        """It's over, or was never taken."""
        if self._open.get(one.command.id) is one:
            del self._open[one.command.id]
            self._of_device[one.key] -= 1
            if not self._of_device[one.key]:
                del self._of_device[one.key]
            self._via[one.via] -= 1
            if not self._via[one.via]:
                del self._via[one.via]

    def left_s(self, one: Open, now: Now) -> float | None:
        """Until its deadline; None: nobody can know."""
        if one.until is not None:
            return one.until - now.monotonic
        return None if now.is_unset else (one.command.deadline_ns - now.wall_ns) / NS_PER_S

    def turn(self, now: Now) -> Turn:
        """What is due."""
        turn = Turn()
        for one in self._open.values():
            left = self.left_s(one, now)
            if one.is_ending or left is None:
                continue
            if left > 0:
                if not one.via and one.state is not State.DELIVERED and one.due <= now.monotonic:
                    turn.hand.append(one)
            elif not one.may_be_known:
                turn.end.append((one, Answer(State.EXPIRED, UNSENT)))
            elif not one.via or left <= -self._grace_s:
                turn.end.append((one, Answer(State.EXPIRED, UNSAID, doubt=True)))
        return turn

    def is_for(self, one: Open, address: str, now: Now) -> bool:
        """May this hardware be handed it? Not once other hardware was: only that one knows whether it did it."""
        if one.address in ("", address):
            return True
        one.due = now.monotonic + FIRST_REPEAT_S  # it may be put back in its place
        return False

    def handed(self, one: Open, address: str, now: Now, *, is_reached: bool) -> bool:
        """It was tried; is this the first time that it went out?"""
        if not is_reached:
            one.due = now.monotonic + AGAIN_S
            return False
        one.address = address
        one.due = now.monotonic + FIRST_REPEAT_S * 2 ** min(one.tries, _MOST_DOUBLINGS)
        one.tries += 1
        is_first = one.state is State.ACCEPTED
        if is_first:
            one.state = State.SENT
        return is_first

    def has_below(self, child: str) -> bool:
        """Is any command open that went, or is to go, down to a child? For those who ask often."""
        return child in self._via

    def children(self) -> list[str]:
        """Those that have such a command."""
        return [child for child in self._via if child]

    def below(self, child: str, now: Now) -> Iterator[tuple[Open, float]]:
        """What waits for a child, oldest first, each with the seconds until its deadline."""
        for one in self._open.values():
            if one.via == child and one.state is State.ACCEPTED and one.is_stored and not one.is_ending:
                left = self.left_s(one, now)
                if left is not None and left > 0:
                    yield one, left

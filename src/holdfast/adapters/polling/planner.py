"""Who is asked next, and when: pure, told the time.

- Each poll has its own place on a fixed grid (start + phase + k * every), so that periods don't drift; phases of polls
  with the same period are spread evenly over it (the golden ratio's multiples: others keep theirs when one comes).
- A poll that comes a whole period late leaves out the ones it missed; they are counted, never queued.
- Of what is due on a bus the more important goes first; each period of waiting makes up for one step of priority.
- A device that fails `failures` times in a row is dead: all its polls but one try stop, and tries become rarer
  (doubled, jittered, up to `retry_max`).
- When a dead device answers, or the first of a bus on which nobody did, the dead ones of the bus are tried at once.
- Tries of failing devices may take `trouble_share` of a bus' time; what they took more must pass before the next, but
  where nobody answers nobody is held up by them.
  So a dead device costs those behind it on the bus that share, and those on other buses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import NamedTuple

from holdfast.adapters.polling.patience import AnswerTime
from holdfast.adapters.polling.settings import PollSettings

_GOLDEN = 0.6180339887498949
_LATEST = 1024
_SUSPECT = 2
"""Failures in a row that make a device one of those whose time is limited: one alone may be chance."""


class Poll(NamedTuple):
    """Something that is read from a device every so often.

    group:    what it's called among the device's polls, as when some of its points are read less often
    bus:      polls of one bus wait for one another, as far as it isn't told how many it carries at once
    priority: 0 goes first
    """

    device: str
    bus: str
    every_s: float
    priority: int = 1
    group: str = ""


class Turn(NamedTuple):
    """A poll that is to be made now. due_s: when it should have been; timeout_s: for each question of it."""

    number: int
    poll: Poll
    due_s: float
    timeout_s: float
    is_try: bool


@dataclass(slots=True)
class Health:
    """A device. in_a_row: failures since it answered; is_dead: only tried now and then, by one of its polls."""

    answers: AnswerTime
    polls: list[int] = field(default_factory=list)
    in_a_row: int = 0
    is_dead: bool = False
    pause_s: float = 0.0
    made: int = 0
    failures: int = 0
    skipped: int = 0


@dataclass(slots=True)
class _Place:
    """A poll's place in time: `origin + k * every`. at: when it's looked at next, None = it's under way or parked."""

    origin: float
    k: int = 0
    at: float | None = None

    def due(self, every_s: float) -> float:
        return self.origin + self.k * every_s

    def latest(self, every_s: float, now: float) -> int:
        """The number of the last place that isn't after now."""
        return int((now - self.origin) // every_s)


@dataclass(slots=True)
class _Bus:
    """waiting: heap of (time, poll), with entries that are out of date; ready: polls that are due.

    trouble_s: from when failing devices may be tried again though others wait
    devices, failing: how many there are, and of them how many didn't answer last
    """

    answers: AnswerTime
    waiting: list[tuple[float, int]] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    trouble_s: float = 0.0
    devices: dict[str, None] = field(default_factory=dict)
    failing: int = 0

    @property
    def is_down(self) -> bool:
        """Does nobody answer? Then it may be the bus."""
        return self.failing == len(self.devices)


class Planner:
    """Plans the polls of one adapter. Times are seconds of a monotonic clock."""

    def __init__(self, polls: Sequence[Poll], settings: PollSettings, start_s: float, rng: Random) -> None:
        """rng: jitters the tries of dead devices."""
        self.polls = tuple(polls)
        self._settings, self._rng = settings, rng
        self.health: dict[str, Health] = {}
        self.late: list[float] = []
        """Seconds that the latest turns of living devices began late; a ring."""
        self._late_at = 0
        self._buses: dict[str, _Bus] = {}
        self._places: list[_Place] = []
        seen: dict[float, int] = {}
        for number, poll in enumerate(self.polls):
            nth = seen[poll.every_s] = seen.get(poll.every_s, -1) + 1
            self._places.append(_Place(start_s + poll.every_s * (nth * _GOLDEN % 1.0)))
            health = self.health.setdefault(poll.device, Health(AnswerTime(settings.timeout)))
            health.polls.append(number)
            self._bus(poll.bus).devices[poll.device] = None
            self._wait(number, self._places[number].origin)

    def next(self, bus: str, now: float) -> Turn | None:
        """What to ask on this bus now; None = nothing is due, see `wait_s`. The end of each turn must be told."""
        line = self._bus(bus)
        self._ripen(line, now)
        number = min(self._allowed(line, now), key=lambda one: self._rank(one, now), default=None)
        if number is None:
            return None
        line.ready.remove(number)
        poll, place = self.polls[number], self._places[number]
        health = self.health[poll.device]
        if not health.is_dead:
            missed = max(0, place.latest(poll.every_s, now) - place.k)
            health.skipped += missed
            place.k += missed
            self._note_late(now - place.due(poll.every_s))
        return Turn(
            number,
            poll,
            place.due(poll.every_s),
            self._timeout_s(health, line, self._idle_s(line, now)),
            health.is_dead,
        )

    def wait_s(self, bus: str, now: float) -> float:
        """Until `next` may give something; at least a millisecond, at most 60 s."""
        line = self._bus(bus)
        self._ripen(line, now)
        soon = [line.waiting[0][0]] if line.waiting else []
        if line.ready:
            soon.append(now if line.is_down else line.trouble_s)
        return min(60.0, max(0.001, min(soon, default=now + 60.0) - now))

    def answered(self, turn: Turn, now: float, took_s: float) -> bool:
        """It answered, its slowest question within `took_s`; was it dead before?"""
        health = self.health[turn.poll.device]
        health.made += 1
        line = self._bus(turn.poll.bus)
        for answers in (health.answers, line.answers):
            answers.answered(took_s)
        is_back = health.is_dead or (health.in_a_row > 0 and line.is_down)
        line.failing -= health.in_a_row > 0
        was_dead, health.is_dead, health.in_a_row, health.pause_s = health.is_dead, False, 0, 0.0
        if is_back:
            self._wake(line, now)
        if not was_dead:
            self._again(turn.number, now)
            return False
        for number in health.polls:
            place, every = self._places[number], self.polls[number].every_s
            if number == turn.number or place.at is not None:
                place.k = place.latest(every, now) + 1
                self._wait(number, place.due(every))
        return True

    def _wake(self, line: _Bus, now: float) -> None:
        """One of a bus is back: it may have been the bus, so the others that are dead are tried soon, too."""
        line.trouble_s = now
        for device in line.devices:
            health = self.health[device]
            for number in health.polls if health.is_dead else ():
                at = self._places[number].at
                if at is not None and now + self.polls[number].every_s < at < inf:
                    health.pause_s = 0.0
                    self._wait(number, now)

    def failed(self, turn: Turn, now: float, took_s: float, *, timed_out: bool) -> bool:
        """It didn't, and took `took_s` of the bus' time; is it dead now, and wasn't before?"""
        health, settings = self.health[turn.poll.device], self._settings
        health.made += 1
        health.failures += 1
        line = self._bus(turn.poll.bus)
        line.failing += health.in_a_row == 0
        health.in_a_row += 1
        if timed_out:
            health.answers.timed_out()
        line.trouble_s = max(line.trouble_s, now) + took_s * (1 / settings.trouble_share - 1)
        if health.in_a_row < settings.failures:
            self._again(turn.number, now)
            return False
        if health.is_dead and not turn.is_try:  # was under way when another of its polls found it dead
            self._park(turn.number)
            return False
        was_dead, health.is_dead = health.is_dead, True
        longest = max(settings.retry_max, turn.poll.every_s)
        health.pause_s = min(longest, max(2 * health.pause_s, turn.poll.every_s))
        for number in health.polls:
            if number in line.ready:
                line.ready.remove(number)
                self._park(number)
            elif self._places[number].at is not None:
                self._park(number)
        self._wait(turn.number, now + health.pause_s * self._rng.uniform(0.75, 1.0))
        return not was_dead

    def skip(self, turn: Turn, now: float) -> None:
        """It wasn't made, for reasons that aren't the device's."""
        self.health[turn.poll.device].skipped += 1
        self._again(turn.number, now)

    def _timeout_s(self, health: Health, line: _Bus, idle_s: float) -> float:
        if health.is_dead and idle_s < self._settings.timeout:
            return health.answers.try_s(health.in_a_row, line.answers)
        if health.is_dead:
            return self._settings.timeout
        is_last = health.in_a_row and health.in_a_row >= self._settings.failures - 1
        return (
            self._settings.timeout if is_last else health.answers.timeout_s(line.answers)
        )  # it may only have become slow

    def _bus(self, name: str) -> _Bus:
        found = self._buses.get(name)
        if found is None:
            found = self._buses[name] = _Bus(AnswerTime(self._settings.timeout))
        return found

    def _ripen(self, line: _Bus, now: float) -> None:
        """What is due becomes ready; what's out of date at the top goes."""
        while line.waiting and (line.waiting[0][0] <= now or self._is_stale(line.waiting[0])):
            entry = heappop(line.waiting)
            if not self._is_stale(entry):
                line.ready.append(entry[1])
                self._places[entry[1]].at = None

    def _is_stale(self, entry: tuple[float, int]) -> bool:
        return self._places[entry[1]].at != entry[0]

    def _allowed(self, line: _Bus, now: float) -> list[int]:
        """What may be asked: failing devices only in their share of the time, or while nobody else is due."""
        if line.trouble_s <= now or line.is_down:
            return line.ready
        health = [self.health[self.polls[number].device] for number in line.ready]
        well = [number for number, one in zip(line.ready, health, strict=True) if one.in_a_row < _SUSPECT]
        if well or not line.ready:
            return well
        idle_s = self._idle_s(line, now)
        return [n for n, one in zip(line.ready, health, strict=True) if self._timeout_s(one, line, idle_s) <= idle_s]

    @staticmethod
    def _idle_s(line: _Bus, now: float) -> float:
        """Until something else is due on the bus."""
        return line.waiting[0][0] - now if line.waiting else inf

    def _rank(self, number: int, now: float) -> tuple[float, float]:
        poll, due = self.polls[number], self._places[number].due(self.polls[number].every_s)
        return poll.priority - (now - due) / poll.every_s, due

    def _again(self, number: int, now: float) -> None:
        """On to its next place: those that are over by a whole period are left out."""
        poll, place = self.polls[number], self._places[number]
        k = max(place.k + 1, place.latest(poll.every_s, now))
        self.health[poll.device].skipped += k - place.k - 1
        place.k = k
        self._wait(number, place.due(poll.every_s))

    def _wait(self, number: int, at: float) -> None:
        self._places[number].at = at
        heappush(self._bus(self.polls[number].bus).waiting, (at, number))

    def _park(self, number: int) -> None:
        """Not before its device answers."""
        self._places[number].at = inf

    def _note_late(self, late_s: float) -> None:
        if len(self.late) < _LATEST:
            self.late.append(late_s)
        else:
            self.late[self._late_at] = late_s
            self._late_at = (self._late_at + 1) % _LATEST

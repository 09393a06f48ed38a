"""What a channel tells next. Pure: facts and the time in, one choice out.

Of what waits, a silence holds some back. The rest stands in groups, by the members that `group.by` names. A group is
due when its first alert has waited `group.wait`, or when it's full; of due groups the one with the most severe alert
goes first (G4), then the one that has waited longest.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.journal.alerts import Alert
from holdfast.journal.dispatches import Dispatch
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.event import Event
from holdfast.notify.messages import RANK
from holdfast.notify.settings import GroupSettings, RateSettings

Waiting = tuple[Dispatch, Alert]


@dataclass(frozen=True, slots=True)
class Silencer:
    """A silence that lasts."""

    id: int
    until_ns: int
    means: Callable[[Event], bool]


@dataclass(frozen=True, slots=True)
class Choice:
    """hold: (silence, what it holds now); send: goes out together, empty = nothing is; wake_ns: when something is."""

    hold: tuple[tuple[Silencer, tuple[int, ...]], ...] = ()
    send: tuple[Waiting, ...] = ()
    wake_ns: int | None = None


@dataclass(slots=True)
class Pace:
    """How many messages went lately. Not remembered over a restart: then as many may go again."""

    settings: RateSettings
    _sent: deque[float] = field(default_factory=deque)

    def wait_s(self, now: float) -> float:
        """How long until the next one may go. now: monotonic seconds."""
        while self._sent and self._sent[0] <= now - self.settings.per:
            self._sent.popleft()
        return 0.0 if len(self._sent) < self.settings.messages else self._sent[0] + self.settings.per - now

    def sent(self, now: float) -> None:
        """One went."""
        self._sent.append(now)


def choose(
    waiting: Sequence[Waiting],
    silencers: Sequence[Silencer],
    settings: GroupSettings,
    now_ns: int,
    alone: Collection[int] = (),
) -> Choice:
    """What is due. alone: dispatches that were refused with others, and are tried by themselves."""
    held, free = _silenced(waiting, silencers, now_ns)
    groups: dict[tuple[object, ...], list[Waiting]] = {}
    for one in free:
        key = (one[0].id,) if one[0].id in alone else tuple(getattr(one[1], name) for name in settings.by)
        groups.setdefault(key, []).append(one)
    later = [dispatch.due_ns for dispatch, _ in waiting if dispatch.due_ns - dispatch.wait_ns > now_ns]
    ready: list[tuple[int, int, list[Waiting]]] = []
    for group in groups.values():
        due_ns = min(dispatch.due_ns for dispatch, _ in group)
        if due_ns <= now_ns or len(group) >= settings.most:
            ready.append((min(RANK[alert.severity] for _, alert in group), due_ns, group))
        else:
            later.append(due_ns)
    if not ready:
        return Choice(held, (), min(later, default=None))
    *_, chosen = min(ready, key=lambda one: one[:2])
    chosen.sort(key=lambda one: (RANK[one[1].severity], one[0].id))
    return Choice(held, tuple(chosen[: settings.most]), now_ns if len(ready) > 1 else min(later, default=None))


def _silenced(
    waiting: Sequence[Waiting], silencers: Sequence[Silencer], now_ns: int
) -> tuple[tuple[tuple[Silencer, tuple[int, ...]], ...], list[Waiting]]:
    held: dict[int, list[int]] = {}
    by_id: Mapping[int, Silencer] = {one.id: one for one in silencers}
    free: list[Waiting] = []
    for dispatch, alert in waiting:
        if dispatch.due_ns - dispatch.wait_ns > now_ns:
            continue
        silencer = next((one for one in silencers if one.means(alert.raised)), None)
        if silencer is None:
            free.append((dispatch, alert))
        else:
            held.setdefault(silencer.id, []).append(dispatch.id)
    return tuple((by_id[number], tuple(ids)) for number, ids in held.items()), free


def pause_s(wake_ns: int | None, now_ns: int, longest_s: float) -> float:
    """How long to sleep until then."""
    return longest_s if wake_ns is None else min(longest_s, max(0.0, (wake_ns - now_ns) / NS_PER_S))

"""One viewer: what it watches, what it may be sent, and the next frame. Pure but for the watches' sources."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from holdfast.web.live.messages import Frame, Topic, Trouble, Watch
from holdfast.web.live.pacing import Pace
from holdfast.web.live.watches import Watching

MOST_WATCHES = 64
MOST_FRAME = 1_000_000
_ENOUGH = 4_096
"""A watch that finds less room than this waits for the next frame."""
_MOST_TROUBLES = 64
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Watched:
    topic: Topic
    watching: Watching
    every_s: float
    due: float


class Viewer:
    """One connection's state. Loop thread only."""

    def __init__(self, now: float) -> None:
        self.pace = Pace(now)
        self._watched: dict[str, _Watched] = {}
        self._troubles: dict[str, Trouble] = {}

    @property
    def topics(self) -> list[Topic]:
        """Of all its watches."""
        return [one.topic for one in self._watched.values()]

    def watch(self, wanted: Watch, make: Callable[[], Watching], now: float) -> None:
        """Watch from now on; what had the same id ends."""
        self.unwatch(wanted.id)
        if len(self._watched) >= MOST_WATCHES:
            self.refuse(wanted.id, Trouble(f"there are {MOST_WATCHES} watches", "unwatch what isn't looked at"))
            return
        self._watched[wanted.id] = _Watched(wanted.topic, make(), wanted.every_ms / 1000, now)

    def unwatch(self, number: str) -> None:
        """Tell no more of it."""
        gone = self._watched.pop(number, None)
        self._troubles.pop(number, None)
        if gone is not None:
            gone.watching.close()

    def refuse(self, number: str, trouble: Trouble) -> None:
        """Say with the next frame why a watch isn't one."""
        if len(self._troubles) < _MOST_TROUBLES or number in self._troubles:
            self._troubles[number] = trouble

    def close(self) -> None:
        """It's gone."""
        for number in list(self._watched):
            self.unwatch(number)

    def frame(self, now: float, now_ns: int) -> bytes | None:
        """The next frame, when there is one to be sent; it counts as sent."""
        if not self.pace.may_send():
            return None
        data, room = dict[str, Raw](), MOST_FRAME
        for number, one in list(self._watched.items()):
            if now < one.due or room < _ENOUGH:
                continue
            found = one.watching.tell(min(room, MOST_FRAME // 2))
            if isinstance(found, Trouble):
                self.refuse(number, found)
            elif found is not None:
                data[number] = found
                room -= memoryview(found).nbytes + len(number) + 4
                one.due = now + one.every_s
                self._watched[number] = self._watched.pop(number)  # who waited for room is asked first next time
        if not (data or self._troubles or self.pace.needs_beat(now)):
            return None
        self.pace.sent(now)
        troubles, self._troubles = self._troubles, {}
        return _encode(Frame(self.pace.n, now_ns, data, troubles))

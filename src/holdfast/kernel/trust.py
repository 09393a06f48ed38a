"""May the wall clock be believed? Pure: fed with (wall, boot time) pairs, tells steps and the state of trust.

A machine without a battery-backed clock boots in 1970, or at the time of its last shutdown, and is set minutes later.
Three states:

- `trusted`: the kernel has said that the clock is synchronised (and it stays trusted when the server goes away)
- `free-running`: plausible, but nobody says so; used like a trusted one. Soon after a boot its stamps are marked, so
  that they can be moved if the clock turns out to have stood at the last shutdown
- `unset`: before this program was made, or, since this boot, before a time that this node has already seen

While unset, `wall_ns` runs on from where it was first read, whatever is done to the clock: all rows of that period then
need one and the same shift. Time is counted in CLOCK_BOOTTIME, so a suspend is no step.
"""

from dataclasses import dataclass
from enum import StrEnum

from holdfast.kernel.clock import NS_PER_S

PROGRAM_MADE_NS = 1_735_689_600 * NS_PER_S
"""2025-01-01. No run of this program can be earlier; raise it with releases."""
_FOREVER = (1 << 63) - 1
_SLEW_PER_S = 1e-3  # NTP may slew by 500 ppm, adjtime(3) too: twice that is no step


class Trust(StrEnum):
    """Is the wall clock to be believed?"""

    TRUSTED = "trusted"
    FREE = "free-running"
    UNSET = "unset"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Which stamps of this node's clock are doubtful: those before these times, ns UTC; 0 = none."""

    unset_before: int = 0
    unverified_before: int = 0

    def __bool__(self) -> bool:
        return bool(self.unset_before or self.unverified_before)


NO_DOUBT = Doubt()


@dataclass(frozen=True, slots=True)
class Step:
    """The clock was set. before_ns, after_ns: what it would have said, and what it says, at `boot_ns`."""

    was: Trust
    trust: Trust
    before_ns: int
    after_ns: int
    boot_ns: int

    @property
    def offset_ns(self) -> int:
        """By how much; positive = forward."""
        return self.after_ns - self.before_ns


@dataclass(frozen=True, slots=True)
class Anchor:
    """A timeline of this boot that another process began: wall = boot time + offset_ns."""

    trust: Trust
    offset_ns: int


class ClockWatch:
    """Follows the wall clock of one boot.

    step_ns:   a smaller disagreement with the boot time is no step
    settle_ns: boot time until which a free-running clock's stamps are marked
    floor_ns:  earlier than this the clock is unset for sure
    newest_ns: the latest time this node has been synchronised at; a boot before it is unset, too
    resumed:   how an earlier process of this boot saw the clock
    """

    def __init__(
        self, step_ns: int, settle_ns: int, floor_ns: int, newest_ns: int = 0, resumed: Anchor | None = None
    ) -> None:
        self.trust = Trust.FREE if resumed is None else resumed.trust
        self.floor_ns = max(floor_ns, newest_ns)
        self.steps = 0
        self.last_step: Step | None = None
        self.doubt = NO_DOUBT
        self._step_ns, self._settle_ns, self._oldest_ns = step_ns, settle_ns, floor_ns
        self._is_new = resumed is None
        self._raw = self._anchor = 0 if resumed is None else resumed.offset_ns
        self._seen_boot_ns = 0

    @property
    def offset_ns(self) -> int:
        """Wall minus boot time of the timeline in use."""
        return self._anchor

    def agrees(self, wall_ns: int, boot_ns: int) -> bool:
        """Is there nothing to observe here? Cheap enough for every use of the clock."""
        return -self._step_ns <= wall_ns - boot_ns - self._raw <= self._step_ns and not self._is_new

    def wall_ns(self, wall_ns: int, boot_ns: int) -> int:
        """The time to stamp with."""
        return boot_ns + self._anchor if self.trust is Trust.UNSET else wall_ns

    def observe(self, wall_ns: int, boot_ns: int, synchronised: bool | None = None) -> Step | None:  # noqa: FBT001  # three answers of the kernel
        """Take a pair of readings in; returns the step that put the clock right, or moved a believed one."""
        offset, was = wall_ns - boot_ns, self.trust
        if self._is_new:
            self._is_new, self._raw = False, offset
            self._enter(self._judge(wall_ns, synchronised, Trust.UNSET), offset, boot_ns)
            return None
        tolerated = self._step_ns + _SLEW_PER_S * max(0, boot_ns - self._seen_boot_ns)
        stepped = abs(offset - self._raw) > tolerated
        self._raw, self._seen_boot_ns = offset, boot_ns
        trust = self._judge(wall_ns, synchronised, was)
        if was is Trust.UNSET:
            if trust is Trust.UNSET:
                self._enter(trust, self._anchor, boot_ns)
                return None
            stepped = abs(offset - self._anchor) > self._step_ns
        step = Step(was, trust, boot_ns + self._anchor, wall_ns, boot_ns) if stepped else None
        self._enter(trust, offset, boot_ns, step)
        return step

    def settled(self) -> None:
        """Everything stamped before the last step is stored: later stamps need no second look."""
        self.doubt = NO_DOUBT
        self._mark(self._seen_boot_ns)

    def _judge(self, wall_ns: int, synchronised: bool | None, was: Trust) -> Trust:  # noqa: FBT001  # as above
        if wall_ns < self._oldest_ns:
            return Trust.UNSET
        if synchronised or was is Trust.TRUSTED:
            return Trust.TRUSTED
        if was is Trust.UNSET and wall_ns < self.floor_ns:
            return Trust.UNSET
        return Trust.FREE

    def _enter(self, trust: Trust, offset_ns: int, boot_ns: int, step: Step | None = None) -> None:
        self.trust, self._anchor, self._seen_boot_ns = trust, offset_ns, boot_ns
        if step is not None:
            self.steps += 1
            self.last_step = step
            self._leave_doubt(step)
        self._mark(boot_ns)

    def _leave_doubt(self, step: Step) -> None:
        """What was stamped before the step may still be on its way to the journal."""
        before = step.before_ns + 1
        if step.was is Trust.UNSET:
            self.doubt = Doubt(before, 0)
        elif self.doubt.unverified_before and step.offset_ns > 0:
            self.doubt = Doubt(self.doubt.unset_before, before)

    def _mark(self, boot_ns: int) -> None:
        if self.trust is Trust.UNSET:
            self.doubt = Doubt(_FOREVER, 0)
        elif self.trust is Trust.FREE and boot_ns < self._settle_ns:
            self.doubt = Doubt(self._unset_before(), _FOREVER)
        elif _FOREVER in (self.doubt.unset_before, self.doubt.unverified_before):
            self.doubt = Doubt(self._unset_before(), 0)

    def _unset_before(self) -> int:
        return 0 if self.doubt.unset_before == _FOREVER else self.doubt.unset_before

"""What alarms mean, sample by sample over whole histories: slow, and sharing nothing with the engine."""

from dataclasses import dataclass, field

from holdfast.stream.plans import AlarmSpec

Told = tuple[str, str, int, int, str, float | None]
"""kind, device, ts, since, because, the value seen."""
FOREVER = 1 << 62


@dataclass
class Sample:
    ts: int
    time: int
    value: float | None

    @property
    def when(self) -> bool:
        return self.value == 2

    @property
    def clear(self) -> bool:
        return self.value == 0

    @property
    def then(self) -> bool:
        return self.value == 5


@dataclass
class PlainAlarm:
    """One device's alarm. history: the samples since the alert was last raised or cleared."""

    spec: AlarmSpec
    device: str
    raised: bool = False
    history: list[Sample] = field(default_factory=list)
    last: Sample | None = None
    cool: int = -FOREVER
    since: int = -FOREVER
    acked: bool = False
    out: list[Told] = field(default_factory=list)
    ended_at: int | None = None

    def feed(self, ts: int, value: float | None) -> None:
        time = ts if self.last is None else max(ts, self.last.time)
        self.settle(time)
        sample = Sample(ts, time, value)
        self.history.append(sample)
        if self.raised:
            self._end_by(sample)
        else:
            self._begin_by(sample)
        self.last = sample

    def settle(self, now: int) -> None:
        while True:
            due, because = self._ends_at() if self.raised else self._begins_at()
            if due > now:
                return
            if not self.raised:
                self.raise_(due, because, self.last)
            elif self.spec.latch and not self.acked:
                self.ended_at = due
            else:
                self.clear(due, because, self.last, due)

    def acknowledge(self, now: int) -> None:
        self.settle(now)
        if not self.raised or not self.spec.latch:
            return
        self.acked = True
        silent = self.spec.kind == "absence" and self.last is not None and now >= self.last.time + self.spec.hold_ns
        if self.ended_at is not None and not silent:
            self.clear(now, "acknowledged", self.last, now)
        elif silent and self.ended_at is not None:
            self.ended_at, self.history = None, []

    # Raising

    def _holding(self) -> list[Sample]:
        out: list[Sample] = []
        for sample in reversed(self.history):
            if not sample.when:
                break
            out.insert(0, sample)
        return out

    def _armed(self) -> Sample | None:
        """The `when` that is waited for."""
        spec, found = self.spec, None
        for sample in self.history:
            if spec.expected:
                found = sample if sample.when else found
            elif sample.then:
                found = None
            elif sample.when and found is None and sample.time + spec.within >= self.cool:
                found = sample
        return found

    def _begins_at(self) -> tuple[int, str]:
        spec = self.spec
        if spec.kind == "absence":
            if self.last is None:
                return FOREVER, ""
            due = self.last.time + spec.hold_ns
            return max(due, self.cool), "silent" if due >= self.cool else "cooled"
        if spec.kind == "sequence":
            armed = None if spec.expected else self._armed()
            return (FOREVER, "") if armed is None else (armed.time + spec.within, "missed")
        holding = self._holding()
        if len(holding) < spec.hold:
            return FOREVER, ""
        due = holding[0].time + spec.hold_ns
        return max(due, self.cool), "held" if due >= self.cool else "cooled"

    def _begin_by(self, sample: Sample) -> None:
        spec = self.spec
        if spec.kind == "condition":
            holding = self._holding()
            is_timely = not spec.has_timers or sample.time >= self._begins_at()[0]
            if sample.when and len(holding) >= spec.hold and is_timely:
                self.raise_(sample.ts, "", sample)
        elif spec.kind == "sequence" and spec.expected and sample.then:
            self.history.pop()
            armed = self._armed()
            self.history.append(sample)
            if armed is not None and sample.time - armed.time <= spec.within and sample.time >= self.cool:
                self.raise_(sample.ts, "followed", sample, armed.time)

    def raise_(self, ts: int, because: str, seen: Sample | None, since: int | None = None) -> None:
        spec = self.spec
        if spec.kind == "absence":
            since = self.last.time if self.last else 0
        elif since is None:
            armed = self._armed() if spec.kind == "sequence" else self._holding()[0]
            since = 0 if armed is None else armed.time if spec.has_timers else armed.ts
        self.raised, self.since, self.history = True, since, []
        self.acked, self.ended_at = False, None
        self._tell("alert.raised", ts, because, seen)

    # Ending

    def _ends(self, sample: Sample) -> bool:
        spec = self.spec
        missed = spec.kind == "sequence" and not spec.expected and sample.then
        return spec.kind == "absence" or sample.clear or missed

    def _ending(self) -> list[Sample]:
        out: list[Sample] = []
        for sample in reversed(self.history):
            if not self._ends(sample):
                break
            out.insert(0, sample)
        return out

    def _ends_at(self) -> tuple[int, str]:
        ending = self._ending()
        if not self.spec.clear_ns or len(ending) < self.spec.clear_hold or self.ended_at is not None:
            return FOREVER, ""
        return ending[0].time + self.spec.clear_ns, "ended"

    def _end_by(self, sample: Sample) -> None:
        spec = self.spec
        if not self._ends(sample):
            if sample.when:
                self.ended_at = None
            return
        ending = self._ending()
        if self.ended_at is not None or len(ending) < spec.clear_hold:
            return
        if spec.has_timers and sample.time < ending[0].time + spec.clear_ns:
            return
        if spec.latch and not self.acked:
            self.ended_at = sample.time
        else:
            self.clear(sample.ts, "spoke" if spec.kind == "absence" else "", sample, sample.time)

    def clear(self, ts: int, because: str, seen: Sample | None, time: int) -> None:
        self._tell("alert.cleared", ts, because, seen)
        self.raised, self.history = False, []
        self.cool = time + self.spec.cooldown if self.spec.cooldown else -FOREVER
        if self.spec.kind == "absence":
            self.cool = max(self.cool, time)

    def _tell(self, kind: str, ts: int, because: str, seen: Sample | None) -> None:
        since = self.last.time if self.spec.kind == "absence" and self.last else self.since
        self.out.append((kind, self.device, ts, since, because, None if seen is None else seen.value))

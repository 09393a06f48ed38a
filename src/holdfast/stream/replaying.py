"""Rules over the past: the engine of a node, fed with readings in order of their time, and an account of what it did.

Time is the readings' own. Between two slices of it the engine is told what time it is, as a node's tick does, so that
silence counts. At the end `finish` closes what is due then; windows that are still open are judged as far as they go,
and what comes of them is marked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.kernel.clock import NS_PER_S
from holdfast.model.batch import Batch
from holdfast.model.event import Event, Severity
from holdfast.model.features import FeatureRows
from holdfast.model.series import Catalogue
from holdfast.stream.engine import Engine
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.judges import Findings, Judge
from holdfast.stream.rules import CompiledRule
from holdfast.stream.traces.running import moments
from holdfast.stream.watching import gives_results, look_on, slots_of

MOST_ALERTS = 100_000
"""Alerts listed one by one; more are counted."""
SLICES = 5_000
SHORTEST_NS, LONGEST_NS = NS_PER_S, 3600 * NS_PER_S
MOST_ROWS = 1 << 16
"""Rows handed to the engine at once."""
Key = tuple[str, str, str]
"""Rule, node, device."""


@dataclass(slots=True)
class Alert:
    """One that would have been raised. cleared: None = still raised at the end; open_end: by a window cut short."""

    rule: str
    node: str
    device: str
    severity: Severity
    raised: int
    cleared: int | None
    id: str
    message: str
    values: dict[str, object]
    open_end: bool = False


@dataclass(slots=True)
class Account:
    """What the rules did.

    counts:  alerts by rule, node and device; also those that aren't listed any more
    results: evaluations of rules without a condition, by rule, and those of windows cut short at the end
    """

    alerts: list[Alert] = field(default_factory=list)
    counts: dict[Key, int] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    cut_results: dict[str, int] = field(default_factory=dict)
    commands: dict[str, int] = field(default_factory=dict)
    stored: int = 0
    readings: int = 0
    first: int | None = None
    last: int | None = None
    _open: dict[tuple[object, ...], Alert] = field(default_factory=dict)

    def take(self, event: Event, *, open_end: bool) -> None:
        """An event came."""
        key = (event.rule, event.node, event.device)
        window: Any = event.why.get("window", {})
        place = key, window.get("text"), event.metric  # a rule may have several windows, each with an alert of its own
        if event.kind == "alert.raised":
            values: Any = event.why.get("values", {})
            self.counts[key] = self.counts.get(key, 0) + 1
            alert = Alert(*key, event.severity, event.ts, None, event.id, event.message, dict(values), open_end)
            self._open[place] = alert
            if len(self.alerts) < MOST_ALERTS:
                self.alerts.append(alert)
        elif event.kind == "alert.cleared":
            ended = self._open.pop(place, None)
            if ended is not None:
                ended.cleared = event.ts


class Replay:
    """One run of rules over the past."""

    def __init__(
        self, rules: Sequence[CompiledRule], catalogue: Catalogue, node: str, from_ns: int, to_ns: int
    ) -> None:
        """catalogue: of the batches; the time decides how finely it passes."""
        self.engine = Engine(rules, catalogue, node)
        self.account = Account()
        self._slice = min(max((to_ns - from_ns) // SLICES, SHORTEST_NS), LONGEST_NS)
        self._now: int | None = None
        self._is_over = False
        self.features: list[FeatureRows] = []
        """What feature lines made; whoever wants it takes it away. None of windows that were cut short at the end."""
        look_on(self.engine, self._result, gives_results)

    def feed(self, batch: Batch) -> None:
        """Readings in order of time, none before those of the last call."""
        if not len(batch):
            return
        account = self.account
        account.readings += len(batch)
        account.first = int(batch.ts[0]) if account.first is None else account.first
        for low, high in self._slices(batch.ts):
            part = Batch(
                batch.series[low:high], batch.ts[low:high], batch.value[low:high], batch.quality[low:high], batch.texts
            )
            self._pass_until(int(part.ts[0]))
            self._take(self.engine.evaluate(part))
            self._now = int(part.ts[-1])
        account.last = self._now

    def finish(self, to_ns: int) -> Account:
        """The past ends here; to_ns: 0 = with the last reading."""
        end = max(to_ns, self._now or 0)
        if self._now is not None:
            self._pass_until(end)
            self._take(self.engine.tick(end))
            self._now = end
            self._is_over = True
            self._take(_closed(self.engine, end + _widest(self.engine)))
        return self.account

    def unread(self) -> list[str]:
        """Rules for which there was no series."""
        return [judge.rule.name for judge in self.engine.judges() if not judge.stage.route.keys]

    def _slices(self, ts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """Parts of equal slice of time, none too large, and no message cut in two."""
        step = ts // self._slice
        cuts = [*(np.flatnonzero(np.diff(step)) + 1).tolist(), len(ts)]
        low = 0
        for cut in cuts:
            while cut - low > MOST_ROWS:
                high = int(np.searchsorted(ts, ts[low + MOST_ROWS]))
                high = high if high > low else int(np.searchsorted(ts, ts[low], side="right"))
                if high >= cut:
                    break
                yield low, high
                low = high
            yield low, cut
            low = cut

    def _pass_until(self, at: int) -> None:
        if self._now is None:
            return
        if at - self._now <= 2 * self._slice:
            self._take(self.engine.tick(at - 1))
            return
        for moment in moments(self._now, at):
            self._take(self.engine.tick(moment))

    def _take(self, findings: Findings) -> None:
        account = self.account
        account.stored += sum(map(len, findings.derived))
        if not self._is_over:
            self.features += findings.features
        for decision in findings.decisions:
            account.take(decision.event, open_end=self._is_over)
            for command in decision.commands:
                account.commands[command.name] = account.commands.get(command.name, 0) + 1

    def _result(self, judge: Judge, evaluations: Evaluations, selected: list[Any]) -> None:  # noqa: ARG002 - a `Take`
        at, _ = slots_of(evaluations, judge)
        into = self.account.cut_results if self._is_over else self.account.results
        into[judge.rule.name] = into.get(judge.rule.name, 0) + len(at)


def _widest(engine: Engine) -> int:
    """Longer than any window that may be open."""
    found = 0
    for line in engine.lines:
        w = line.plan.window
        calendar = {"": 0, "hour": 1, "day": 25, "week": 24 * 8, "month": 24 * 32, "year": 24 * 367}[w.unit]
        found = max(found, w.width + w.behind + w.ahead + w.gap + w.grace + w.late + calendar * 3600 * NS_PER_S)
    return 2 * found + 10 * NS_PER_S


def _closed(engine: Engine, now_ns: int) -> Findings:
    """What windows that are still open give; alarms' own timers don't run on."""
    findings = Findings()
    with np.errstate(all="ignore"):
        for line in engine.lines:
            line.stage.state.grow(len(line.stage.route.keys))
            closed = line.stage.close(now_ns)
            if closed is not None:
                line.judge(closed, None, None, now_ns, findings)
    return findings

"""Rules over their budget are throttled where everybody sees it: an event when it begins, one when it's over."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from holdfast.kernel.clock import NS_PER_S
from holdfast.model.event import Event, EventKind
from holdfast.model.lane import Lane
from holdfast.stream.engine import Engine
from holdfast.stream.evidence import Decision
from holdfast.stream.lines import Line
from holdfast.stream.steps import Step, Throttled

OVER_NS = 10 * NS_PER_S
"""A rule that wasn't throttled for so long is said to be at work again."""


@dataclass(slots=True)
class _Episode:
    line: Line
    skipped_before: int
    began_ns: int
    last_ns: int


class Throttle:
    """Looks whether rules keep to their budgets."""

    def __init__(self, engine: Engine, node: str) -> None:
        self._engine, self._node = engine, node
        self._episodes: dict[str, _Episode] = {}

    def look(self, now_ns: int, decisions: list[Decision]) -> list[Step]:
        """Throttle who is over the budget, let go on who may; about four times a second. The steps that it took."""
        steps = list[Step]()
        watched = self._engine.watch.now()
        for line in self._engine.lines:
            line.meter.look(watched)
        for line, on in self._engine.wanting_change():
            stage = line.plan.signature
            self._engine.throttle(stage, on=on)
            steps.append(Throttled(stage, on))
            if on and stage not in self._episodes:
                self._episodes[stage] = _Episode(line, line.meter.skipped, now_ns, now_ns)
                decisions += self._said("rule.throttled", self._episodes[stage], now_ns)
        for stage, episode in list(self._episodes.items()):
            if episode.line.meter.is_throttled:
                episode.last_ns = now_ns
            elif now_ns - episode.last_ns >= OVER_NS:
                del self._episodes[stage]
                decisions += self._said("rule.resumed", episode, now_ns)
        return steps

    def _said(self, kind: EventKind, episode: _Episode, now_ns: int) -> Iterator[Decision]:
        line = episode.line
        meter, now = line.meter, self._engine.watch.now()
        skipped = meter.skipped - episode.skipped_before
        costs = {(cost.rule, cost.part): cost for cost in line.costs(now)}
        for rule in (judge.rule for judge in line.judges):
            cost = costs[rule.key]
            share = f"{meter.budget:.0%} of a core"
            text = (
                f"{rule.name} needs more than its {share}: readings are left out for it until it may go on"
                if kind == "rule.throttled"
                else f"{rule.name} is within its {share} again; it has not seen {skipped} readings"
            )
            facts = "\0".join((self._node, rule.name, rule.part, kind, str(episode.began_ns)))
            why: dict[str, object] = {
                "rule_version": rule.version,
                "budget": meter.budget,
                "share": round(cost.share, 4),
                "us_per_message": round(cost.ns_per_message / 1e3, 3),
                "skipped_readings": skipped,
                "since": episode.began_ns,
            }
            yield Decision(
                Event(
                    id=blake2b(facts.encode(), digest_size=16).hexdigest(), ts=now_ns, lane=Lane.NORMAL, kind=kind,
                    severity="warning" if kind == "rule.throttled" else "info", node=self._node, device="",
                    rule=rule.name, message=text, why=why,
                ),
                (),
            )  # fmt: skip

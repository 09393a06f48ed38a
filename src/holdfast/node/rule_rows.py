"""Rules at work, told: as rows of the API, and as metrics."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.stream.costs import RuleCost
from holdfast.stream.describing import alarm_words
from holdfast.stream.engine import Engine
from holdfast.stream.judges import Judge
from holdfast.stream.rules import CompiledRule
from holdfast.web.rule_answers import RuleRow, SeriesLabels, as_raw

MOST_NAMED = 100
"""Rules with metrics of their own: those that cost most; the others are summed up as `other`."""


def engine_rows(on: str, engine: Engine) -> list[RuleRow]:
    """The rules of an engine."""
    costs = {(cost.rule, cost.part): cost for cost in engine.costs()}
    rows = []
    for judge in engine.judges():
        if judge.rule.features is not None:
            continue  # a model's, told with it
        rule, cost = judge.rule, costs[judge.rule.key]
        keys = judge.stage.route.keys
        rows.append(
            RuleRow(
                rule=rule.name,
                on=on,
                part=rule.part,
                version=rule.version,
                severity=rule.severity,
                state="throttled" if cost.is_throttled else "ok",
                open=["/".join(filter(None, keys[slot])) or "all" for slot in judge.raised()],
                cpu_us_per_reading=round(cost.ns_per_message / 1e3, 3),
                cpu_share=round(cost.share, 4),
                budget=cost.budget,
                state_bytes=cost.state_bytes,
                readings=cost.messages,
                evaluations=cost.evaluations,
                decisions=cost.decisions,
                skipped=cost.skipped,
                keys=cost.keys,
                keys_refused=cost.refused,
                text=as_raw(rule.document),
                labels=_labels(judge),
                summary=summary(rule),
            )
        )
    return rows


def _labels(judge: Judge) -> list[SeriesLabels]:
    """The series of which people confirmed or rejected alerts."""
    thresholds, found = judge.thresholds, list[SeriesLabels]()
    if thresholds is None:
        return found
    for slot in thresholds.labelled():
        one = thresholds.at(slot)
        found.append(SeriesLabels(*judge.place(slot), judge.metric(slot), one.threshold, one.confirmed, one.rejected))
    return found


def off_row(rule: CompiledRule) -> RuleRow:
    """A rule that isn't at work."""
    return RuleRow(
        rule=rule.name,
        on="",
        part=rule.part,
        version=rule.version,
        severity=rule.severity,
        state="off",
        open=[],
        cpu_us_per_reading=0.0,
        cpu_share=0.0,
        budget=rule.budget,
        state_bytes=0,
        readings=0,
        evaluations=0,
        decisions=0,
        skipped=0,
        keys=0,
        keys_refused=0,
        text=as_raw(rule.document),
        summary=summary(rule),
    )


def summary(rule: CompiledRule) -> str:
    """What it does, in a line."""
    return alarm_words(rule)[0]


class Costs(Collector):
    """What rules cost, when scraped: the dearest by name."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines

    def collect(self) -> Iterator[Metric]:
        """One family a fact."""
        by_key: dict[tuple[str, str], list[RuleCost]] = {}
        for cost in (cost for engine in self._engines for cost in engine.costs()):
            by_key.setdefault((cost.rule, cost.part), []).append(cost)
        costs = sorted(by_key.items(), key=lambda pair: sum(one.cpu_ns for one in pair[1]), reverse=True)
        named = [(list(key), of) for key, of in costs[:MOST_NAMED]]
        if len(costs) > MOST_NAMED:
            named.append((["other", ""], [one for _, of in costs[MOST_NAMED:] for one in of]))
        for name, words, of in _FACTS:
            kind = CounterMetricFamily if name in _COUNTED else GaugeMetricFamily
            family = kind(f"holdfast_rule_{name}", words, labels=["rule", "window"])
            for labels, some in named:
                family.add_metric(labels, sum(of(one) for one in some))
            yield family


_COUNTED = frozenset({"cpu_seconds", "evaluations", "decisions", "rows_skipped"})
_FACTS: tuple[tuple[str, str, Callable[[RuleCost], float]], ...] = (
    ("cpu_seconds", "CPU time that the rule used.", lambda one: one.cpu_ns / 1e9),
    ("cpu_ratio", "Share of one core that the rule took in the last 10 s.", lambda one: one.share),
    ("state_bytes", "Memory of the rule's windows and alarms.", lambda one: one.state_bytes),
    ("evaluations", "Windows and messages that the rule judged.", lambda one: one.evaluations),
    ("decisions", "Alerts that the rule raised and cleared.", lambda one: one.decisions),
    ("keys", "Devices or series that the rule keeps apart.", lambda one: one.keys),
    ("alerts_confirmed", "Alerts of the rule's detector that people confirmed.", lambda one: one.confirmed),
    ("alerts_rejected", "Alerts of the rule's detector that people rejected.", lambda one: one.rejected),
    ("rows_skipped", "Readings that the rule missed while it was throttled.", lambda one: one.skipped),
    ("throttled", "1 while the rule is over its budget and misses readings.", lambda one: int(one.is_throttled)),
)

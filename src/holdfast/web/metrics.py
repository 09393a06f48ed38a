"""The journal's counters as Prometheus metrics, beside those of telemetry.

`messages_rejected.stale` becomes `holdfast_messages_rejected_total{reason="stale"}`, `rows_committed.lane0` becomes
`holdfast_rows_committed_total{lane="0"}`: the part behind the dot is a label from a closed set, as
`orders` in `queue_acked.orders` is one of node.yaml's queues, and `ops` in `channel_told.ops` one of its channels.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

_LABELS = {"channel": "channel", "queue": "queue", "rule": "rule"}
_LANE = re.compile(r"lane(\d)(?:\.(\w+))?")


class CounterCollector(Collector):
    """Reads the counters when scraped."""

    def __init__(self, counters: Callable[[], Mapping[str, int]]) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """One family a name before the dot."""
        families: dict[str, CounterMetricFamily] = {}
        for key, value in sorted(self._counters().items()):
            name, label, content = _split(key)
            family = families.get(name)
            if family is None:
                family = CounterMetricFamily(f"holdfast_{name}", f"{name}, committed", labels=label)
                families[name] = family
            family.add_metric(content, value)
        yield from families.values()


def exposition(registry: CollectorRegistry) -> tuple[bytes, str]:
    """Everything in the registry as text, and its content type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _split(key: str) -> tuple[str, list[str], list[str]]:
    name, dot, rest = key.partition(".")
    lane = _LANE.fullmatch(rest)
    name = re.sub(r"[^a-z0-9_]", "_", name)
    if not dot:
        return name, [], []
    if lane is None:
        return name, [_LABELS.get(name.partition("_")[0], "reason")], [rest]
    return (name, ["lane", "reason"], [lane[1], lane[2]]) if lane[2] else (name, ["lane"], [lane[1]])

"""The journal's counters as Prometheus metrics, and everything a node counts as text.

`messages_rejected.stale` becomes `holdfast_messages_rejected_total{reason="stale"}`, `rows_committed.lane0` becomes
`holdfast_rows_committed_total{lane="0"}`: what is behind the dot are labels, see `counters`.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.telemetry.happenings import Telemetry
from holdfast.web.counters import COUNTERS, LANES, UNKNOWN, Counted

_LANE = re.compile(r"lane(\d)(?:\.(\w+))?")


class CounterCollector(Collector):
    """Reads the counters when scraped; those whose labels are known begin at 0."""

    def __init__(self, counters: Callable[[], Mapping[str, int]]) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """One family a name before the dot."""
        found: dict[str, dict[tuple[str, ...], int]] = {name: _zeros(of) for name, of in COUNTERS.items()}
        for key, value in self._counters().items():
            name, labels = _split(key)
            found.setdefault(name, {})[labels] = value
        refused = found["messages_rejected"]  # counts as they are now: what was judged otherwise later came back out
        for how in ("quarantine_replayed", "quarantine_moved"):
            for labels, value in found[how].items():
                refused[labels] = refused.get(labels, 0) + value
        for name, rows in sorted(found.items()):
            yield _family(name, rows)


class _Ready(Collector):
    """Families that were collected already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        """As they are."""
        return self._families


async def exposition(telemetry: Telemetry) -> tuple[bytes, str]:
    """Every metric as text, and its content type. What is in memory is read here, what is on disk on a thread."""
    families = list(telemetry.registry.collect())
    return await asyncio.to_thread(_text, families, telemetry.slow), CONTENT_TYPE_LATEST


def _text(families: list[Metric], slow: CollectorRegistry) -> bytes:
    everything = CollectorRegistry(auto_describe=False)
    everything.register(_Ready([*families, *slow.collect()]))
    return generate_latest(everything)


def _family(name: str, rows: Mapping[tuple[str, ...], int]) -> Metric:
    about = COUNTERS.get(name, UNKNOWN)
    kind = GaugeMetricFamily if about.falls else CounterMetricFamily
    longest = max((len(labels) for labels in rows), default=len(about.labels))
    names = about.labels if name in COUNTERS else UNKNOWN.labels[:longest]
    family = kind(f"holdfast_{name}", about.help, labels=names)
    for labels, value in sorted(rows.items()):
        family.add_metric(labels, value)
    return family


def _zeros(of: Counted) -> dict[tuple[str, ...], int]:
    if not of.labels:
        return {(): 0}
    if not of.values:
        return {}
    sets = (of.values,) if len(of.labels) == 1 else (LANES, of.values)
    return dict.fromkeys(product(*sets), 0)


def _split(key: str) -> tuple[str, tuple[str, ...]]:
    name, dot, rest = key.partition(".")
    name = re.sub(r"[^a-z0-9_]", "_", name)
    if not dot:
        return name, ()
    lane = _LANE.fullmatch(rest)
    if lane is None:
        return name, (rest,)
    return name, tuple(part for part in lane.groups() if part)

"""Gauges and counters that are read when somebody scrapes, with labels."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Kind = Literal["gauge", "counter"]
Rows = Iterable[tuple[Sequence[str], float]]
"""Label values and the number."""


@dataclass(slots=True)
class _Family:
    kind: Kind
    help: str
    labels: tuple[str, ...]
    reads: list[Callable[[], Rows]] = field(default_factory=list)


class Numbers(Collector):
    """Families by name. A read that fails leaves its numbers out and is counted: it mustn't hide all the others."""

    def __init__(self) -> None:
        self.unreadable = 0
        self._families: dict[str, _Family] = {}

    def add(self, kind: Kind, name: str, text: str, labels: Sequence[str], read: Callable[[], Rows]) -> None:
        """Read `holdfast_<name>` by `read` from now on; several may give rows of one family.

        Raises:
            ValueError: when the name is there already with another kind, help or other labels.
        """
        family = self._families.setdefault(name, _Family(kind, text, tuple(labels)))
        if (family.kind, family.help, family.labels) != (kind, text, tuple(labels)):
            raise ValueError(f"holdfast_{name} is there already, as {family}")
        family.reads.append(read)

    def collect(self) -> Iterator[Metric]:
        """Every family, by name."""
        for name, family in sorted(self._families.items()):
            made = GaugeMetricFamily if family.kind == "gauge" else CounterMetricFamily
            metric = made(f"holdfast_{name}", family.help, labels=family.labels)
            for read in family.reads:
                try:
                    rows = list(read())
                except Exception:  # noqa: BLE001  # see the class's docstring; the count is in the scrape and alarms
                    self.unreadable += 1
                    continue
                for labels, value in rows:
                    metric.add_metric(labels, float(value))
            yield metric


def state_of(current: str, states: Iterable[str], *before: str) -> Rows:
    """Rows of a state: 1 for the current one, 0 for the others. before: values of labels before the state's."""
    return [((*before, state), float(state == current)) for state in states]

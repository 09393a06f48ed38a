"""A backtest as a page draws it: few points, limits, and when alerts were open."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from holdfast.backtesting.accounts import AlertTold
from holdfast.backtesting.recording import Panel
from holdfast.stream.bins import Bins
from holdfast.stream.limits import limits
from holdfast.stream.rules import CompiledRule

MOST_SPANS = 500
_GAP = 5
"""So many times the usual distance of points is a gap."""


class ColumnTold(msgspec.Struct, frozen=True):
    """A selected column: its last, lowest and highest value at each of the panel's points, None = none."""

    name: str
    unit: str
    last: list[float | None]
    low: list[float | None]
    high: list[float | None]


class LimitTold(msgspec.Struct, frozen=True):
    """A number that a column is held against. clears: it ends the alert."""

    column: int
    value: float
    clears: bool


class SpanTold(msgspec.Struct, frozen=True):
    """An alert. Times ns UTC; cleared: None = open at the end."""

    raised: int
    cleared: int | None
    severity: str


class PanelTold(msgspec.Struct, frozen=True):
    """One rule's one device. ts_ms: middle of each point's time; spans, old: alerts, and those of the rule at work."""

    rule: str
    part: str
    node: str
    device: str
    alerts: int
    ts_ms: list[int]
    columns: list[ColumnTold]
    limits: list[LimitTold]
    spans: list[SpanTold]
    old: list[SpanTold]


def panel_told(panel: Panel, old: Sequence[AlertTold]) -> PanelTold:
    """A panel's picture. old: what the rule at work would have raised."""
    known = [bins for bins in panel.columns if panel.slot < len(bins.low)]
    points = _points(known, panel.slot)
    ts_ms = [] if not known else _times(known[0], points)
    place = (panel.rule.name, *panel.place)
    before = [one for one in old if (one.rule, one.node, one.device) == place]
    return PanelTold(
        panel.rule.name,
        panel.rule.part,
        *panel.place,
        len(panel.alerts),
        ts_ms,
        [
            ColumnTold(
                panel.rule.names[i],
                panel.rule.units[i] if i < len(panel.rule.units) else "",
                *(_values(part[panel.slot], points) for part in (bins.last, bins.low, bins.high)),
            )
            for i, bins in enumerate(panel.columns)
            if panel.slot < len(bins.low)
        ],
        _limits(panel.rule),
        [SpanTold(one.raised, one.cleared, one.severity) for one in panel.alerts[:MOST_SPANS]],
        [SpanTold(one.raised, one.cleared, one.severity) for one in before[:MOST_SPANS]],
    )


def _limits(rule: CompiledRule) -> list[LimitTold]:
    """Each number once: where an alert ends at the limit that raises it, that one."""
    found = dict[tuple[int, float], LimitTold]()
    for one in sorted(limits(rule), key=lambda one: one.clears):
        found.setdefault((one.column, one.value), LimitTold(one.column, one.value, one.clears))
    return list(found.values())


def _points(known: Sequence[Bins], slot: int) -> Any:
    """The bins that hold something, and after the last one before a gap the one behind it, which holds nothing."""
    if not known:
        return np.empty(0, np.intp)
    held = np.flatnonzero(np.any([np.isfinite(bins.last[slot]) for bins in known], axis=0))
    if len(held) < 3:
        return held
    steps = np.diff(held)
    wide = max(_GAP * float(np.median(steps)), 2.0)
    return np.sort(np.concatenate([held, held[:-1][steps > wide] + 1]))


def _times(bins: Bins, points: Any) -> list[int]:
    width = bins.to_ns - bins.from_ns
    found: list[int] = ((bins.from_ns + (2 * points + 1) * (width // (2 * bins.count))) // 1_000_000).tolist()
    return found


def _values(part: Any, points: Any) -> list[float | None]:
    return [float(f"{v:.7g}") if v - v == 0 else None for v in part[points].tolist()]

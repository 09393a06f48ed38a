"""What `holdfast detect` found, as structs for JSON and as lines for people."""

from collections.abc import Sequence

import msgspec

from holdfast.cli.words import lasting, many, plain, table, when

_SHOWN = 20


class Judged(msgspec.Struct, frozen=True):
    """See `trials.Verdict`. delay_s: the median; None without a found window."""

    threshold: float
    windows: int
    found: int
    alarms: int
    false_alarms: int
    precision: float
    recall: float
    f1: float
    false_per_week: float
    delay_s: float | None


class Alarm(msgspec.Struct, frozen=True):
    """One alarm, ns UTC. right: whether it began in a label; None without labels."""

    subject: str
    from_ns: int
    to_ns: int
    score: float
    why: str
    right: bool | None


class Tried(msgspec.Struct, frozen=True):
    """One detector.

    us:    of CPU per reading
    best:  at the threshold that fits these labels best
    later: a threshold chosen on the earlier half of the labels, what it's worth on the later half, and what the one
           asked for is
    """

    detector: str
    options: dict[str, float]
    subjects: int
    us: float
    bytes: int
    verdict: Judged
    best: Judged | None
    later: tuple[float, Judged, Judged] | None
    alarms: list[Alarm]
    has_labels: bool


class Report(msgspec.Struct, frozen=True):
    """All of it. left_out: detectors that need several series together; traits: of `subject`, the longest series."""

    source: str
    from_ns: int
    to_ns: int
    readings: int
    series: int
    threshold: float
    tried: list[Tried]
    left_out: list[str]
    subject: str
    traits: dict[str, float]
    advice: list[str]


def lines(report: Report) -> list[str]:
    """The report as text."""
    read = f"{many(report.readings, 'reading')} of {report.series:,} series"
    said = [
        f"{plain(report.source)}: {read}, {when(report.from_ns)} to {when(report.to_ns)}",
        "",
        *_compared(report.tried),
    ]
    if report.left_out:
        said.append(f"left out, for they look at several series of a device together: {', '.join(report.left_out)}")
    first = report.tried[0]
    said += ["", *_alarms(first, several=report.series > 1)]
    return [*said, "", "advice", *(f"  {plain(one)}" for one in report.advice)]


def _compared(tried: Sequence[Tried]) -> list[str]:
    if any(one.has_labels for one in tried):
        head = ["detector", "found", "false", "a week", "precision", "recall", "F1", "delay"]
        head += ["best F1", "at", "us a reading", "B a series"]
        return table([head, *map(_labelled, tried)], range(1, len(head)))
    head = ["detector", "alarms", "a week and series", "us a reading", "B a series"]
    rows = [
        [one.detector, f"{one.verdict.alarms:,}", f"{one.verdict.false_per_week:.2f}", *_cost(one)] for one in tried
    ]
    return table([head, *rows], range(1, len(head)))


def _labelled(one: Tried) -> list[str]:
    verdict, best = one.verdict, one.best
    return [
        one.detector,
        f"{verdict.found} of {verdict.windows}",
        f"{verdict.false_alarms:,}",
        f"{verdict.false_per_week:.2f}",
        f"{verdict.precision:.2f}",
        f"{verdict.recall:.2f}",
        f"{verdict.f1:.2f}",
        "-" if verdict.delay_s is None else lasting(verdict.delay_s),
        "-" if best is None else f"{best.f1:.2f}",
        "-" if best is None else f"{best.threshold:g}",
        *_cost(one),
    ]


def _cost(one: Tried) -> list[str]:
    return [f"{one.us:.1f}", f"{one.bytes:,}"]


def _alarms(one: Tried, *, several: bool) -> list[str]:
    if not one.alarms:
        return [f"{one.detector}: no alarm"]
    head = ["from", "for", "score", *(["series"] if several else []), *(["label"] if one.has_labels else []), "why"]
    rows = [
        [
            when(alarm.from_ns),
            lasting((alarm.to_ns - alarm.from_ns) / 1e9),
            f"{alarm.score:.2f}",
            *([plain(alarm.subject, 32)] if several else []),
            *([("right" if alarm.right else "none") if alarm.right is not None else "-"] if one.has_labels else []),
            plain(alarm.why, 110),
        ]
        for alarm in one.alarms[:_SHOWN]
    ]
    more = len(one.alarms) - _SHOWN
    return [
        f"alarms of {one.detector}",
        *table([head, *rows], (1, 2)),
        *([f"… and {more:,} more (--json has all)"] if more > 0 else []),
    ]

"""`holdfast bench faults`: every detector on planted faults, and on real data in which nothing is wrong."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec
import typer

from holdfast.cli.core import misused
from holdfast.cli.node_api import as_json
from holdfast.cli.progress import counted
from holdfast.cli.words import table
from holdfast.stream.detectors.benches import clean, faults
from holdfast.stream.detectors.benches.corpus import CorpusUnreadable
from holdfast.stream.detectors.benches.planted import EXPLAINED, FAULTS, SHAPES
from holdfast.stream.detectors.catalogue import KINDS


class FaultTold(msgspec.Struct, frozen=True):
    """One fault in one shape of series; delay: the median in readings of those found, and its share of the fault."""

    fault: str
    shape: str
    series: int
    found: int
    delay: float | None
    share: float | None


class CleanTold(msgspec.Struct, frozen=True):
    """Alarms on real data in which nothing is wrong; silent: too short for a first score."""

    corpus: str
    alarms: int
    series_weeks: float
    per_series_week: float
    silent: bool


class DetectorTold(msgspec.Struct, frozen=True):
    """One detector with its default options."""

    detector: str
    columns: int
    us_per_reading: float
    false_per_series_week: dict[str, float]
    faults: list[FaultTold]
    clean: list[CleanTold]


class Told(msgspec.Struct, frozen=True):
    """The report."""

    planted: dict[str, str]
    detectors: list[DetectorTold]


def bench_faults(data: Path | None, names: Sequence[str], seeds: int, json: Path | None) -> int:
    """The command's body."""
    unknown = [name for name in names if name not in KINDS]
    if unknown:
        return misused(f"no detector is called {unknown[0]}", f"there are {', '.join(KINDS)}")
    try:
        real = clean.read(data) if data else []
    except CorpusUnreadable as unreadable:
        return misused(str(unreadable), unreadable.hint)
    watched = counted(names, "planted faults", len(names), "detectors")
    told = Told(dict(EXPLAINED), [_told(name, seeds, real) for name in watched])
    if json:
        json.write_text(as_json(told) + "\n")
    typer.echo("\n".join(_lines(told, seeds, with_real=bool(real))))
    return 0


def _told(name: str, seeds: int, real: Sequence[clean.Clean]) -> DetectorTold:
    report = faults.run(name, seeds)
    planted = [
        FaultTold(f.fault, f.shape, f.series, f.found, *((middle, middle / f.rows) if f.delays else (None, None)))
        for f in report.findings
        for middle in [float(median(f.delays)) if f.delays else 0.0]
    ]
    alarms = [
        CleanTold(f.corpus, f.alarms, f.weeks, f.alarms / f.weeks, f.silent) for f in clean.false_alarms(name, real)
    ]
    return DetectorTold(name, report.columns, report.us_per_reading, dict(report.false_per_week), planted, alarms)


def _lines(told: Told, seeds: int, *, with_real: bool) -> list[str]:
    lines = [
        f"planted into {len(SHAPES)} shapes ({', '.join(s.name for s in SHAPES)}) of {seeds} series each, a reading",
        "every 5 minutes, after 3 weeks of learning: found of planted, median delay in readings, share of the fault",
        "",
        *table([["detector", *(fault.name for fault in FAULTS)], *(_found(one) for one in told.detectors)]),
        "",
        *(f"{fault}: {text}" for fault, text in told.planted.items()),
        "",
        f"false alarms a clean series and week; us of CPU a reading, {len(SHAPES) * seeds} series together:",
        "",
        *table([["detector", *(s.name for s in SHAPES), "us"], *(_false(d) for d in told.detectors)], range(1, 9)),
    ]
    if with_real:
        lines += ["", *_real(told)]
    return lines


def _found(one: DetectorTold) -> list[str]:
    return [one.detector, *(_cell([f for f in one.faults if f.fault == fault.name]) for fault in FAULTS)]


def _cell(of: Sequence[FaultTold]) -> str:
    if not of:
        return ""
    found, series = sum(f.found for f in of), sum(f.series for f in of)
    delays = [f.delay for f in of if f.delay is not None]
    shares = [f.share for f in of if f.share is not None]
    if not found:
        return f"0/{series}"
    return f"{found}/{series} {median(delays):.0f} ({100 * median(shares):.0f} %)"


def _false(one: DetectorTold) -> list[str]:
    rates = (f"{rate:.2f}" for rate in one.false_per_series_week.values())
    return [one.detector, *rates, f"{one.us_per_reading:.1f}"]


def _real(told: Told) -> list[str]:
    corpora = list(dict.fromkeys(c.corpus for d in told.detectors for c in d.clean))
    rows = [
        [d.detector, *(next((_alarms(c) for c in d.clean if c.corpus == corpus), "") for corpus in corpora)]
        for d in told.detectors
    ]
    return [
        "alarms on real data in which nothing is wrong, in series-weeks:",
        "",
        *table([["detector", *corpora], *rows]),
    ]


def _alarms(one: CleanTold) -> str:
    return "too short to score" if one.silent else f"{one.alarms} in {one.series_weeks:.2f}"

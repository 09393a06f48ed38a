"""What `holdfast bench nab` says."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from holdfast.cli.progress import progress
from holdfast.cli.words import lasting, table
from holdfast.stream.detectors.benches.corpus import File, Run, alarms_of, halves, run
from holdfast.stream.detectors.benches.nab import PROFILES, best, score
from holdfast.stream.detectors.ports import THRESHOLD


class ProfileTold(msgspec.Struct, frozen=True):
    """One profile's scores: at the threshold that's best for these files, and at the one that ships."""

    profile: str
    best: float
    best_threshold: float
    shipped: float
    shipped_threshold: float
    found: int
    windows: int
    false_rows: int
    per_file: dict[str, float]
    development: float
    confirmation: float


class AlarmsTold(msgspec.Struct, frozen=True):
    """As a user counts them, at the shipped threshold (see `trials`). delay_s: from a found window's beginning."""

    alarms: int
    false_alarms: int
    false_per_series_week: float
    windows_found: int
    median_delay_s: float | None


class Told(msgspec.Struct, frozen=True):
    """One detector. us_per_row: of CPU; found and all after it are of the shipped setting."""

    detector: str
    files: int
    rows: int
    us_per_row: float
    bytes_per_series: float
    profiles: tuple[ProfileTold, ...]
    alarms: AlarmsTold


class Report(msgspec.Struct, frozen=True):
    """Detectors in the order asked for."""

    detectors: tuple[Told, ...]


def told(files: Mapping[str, File], name: str) -> Told:
    """Run one detector over all files and score it."""
    with progress(name, sum(len(file.ts) for file in files.values()), "rows") as tell:
        ran = run(files, name, tell)
    seen = alarms_of(files, ran)
    delay = float(np.median(seen.delays)) if seen.delays else None
    alarms = AlarmsTold(seen.alarms, seen.false_alarms, seen.false_per_week, seen.found, delay)
    profiles = tuple(_profile(ran, profile) for profile in PROFILES)
    return Told(name, len(ran.scored), ran.rows, ran.us_per_row, ran.bytes_per_series, profiles, alarms)


def _profile(ran: Run, name: str) -> ProfileTold:
    profile = PROFILES[name]
    own, shipped = best(ran.scored, profile), score(ran.scored, profile, THRESHOLD)
    parts = halves(ran.scored)
    half = {
        part: score({file: ran.scored[file] for file in names}, profile, THRESHOLD).normalised
        for part, names in parts.items()
    }
    return ProfileTold(
        name,
        own.normalised,
        own.threshold,
        shipped.normalised,
        THRESHOLD,
        shipped.found,
        shipped.windows,
        shipped.false_rows,
        {file: round(value, 6) for file, value in shipped.per_file.items()},
        half["development"],
        half["confirmation"],
    )


def lines(detectors: Sequence[Told]) -> list[str]:
    """The report as text: all detectors beside each other, then the first one's profiles."""
    first = detectors[0]
    head = ["detector", "best", "at", "shipped", "windows", "false rows", "alarms", "false a series-week", "delay"]
    rows = [[one.detector, *_beside(one)] for one in detectors]
    said = [
        f"{first.files} files, {first.rows:,} rows; standard profile",
        *table([[*head, "us a row", "B a series"], *rows], range(1, len(head) + 2)),
        "",
        first.detector,
    ]
    head = ["profile", "best", "at", "shipped", "at", "windows found", "false rows", "development", "confirmation"]
    rows = [
        [
            p.profile,
            *(f"{p.best:.1f}", f"{p.best_threshold:.3f}", f"{p.shipped:.1f}", f"{p.shipped_threshold:.3f}"),
            f"{p.found} of {p.windows}",
            str(p.false_rows),
            *(f"{p.development:.1f}", f"{p.confirmation:.1f}"),
        ]
        for p in first.profiles
    ]
    return [*said, *table([head, *rows], range(1, len(head)))]


def _beside(one: Told) -> list[str]:
    standard, alarms = one.profiles[0], one.alarms
    return [
        f"{standard.best:.1f}",
        f"{standard.best_threshold:.3f}",
        f"{standard.shipped:.1f}",
        f"{standard.found} of {standard.windows}",
        f"{standard.false_rows:,}",
        f"{alarms.alarms:,}",
        f"{alarms.false_per_series_week:.2f}",
        "-" if alarms.median_delay_s is None else lasting(alarms.median_delay_s),
        f"{one.us_per_row:.1f}",
        f"{one.bytes_per_series:,.0f}",
    ]

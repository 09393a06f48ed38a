"""What `holdfast bench skab` says."""

from collections.abc import Mapping

import msgspec

from holdfast.cli.progress import progress
from holdfast.cli.words import table
from holdfast.stream.detectors.benches.skab import (
    Changes,
    Experiment,
    Run,
    blind,
    changes,
    flips,
    halves,
    outliers,
    run,
)


class ChangesTold(msgspec.Struct, frozen=True):
    """Change points, scored by profile: 0 for silence, 100 for perfect."""

    scores: dict[str, float]
    points: int
    missed: int
    false: int


class PartTold(msgspec.Struct, frozen=True):
    """Some files. far, mar: percent; flips: where `joint` begins and ends; blind: a change every 60 rows, unseen."""

    part: str
    files: int
    f1: float
    far: float
    mar: float
    turns: ChangesTold
    flips: ChangesTold
    blind: ChangesTold


class Told(msgspec.Struct, frozen=True):
    """The report. CPU time is of both detectors and the driver, which hands rows over one by one."""

    rows: int
    us_per_row: float
    bytes_per_series: float
    fitted_on: str
    parts: tuple[PartTold, ...]


def told(files: Mapping[str, Experiment]) -> Told:
    """Run the detectors over all files and score them."""
    with progress("skab", sum(len(file.ts) for file in files.values()), "rows") as tell:
        ran = run(files, tell)
    groups = {"all": sorted(files), **halves(files)}
    parts = tuple(_part(name, names, ran, files) for name, names in groups.items() if names)
    fitted = "each file's first 400 rows (constants: development half and anomaly-free run)"
    return Told(ran.rows, 1e6 * ran.cpu_s / ran.rows, ran.bytes_per_series, fitted, parts)


def _part(part: str, names: list[str], ran: Run, files: Mapping[str, Experiment]) -> PartTold:
    out = outliers({name: ran.flags[name] for name in names}, files)
    unseen = blind(files)
    told = [
        _changes(changes(turns, files))
        for turns in (
            {name: ran.turns[name] for name in names},
            {name: flips(ran.flags[name]) for name in names},
            {name: unseen[name] for name in names},
        )
    ]
    return PartTold(part, len(names), out.f1, out.far, out.mar, *told)


def _changes(changes: Changes) -> ChangesTold:
    return ChangesTold(dict(changes.scores), changes.points, changes.missed, changes.false)


def lines(told: Told) -> list[str]:
    """As a table: the state first, then change points."""
    head = ["files", "what", "F1", "FAR %", "MAR %", "standard", "low FP", "low FN", "found", "false"]
    rows = [head]
    for part in told.parts:
        name = f"{part.part} ({part.files})"
        rows.append([name, "joint", f"{part.f1:.3f}", f"{part.far:.1f}", f"{part.mar:.1f}", *[""] * 5])
        for what, c in (("turn", part.turns), ("joint's flips", part.flips), ("blind, every 60 rows", part.blind)):
            scores = [f"{value:.1f}" for value in c.scores.values()]
            rows.append([name, what, "", "", "", *scores, f"{c.points - c.missed} of {c.points}", str(c.false)])
    cost = f"{told.us_per_row:.0f} us of CPU a row for both, {told.bytes_per_series:.0f} bytes a machine"
    return [
        f"joint and turn: {told.rows:,} rows, fitted on {told.fitted_on}; {cost}",
        *table(rows, tuple(range(2, 10))),
    ]

"""`holdfast bench nab`: how good the detectors are on labelled data that lies in a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from holdfast.cli.core import finish, misused
from holdfast.cli.node_api import as_json
from holdfast.cli.words import table

if TYPE_CHECKING:
    from holdfast.stream.detectors.benches.corpus import Run

bench = typer.Typer(help="Measure detectors on labelled data.", no_args_is_help=True)


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


class Told(msgspec.Struct, frozen=True):
    """The report. CPU time includes the driver; found and all after it are of the shipped setting."""

    detector: str
    files: int
    rows: int
    us_per_row: float
    bytes_per_series: float
    profiles: tuple[ProfileTold, ...]


@bench.command()
def nab(
    folder: Annotated[Path, typer.Argument(help="NAB's folder: data/ and labels/.", metavar="DIR")],
    json: Annotated[Path | None, typer.Option(help="Write the report here too.", metavar="FILE")] = None,
) -> None:
    """Score `auto` by NAB's rules, in one configuration for all files, row by row. Exit 2: the folder isn't NAB's."""

    def body() -> int:
        from holdfast.stream.detectors.benches.corpus import CorpusUnreadable, read, run_auto

        try:
            files = read(folder)
        except CorpusUnreadable as unreadable:
            return misused(str(unreadable), unreadable.hint)
        told = _told(run_auto(files))
        if json:
            json.write_text(as_json(told) + "\n")
        typer.echo("\n".join(_lines(told)))
        return 0

    finish(body)


@bench.callback()
def _group() -> None:
    """Measure detectors on labelled data."""


def _told(run: "Run") -> Told:
    from holdfast.stream.detectors.benches.corpus import halves
    from holdfast.stream.detectors.benches.nab import PROFILES, best, score
    from holdfast.stream.detectors.ports import THRESHOLD

    told = list[ProfileTold]()
    for name, profile in PROFILES.items():
        own, shipped = best(run.scored, profile), score(run.scored, profile, THRESHOLD)
        per_file = {file: round(value, 6) for file, value in shipped.per_file.items()}
        numbers = (own.normalised, own.threshold, shipped.normalised, THRESHOLD)
        parts = (
            score({file: run.scored[file] for file in files}, profile, THRESHOLD).normalised
            for files in halves(run.scored).values()
        )
        counts = (shipped.found, shipped.windows, shipped.false_rows)
        told.append(ProfileTold(name, *numbers, *counts, per_file, *parts))
    us = 1e6 * run.cpu_s / max(run.rows, 1)
    return Told("auto", len(run.scored), run.rows, us, run.bytes_per_series, tuple(told))


def _lines(told: Told) -> list[str]:
    head = ["profile", "best", "at", "shipped", "at", "windows found", "false rows", "development", "confirmation"]
    rows = [
        [
            p.profile,
            *(f"{p.best:.1f}", f"{p.best_threshold:.3f}", f"{p.shipped:.1f}", f"{p.shipped_threshold:.3f}"),
            f"{p.found} of {p.windows}",
            str(p.false_rows),
            *(f"{p.development:.1f}", f"{p.confirmation:.1f}"),
        ]
        for p in told.profiles
    ]
    cost = f"{told.us_per_row:.1f} us of CPU a row, {told.bytes_per_series:.0f} bytes a series"
    return [
        f"{told.detector}: {told.files} files, {told.rows:,} rows, {cost}",
        *table([head, *rows], (1, 2, 3, 4, 5, 6)),
    ]

"""`holdfast bench …`: how good the detectors are, on labelled data that lies in a folder and on planted faults."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import finish, misused

bench = typer.Typer(help="Measure detectors on labelled data.", no_args_is_help=True)
JsonFile = Annotated[Path | None, typer.Option(help="Write the report here too.", metavar="FILE")]


@bench.command()
def nab(
    folder: Annotated[Path, typer.Argument(help="NAB's folder: data/ and labels/.", metavar="DIR")],
    detector: Annotated[list[str] | None, typer.Option(help="Only this one; may come several times.")] = None,
    json: JsonFile = None,
) -> None:
    """Score detectors by the rules of NAB, in one configuration for all files. Exit 2: the folder is not one of NAB."""

    def body() -> int:
        from holdfast.cli.bench_nab import Report, lines, told
        from holdfast.cli.detecting import single
        from holdfast.cli.node_api import as_json
        from holdfast.stream.detectors.benches.corpus import CorpusUnreadable, read

        names = single(detector or [])
        try:
            files = read(folder)
        except CorpusUnreadable as unreadable:
            return misused(str(unreadable), unreadable.hint)
        found = [told(files, name) for name in names]
        if json:
            json.write_text(as_json(Report(tuple(found))) + "\n")
        typer.echo("\n".join(lines(found)))
        return 0

    finish(body)


@bench.command()
def skab(
    folder: Annotated[Path, typer.Argument(help="SKAB's folder, with data/ in it.", metavar="DIR")],
    json: JsonFile = None,
) -> None:
    """Score `joint` and `turn` by SKAB's rules, in one configuration for all files, row by row. Exit 2: not SKAB's."""

    def body() -> int:
        from holdfast.cli.bench_skab import lines, told
        from holdfast.cli.node_api import as_json
        from holdfast.stream.detectors.benches.skab import SkabUnreadable, read

        try:
            files = read(folder)
        except SkabUnreadable as unreadable:
            return misused(str(unreadable), unreadable.hint)
        found = told(files)
        if json:
            json.write_text(as_json(found) + "\n")
        typer.echo("\n".join(lines(found)))
        return 0

    finish(body)


@bench.command()
def bearing(
    folder: Annotated[Path, typer.Argument(help="Clips (*.npz) and their manifest.json.", metavar="DIR")],
    json: JsonFile = None,
) -> None:
    """Name the faults of clips of raw vibration, each by itself. Exit 2: the folder has no such clips."""

    def body() -> int:
        from holdfast.cli.bench_bearing import show

        return show(folder, json)

    finish(body)


@bench.command()
def faults(
    data: Annotated[Path | None, typer.Option(help="A folder with occupancy/, skab/ and nab/.", metavar="DIR")] = None,
    detector: Annotated[list[str] | None, typer.Option(help="Only this one; may come several times.")] = None,
    seeds: Annotated[int, typer.Option(help="Series of each shape.", min=1, max=100)] = 8,
    json: JsonFile = None,
) -> None:
    """What each detector finds of planted faults, how soon, and its false alarms; with --data on real data, too."""

    def body() -> int:
        from holdfast.cli.bench_faults import bench_faults
        from holdfast.stream.detectors.catalogue import KINDS

        return bench_faults(data, detector or list(KINDS), seeds, json)

    finish(body)


@bench.callback()
def _group() -> None:
    """Measure detectors on labelled data."""

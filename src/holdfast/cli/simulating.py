"""What `holdfast sim SCENARIO` does."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import typer

from holdfast.cli.progress import progress
from holdfast.cli.words import size, table, when
from holdfast.kernel.clock import NS_PER_S, SystemClock
from holdfast.kernel.errors import HoldfastError
from holdfast.sim.site.loading import Scenario, load_scenario, parse_time
from holdfast.sim.site.reading import WRITTEN, api_of, node_files
from holdfast.sim.site.running import STOP_S, Pace, Stage

HASHED_FROM = "2026-01-05T06:00:00Z"
"""When a scenario that begins `now` begins for --hash: a Monday, early."""


class Wish(NamedTuple):
    """What the command line says."""

    path: Path
    seconds: float | None
    speed: float
    start: str | None
    seed: int | None
    json: bool


class FileTaken(HoldfastError):
    """A file that nobody here wrote stands there."""

    hint = "name another"


def hash_only(wish: Wish) -> None:
    """Tell the hash, without a socket."""
    scenario = _scenario(wish)
    stage = Stage(scenario, _start_ns(wish, scenario, parse_time(HASHED_FROM)))
    seconds = wish.seconds or 0.0
    with progress(_named(scenario), seconds, "s", json=wish.json) as bar:
        stage.hash(seconds, bar)
    _tell(wish, stage, seconds)


async def play(wish: Wish, stopping: asyncio.Event) -> None:
    """Play it on the wire."""
    scenario = _scenario(wish)
    stage = Stage(scenario, _start_ns(wish, scenario, None))
    named = _named(scenario)
    if not wish.json:
        typer.echo(f"{named}, seed {scenario.seed}; Ctrl-C ends it")
    with progress(named, wish.seconds, "s", json=wish.json) as bar:

        def told(done_s: float) -> None:
            late = f", {stage.late_s:.1f} s late" if stage.late_s > 1 else ""
            bar(done_s, None, f"{named}: {stage.tally.total.frames:,} frames{late}")

        await stage.run(Pace(wish.seconds, wish.speed), SystemClock(), stopping, told)
    for group in stage.left_open:
        typer.echo(f"{group}: it didn't close within {STOP_S:g} s; left to the end of the process", err=True)
    whole = wish.seconds is not None and not stopping.is_set()
    _tell(wish, stage, wish.seconds if whole and wish.seconds else stage.tally.until_ns / NS_PER_S)


def write_node(wish: Wish, path: Path) -> None:
    """Write settings of a node that reads the whole site."""
    scenario = _scenario(wish)
    ends = {plan.name: plan.end() for plan in scenario.groups}
    texts = {path.parent / name: text for name, text in node_files(scenario, ends, str(wish.path), path.name).items()}
    for file in texts:
        if file.exists() and not file.read_text(encoding="utf-8", errors="replace").startswith(WRITTEN):
            raise FileTaken(f"{file} is there already, and not of our making")
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    typer.echo(
        f"{path} reads {_named(scenario)}.\n"
        f"Run it:        holdfast run {path}\n"
        f"Then the site: holdfast sim {wish.path}\n"
        f"Look at it:    http://{api_of(scenario)}/"
    )


def _scenario(wish: Wish) -> Scenario:
    scenario = load_scenario(wish.path)
    return scenario if wish.seed is None else replace(scenario, seed=wish.seed)


def _start_ns(wish: Wish, scenario: Scenario, otherwise_ns: int | None) -> int | None:
    if wish.start is None:
        return otherwise_ns if scenario.start_ns is None else scenario.start_ns
    try:
        return parse_time(wish.start)
    except ValueError:
        raise typer.BadParameter(f"--start {wish.start}: expected a time with a zone, as {HASHED_FROM}") from None


def _exactly(ns: int) -> str:
    """A time to the microsecond: it begins the same play."""
    rest = ns // 1000 % 1_000_000
    return f"{when(ns)[:-1]}.{rest:06d}Z" if rest else when(ns)


def _named(scenario: Scenario) -> str:
    protocols = len({plan.settings.protocol for plan in scenario.groups})
    return f"{scenario.devices} devices over {protocols} protocol{'s' if protocols > 1 else ''}"


def _tell(wish: Wish, stage: Stage, seconds: float) -> None:
    tally, start = stage.tally, _exactly(stage.start_ns or 0)
    if wish.json:
        said = {
            "sha256": tally.digest,
            "seconds": seconds,
            "start": start,
            "seed": stage.scenario.seed,
            "devices": stage.scenario.devices,
            "protocols": tally.by_protocol,
        }
        typer.echo(msgspec.json.encode(said).decode())
        return
    rows = [["protocol", "devices", "shown", "frames", "bytes", "silent"]]
    rows += [
        [name, f"{c.devices}", f"{c.shown:,}", f"{c.frames:,}", size(c.bytes), f"{c.silent:,}"]
        for name, c in sorted(tally.by_protocol.items())
    ]
    again = f"holdfast sim {wish.path} --hash --seconds {seconds:g} --start {start}"
    if wish.seed is not None:
        again += f" --seed {wish.seed}"
    typer.echo("\n".join(table(rows)))
    typer.echo(f"sha256 {tally.digest} over {seconds:g} s\nagain: {again}")

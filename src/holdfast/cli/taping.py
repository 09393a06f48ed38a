"""What `holdfast sim record` and `sim replay` do."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import typer

from holdfast.cli.progress import progress
from holdfast.cli.words import lasting, size
from holdfast.kernel.clock import SystemClock
from holdfast.sim.tape.format import Record, TapeInvalid, TapeReader
from holdfast.sim.tape.recording import Recorder, record
from holdfast.sim.tape.replaying import Replayed, replay
from holdfast.sim.tape.rows import is_rows, rows
from holdfast.transport.brokers import BrokerLogin


def login(url: str, username: str, password_file: str, ca: str) -> BrokerLogin:
    """A broker, checked."""
    where = BrokerLogin(url=url, version="v3.1.1", username=username, password_file=password_file, ca=ca)
    for key, what in where.findings():
        raise typer.BadParameter(f"{key[0]}: {what}")
    return where


def pace_of(text: str) -> float | None:
    """A speed; None = as fast as it goes."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0.001 <= speed <= 1e6:
        raise typer.BadParameter(f"--speed {text}: expected a number from 0.001 to 1000000, or max")
    return speed


async def recorded(
    where: BrokerLogin, topics: Sequence[str], file: Path, seconds: float | None, stopping: asyncio.Event, *, json: bool
) -> None:
    """Record, and say how much."""
    clock = SystemClock()
    began = clock.monotonic()
    with progress(f"recording {where.url}", seconds, "s", json=json) as bar:

        def told(recorder: Recorder) -> None:
            bar(clock.monotonic() - began, None, f"{recorder.writer.records:,} messages, {size(recorder.bytes)}")
            if not recorder.writer.records and not json and clock.monotonic() - began < 1:
                typer.echo(f"recording {', '.join(topics)} of {where.url} to {file}; Ctrl-C ends it", err=True)

        recorder = await record(where, topics, file, clock, seconds, stopping, told)
    took = clock.monotonic() - began
    if json:
        said = {"messages": recorder.writer.records, "bytes": recorder.bytes, "seconds": round(took, 3)}
        typer.echo(msgspec.json.encode(said).decode())
    else:
        typer.echo(f"{file}: {recorder.writer.records:,} messages in {lasting(took)}, {size(recorder.bytes)}")


async def replayed(
    file: Path, topic: str, where: BrokerLogin, speed: float | None, qos: int | None, stopping: asyncio.Event, *,
    json: bool,
) -> None:  # fmt: skip
    """Replay, and say how well it kept time."""
    if is_rows(file):
        if not topic or set("+#") & set(topic):
            raise typer.BadParameter("rows have no topic: name one, as --topic plant/room-1")
        outcome, torn = await _played(rows(file, topic), file, where, speed, qos, stopping, json=json), 0
    else:
        try:
            tape = await asyncio.to_thread(file.open, "rb")
        except OSError as error:
            raise TapeInvalid(f"{file}: {error.strerror}") from error
        with tape:
            reader = TapeReader(tape)
            outcome = await _played(iter(reader), file, where, speed, qos, stopping, json=json)
            torn = reader.torn
    if json:
        typer.echo(msgspec.json.encode({**outcome._asdict(), "torn_bytes": torn}).decode())
        return
    typer.echo(_said(file, outcome, speed))
    if torn:
        typer.echo(
            f"{file}: the last {torn} bytes are a torn block: its recorder was killed, or the disk was full", err=True
        )


async def _played(
    records: Iterator[Record], file: Path, where: BrokerLogin, speed: float | None, qos: int | None,
    stopping: asyncio.Event, *, json: bool,
) -> Replayed:  # fmt: skip
    with progress(f"replaying {file} to {where.url}", None, "messages", json=json) as bar:
        return await replay(records, where, speed, SystemClock(), stopping, bar, qos)


def _said(file: Path, outcome: Replayed, speed: float | None) -> str:
    count, taped, took = outcome.messages, outcome.taped_s, outcome.took_s
    times = f", {taped / took:.3g} times as fast" if took > 0 and taped > 0 else ""
    line = (
        f"{file}: {count:,} messages ({size(outcome.bytes)}), {outcome.acked:,} acknowledged; {lasting(taped)} of tape"
    )
    line += f" in {lasting(took)}{times}"
    if speed is not None:
        line += f"; late p50 {outcome.late_p50_s * 1000:.3g} ms, p99 {outcome.late_p99_s * 1000:.3g} ms"
    return line

"""Vendors' LoRaWAN scripts on the command line: their examples, and one uplink."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer

from holdfast.cli.node_api import Misused
from holdfast.cli.words import many, plain, table
from holdfast.codecs.lorawan.calls import Limits
from holdfast.codecs.lorawan.contract import Decoded, Failure, Uplink, decode_uplinks
from holdfast.codecs.lorawan.examples import CodecExamples, Tried, read_examples, try_all
from holdfast.codecs.lorawan.normalise import normalised
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.scripts import Script, ScriptFolder, load_script
from holdfast.kernel.clock import Clock, SystemClock

_VERDICTS = ("pass", "fail", "known", "skipped")
_COLUMNS = ("codec", "vendor", *_VERDICTS)
_LINE = 200


def show_test(folder: Path, cpu_s: float, *, json: bool, verbose: bool) -> int:
    """All codecs of a folder, and what isn't as it should be."""
    if not folder.is_dir():
        raise Misused(f"{folder} is no folder", "give one with scripts and lines of examples (*.jsonl)")
    codecs = read_examples(folder)
    clock = SystemClock()
    began = clock.monotonic()
    tried = asyncio.run(_try(ScriptFolder(folder), codecs, clock, cpu_s))
    seconds = clock.monotonic() - began
    totals = Counter[str](t.verdict for t in tried)
    if json:
        typer.echo(msgspec.json.encode(_report(tried, totals)).decode())
    else:
        _print(codecs, tried, totals, seconds, verbose=verbose)
    if totals["fail"]:
        return 1
    return 0 if totals["pass"] + totals["known"] else 2


async def _try(scripts: ScriptFolder, codecs: list[CodecExamples], clock: Clock, cpu_s: float) -> list[Tried]:
    runner = ScriptRunner(clock, limits=_limits(cpu_s))
    try:
        return await try_all(runner, scripts, codecs)
    finally:
        await runner.close()


def _limits(cpu_s: float) -> Limits:
    return Limits(cpu_s=cpu_s, hard_s=max(1.0, 4 * cpu_s), wall_s=max(10.0, 40 * cpu_s))


def _report(tried: Sequence[Tried], totals: Counter[str]) -> dict[str, object]:
    return {
        "totals": {verdict: totals[verdict] for verdict in _VERDICTS},
        "examples": tried,
    }


def _print(
    codecs: Sequence[CodecExamples], tried: Sequence[Tried], totals: Counter[str], seconds: float, *, verbose: bool
) -> None:
    rows = _rows(codecs, tried, verbose=verbose)
    if rows:
        for line in table([_COLUMNS, *rows], right=range(2, len(_COLUMNS))):
            typer.echo(line)
        typer.echo()
    for t in tried:
        if t.verdict in {"fail", "known"}:
            typer.echo(f"{t.verdict}: {plain(t.codec)} {t.function} {t.example} ({plain(t.description, 60)})")
            for difference in t.differences:
                typer.echo(f"    {plain(difference, _LINE)}")
    said = ", ".join(f"{totals[verdict]} {word}" for verdict, word in zip(_VERDICTS, _WORDS, strict=True))
    typer.echo(f"{many(len(codecs), 'codec')}, {many(len(tried), 'example')} in {seconds:.1f} s: {said}")


def _rows(codecs: Sequence[CodecExamples], tried: Sequence[Tried], *, verbose: bool) -> list[list[str]]:
    counts: dict[str, Counter[str]] = {}
    for t in tried:
        counts.setdefault(t.codec, Counter())[t.verdict] += 1
    rows = []
    for codec in codecs:
        count = counts.get(codec.id, Counter())
        if verbose or count["pass"] < count.total():
            rows.append([plain(codec.id, 50), plain(codec.vendor, 30), *(str(count[v] or "") for v in _VERDICTS)])
    return rows


_WORDS = ("passed", "failed", "known not to hold in QuickJS", "without a script")


def show_run(script: Path, port: int, payload: str, cpu_s: float, *, json: bool) -> int:
    """One uplink through one script."""
    try:
        raw = bytes.fromhex(payload)
    except ValueError:
        raise Misused(f"`{payload}` is no hex", "write bytes as 01af00") from None
    outcome = asyncio.run(_run(load_script(script), Uplink(port, raw, SystemClock().wall_ns()), cpu_s))
    readings = normalised(outcome) if isinstance(outcome, Decoded) else []
    if json:
        typer.echo(msgspec.json.encode({"outcome": outcome, "readings": readings}).decode())
    elif isinstance(outcome, Failure):
        typer.echo(f"{outcome.fault}: {plain(outcome.detail)}", err=True)
    else:
        typer.echo(msgspec.json.format(msgspec.json.encode(outcome.result), indent=2).decode())
        for line in table([(r.metric, plain(f"{r.value}"), r.unit, r.quality) for r in readings], right=(1,)):
            typer.echo(line)
        if outcome.normalize_fault:
            typer.echo(f"normalizeUplink: {plain(outcome.normalize_fault)}", err=True)
    is_refused = isinstance(outcome, Failure) or bool(outcome.errors)
    return 1 if is_refused or not readings else 0


async def _run(script: Script, uplink: Uplink, cpu_s: float) -> Decoded | Failure:
    runner = ScriptRunner(SystemClock(), limits=_limits(cpu_s), workers=1)
    try:
        return (await decode_uplinks(runner, script, [uplink]))[0]
    finally:
        await runner.close()

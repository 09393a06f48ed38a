"""Vendors' scripts against their own examples: what `holdfast codec test` does.

A folder has scripts and lines of examples (`*.jsonl`, also gzipped). Each line is a codec: `id, vendor, js, uplink[],
encode_downlink[], decode_downlink[]`; a script is looked up by its whole path, then by its name in any subfolder.
"""

import asyncio
import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from holdfast.codecs.lorawan.calls import Call, CallKind
from holdfast.codecs.lorawan.compare import CLOSE, EXACT, differences, result_differences
from holdfast.codecs.lorawan.contract import Decoded, Failure, call_once
from holdfast.codecs.lorawan.errors import ScriptUnusable
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.scripts import ScriptFolder

Verdict = Literal["pass", "fail", "known", "skipped"]
_KNOWN = frozenset({"DIFF", "EXC"})


class UplinkExample(Struct, kw_only=True):
    """An uplink and what becomes of it. quickjs: DIFF or EXC where it's known not to hold in this engine."""

    bytes: str
    fPort: int | None = None  # noqa: N815 - the contract's name
    recvTime: datetime | None = None  # noqa: N815 - the contract's name
    output: dict[str, Any]
    normalized: dict[str, Any] | None = None
    description: str = ""
    quickjs: str = "exact"


class DownlinkExample(Struct, kw_only=True):
    """A downlink's input and output."""

    input: dict[str, Any]
    output: dict[str, Any]
    description: str = ""
    quickjs: str = "exact"


class CodecExamples(Struct, kw_only=True):
    """A codec with its examples."""

    id: str
    js: str
    vendor: str = ""
    source: str = ""
    uplink: list[UplinkExample] = field(default_factory=list)
    encode_downlink: list[DownlinkExample] = field(default_factory=list)
    decode_downlink: list[DownlinkExample] = field(default_factory=list)
    encode_downlink_js: str | None = None
    decode_downlink_js: str | None = None


class Tried(Struct, frozen=True):
    """One example's outcome. differences: what isn't as wanted, or why it could not be run."""

    codec: str
    function: CallKind
    example: int
    description: str
    verdict: Verdict
    differences: list[str] = []


def read_examples(folder: Path) -> list[CodecExamples]:
    """All codecs of all example files in `folder` and below.

    Raises:
        ScriptUnusable: when there are none, or a line isn't as it should be.
    """
    files = sorted(p for p in folder.rglob("*") if p.name.endswith((".jsonl", ".jsonl.gz")) and p.is_file())
    codecs = [codec for file in files for codec in _lines(file)]
    if not codecs:
        raise ScriptUnusable(f"no examples in {folder}", "put lines of codecs there, as codecs.jsonl")
    return codecs


def _lines(file: Path) -> Iterator[CodecExamples]:
    decode = msgspec.json.Decoder(CodecExamples).decode
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield decode(line)
            except (msgspec.MsgspecError, UnicodeError) as error:
                raise ScriptUnusable(f"{file}:{number}: {error}", "a line is a codec with its examples") from None


async def try_all(runner: ScriptRunner, scripts: ScriptFolder, codecs: list[CodecExamples]) -> list[Tried]:
    """Run every example of every codec, a few codecs at a time; outcomes in the order of `codecs`."""
    some = asyncio.Semaphore(8)

    async def one(codec: CodecExamples) -> list[Tried]:
        async with some:
            return [await _try(runner, scripts, codec, trial) for trial in _trials(codec)]

    return [tried for group in await asyncio.gather(*map(one, codecs)) for tried in group]


class _Trial(Struct, frozen=True):
    example: int
    description: str
    quickjs: str
    script: str
    call: Call
    output: dict[str, Any]
    normalized: dict[str, Any] | None = None


def _trials(codec: CodecExamples) -> Iterator[_Trial]:
    for i, u in enumerate(codec.uplink):
        try:
            payload = list(bytes.fromhex(u.bytes))
        except ValueError:
            raise ScriptUnusable(f"{codec.id}: uplink {i}: `{u.bytes}` is no hex", "write bytes as 01af00") from None
        said: dict[str, Any] = {"fPort": u.fPort, "bytes": payload}
        if u.recvTime is not None:  # otherwise the example's output was made without one, too
            said["recvTime"] = round(u.recvTime.timestamp() * 1000)
        call = _call("decodeUplink", said)
        yield _Trial(i, u.description, u.quickjs, codec.js, call, u.output, u.normalized)
    for i, d in enumerate(codec.encode_downlink):
        script = codec.encode_downlink_js or codec.js
        yield _Trial(i, d.description, d.quickjs, script, _call("encodeDownlink", d.input), d.output)
    for i, d in enumerate(codec.decode_downlink):
        script = codec.decode_downlink_js or codec.js
        yield _Trial(i, d.description, d.quickjs, script, _call("decodeDownlink", d.input), d.output)


def _call(kind: CallKind, argument: dict[str, Any]) -> Call:
    return Call(kind, msgspec.json.encode(argument))


async def _try(runner: ScriptRunner, scripts: ScriptFolder, codec: CodecExamples, trial: _Trial) -> Tried:
    def tried(verdict: Verdict, said: list[str]) -> Tried:
        return Tried(codec.id, trial.call.kind, trial.example, trial.description, verdict, said)

    try:
        script = scripts.find(trial.script)
    except ScriptUnusable as error:
        return tried("fail", [str(error)])
    if script is None:
        return tried("skipped", [f"no script {trial.script} in the folder"])
    found = _differences(trial, await call_once(runner, script, trial.call))
    if not found:
        return tried("pass", [])
    return tried("known" if trial.quickjs in _KNOWN else "fail", found)


def _differences(trial: _Trial, got: Decoded | Failure) -> list[str]:
    if isinstance(got, Failure):
        return [f"{got.fault}: {got.detail}"]
    tolerance = CLOSE if trial.quickjs == "close" else EXACT
    found = result_differences(trial.output, got.result, tolerance)
    if trial.normalized is None or found:
        return found
    if got.normalized is None:
        return [f"normalized: {got.normalize_fault or 'the script has no normalizeUplink'}"]
    wanted = trial.normalized.get("data")
    return differences(wanted if isinstance(wanted, list) else [wanted], got.normalized, tolerance)

"""`holdfast profile`: are profiles right, what do they make of a payload, and what may one look like."""

import asyncio
import base64
import binascii
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import typer
from msgspec import Struct

from holdfast.cli.node_api import Misused, as_json
from holdfast.cli.words import many, plain, table, when
from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.inferring import Message, infer
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.profiles import Profile
from holdfast.intake.replay import WouldRead, spoken
from holdfast.intake.uplinks import translated_run
from holdfast.kernel.clock import Clock
from holdfast.model.series import Catalogue

_BUILTIN = "builtin:"
_NODE = "here"
_MOST_BYTES = 64_000_000


class Verdict(Struct, frozen=True):
    """What profiles make of one message."""

    topic: str
    readings: list[WouldRead]
    reason: str = ""
    detail: str = ""


def check_files(files: Sequence[str]) -> int:
    """Say that all profiles are right; a problem is raised.

    Raises:
        SettingsInvalid: with every problem of all files.
    """
    for name in files:
        found = profiles_of([name])
        typer.echo(f"{name}: good; {many(len(found), 'profile')}")
    profiles_of(files)
    return 0


def profiles_of(names: Sequence[str]) -> list[Profile]:
    """Profiles of files, and built-in ones by `builtin:NAME`.

    Raises:
        SettingsInvalid: with every problem of all files.
        Misused: when no such profile ships.
    """
    return load_profiles(_file(name) for name in names)


def _file(name: str) -> Path:
    if not name.startswith(_BUILTIN):
        return Path(name)
    shipped = {file.stem: file for file in sorted(BUILTIN.glob("*.yaml"))}
    found = shipped.get(name.removeprefix(_BUILTIN))
    if found is None:
        raise Misused(f"there is no {name}", f"there are {', '.join(_BUILTIN + stem for stem in shipped)}")
    return found


def tell_messages(profiles: Sequence[Profile], messages: Sequence[Message], clock: Clock, *, json: bool) -> int:
    """Print what each message would become, in order; 1 when one is refused."""
    found = _tested(profiles, messages, clock)
    if json:
        typer.echo(as_json(found))
    else:
        for one in found:
            typer.echo("\n".join(_said(one)))
    return 1 if any(one.reason for one in found) else 0


def default_topic(profiles: Sequence[Profile]) -> str:
    """A topic that the only profile would take.

    Raises:
        Misused: when there are several profiles.
    """
    if len(profiles) != 1:
        raise Misused("the file has several profiles, so the topic decides", "say it with --topic")
    levels = profiles[0].pattern.text.split("/")
    return "/".join(
        level.strip("{}*") or "x" if level[0] in "{+" else level.replace("#", "x") for level in levels if level
    )


async def _runs(decoder: Decoder, messages: Sequence[Message], clock: Clock) -> list[Run]:
    """The messages as they reach the decoder: LoRaWAN uplinks have been through their scripts."""
    scripts = ScriptRunner(clock)
    try:
        return [
            await translated_run(decoder, scripts, Run(message.topic, [message.payload], clock.wall_ns()))
            for message in messages
        ]
    finally:
        await scripts.close()


def _tested(profiles: Sequence[Profile], messages: Sequence[Message], clock: Clock) -> list[Verdict]:
    catalogue = Catalogue()
    decoder = Decoder(profiles, catalogue, _NODE)
    return [_verdict(decoder, catalogue, run) for run in asyncio.run(_runs(decoder, messages, clock))]


def _verdict(decoder: Decoder, catalogue: Catalogue, run: Run) -> Verdict:
    decoded = decoder.decode([run])
    if decoded.rejected:
        return Verdict(run.topic, [], decoded.rejected[0].reason, decoded.rejected[0].detail)
    return Verdict(run.topic, list(spoken(decoded.batch, catalogue)))


def _said(one: Verdict) -> Iterator[str]:
    if one.reason:
        yield f"{plain(one.topic)}: refused: {one.reason}: {plain(one.detail)}"
        return
    yield f"{plain(one.topic)}: {many(len(one.readings), 'reading')}"
    rows = [
        [
            f"  {plain(r.series.removeprefix(_NODE + '/'))}",
            "none" if r.value is None else plain(str(r.value)),
            plain(r.unit),
            when(r.ts),
            f"{r.quality}{': ' + r.why if r.why else ''}",
        ]
        for r in one.readings
    ]
    yield from table(rows, (1,))


def messages_of(path: Path | None, hexed: str, topic: str, *, capture: bool) -> list[Message]:
    """The messages that were given: one payload, or with `capture` a line each.

    Raises:
        Misused: when they can't be read.
    """
    if hexed:
        try:
            return [Message(topic, bytes.fromhex(hexed))]
        except ValueError:
            raise Misused(f"--hex {hexed[:40]} is no hex", "pairs of hex digits, blanks allowed") from None
    raw = _bytes(path)
    if not capture:
        return [Message(topic, raw)]
    messages = [_captured(line, topic) for line in raw.splitlines() if line.strip()]
    if not messages:
        raise Misused("there is no message", "one line a message")
    return messages


def _bytes(path: Path | None) -> bytes:
    try:
        if path is None or str(path) == "-":
            return sys.stdin.buffer.read(_MOST_BYTES)
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise Misused(
            f"{path} can't be read: {error.strerror}", "a file with the payload, or - for standard input"
        ) from None


def _captured(line: bytes, topic: str) -> Message:
    """A line of a capture: {"topic", "payload…"}, `topic payload` as mosquitto_sub -v prints, or a bare payload."""
    try:
        said: Any = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        said = None
    if isinstance(said, dict) and isinstance(said.get("topic"), str):
        payload = _payload(said)
        if payload is not None:
            return Message(said["topic"], payload)
    head, blank, rest = line.partition(b" ")
    if said is None and blank and b"/" in head and head.isascii() and b"," not in head:
        return Message(head.decode(), rest)
    return Message(topic, line)


def _payload(said: dict[str, Any]) -> bytes | None:
    try:
        if isinstance(said.get("payload_hex"), str):
            return bytes.fromhex(said["payload_hex"])
        if isinstance(said.get("payload_base64"), str):
            return base64.b64decode(said["payload_base64"], validate=True)
    except (ValueError, binascii.Error):
        raise Misused("a line's payload is no hex or base64", 'as in {"topic": "a/b", "payload_hex": "0aff"}') from None
    payload = said.get("payload")
    if payload is None:
        return None
    return payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload)


def propose(messages: Sequence[Message], name: str, out: Path | None, clock: Clock) -> int:
    """Print or write a proposed profile, and tell on stderr how much of the sample it reads; 1 when not all.

    Raises:
        SampleUnreadable: when no format fits.
        Misused: when the file is there already.
    """
    text = infer(messages, name)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "proposed.yaml"
        file.write_text(text, encoding="utf-8")
        profiles = load_profiles([file])
    default = default_topic(profiles)
    tested = _tested(profiles, [m if m.topic else Message(default, m.payload) for m in messages], clock)
    if out is None:
        typer.echo(text, nl=False)
    elif out.exists():
        raise Misused(f"{out} is there already", "choose another name, or remove it")
    else:
        out.write_text(text, encoding="utf-8")
    refused = [one for one in tested if one.reason]
    readings = sum(len(one.readings) for one in tested)
    typer.echo(
        f"it reads {len(tested) - len(refused)} of {many(len(tested), 'message')}: {many(readings, 'reading')}",
        err=True,
    )
    for one in refused[:3]:
        typer.echo(f"  {one.reason}: {plain(one.detail)}", err=True)
    return 1 if refused else 0

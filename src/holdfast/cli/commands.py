"""`holdfast command`: ask a device for something, and see what became of it."""

from typing import Any
from urllib.parse import quote

import msgspec
import typer

from holdfast.cli.node_api import Api, File, Misused, as_json
from holdfast.cli.words import lasting, plain, table, when
from holdfast.commands.asking import CommandBody
from holdfast.journal import commanded
from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.scalars import parse_duration
from holdfast.model.command import State
from holdfast.web.commands import CommandRow

Wanted = tuple[str, list[str], str, str, str]
_WAIT_S = 20
_DETAIL = 60


def send_command(where: Api | File, device: str, wanted: Wanted, *, wait: bool, json: bool) -> int:
    """Post it, and perhaps wait for its end; returns 1 when that isn't `done`."""
    if isinstance(where, File):
        raise Misused(f"{where.why}, so no device can be commanded", "start the node, and give it an `api:`")
    name, pairs, node, deadline, number = wanted
    try:
        seconds = parse_duration(deadline) if deadline else None
    except ValueError as error:
        raise Misused(f"--deadline {deadline}: {error}", "as in 30s") from error
    body = CommandBody(name, dict(map(_pair, pairs)), seconds, number or None, node)
    path = f"devices/{quote(device, safe='')}/commands"
    found = where.post(path, body, CommandRow)
    while wait and not found.ended_ns:
        found = where.get(f"{path}/{found.id}", CommandRow, {"wait": f"{_WAIT_S}"}, _WAIT_S + 10.0)
    typer.echo(as_json(found) if json else "\n".join(_whole(found)) if wait else f"{found.id} {found.state}")
    return 1 if wait and found.state != State.DONE else 0


def show_commands(where: Api | File, device: str, node: str, limit: int, *, json: bool) -> int:
    """Print the newest commands."""
    if isinstance(where, Api):
        path = f"devices/{quote(device, safe='')}/commands" if device else "commands"
        params = {"limit": f"{limit}", "node": node if device else ""}
        found = where.get(path, list[CommandRow], params)
    else:
        found = _read(where, device, node, limit)
    if json:
        typer.echo(as_json(found))
        return 0
    if isinstance(where, File):
        typer.echo(where.note())
    if not found:
        typer.echo("No commands.")
        return 0
    head = ["made", "node", "device", "command", "state", "took", "by", "id", "detail"]
    body = [
        [
            when(one.made_ns),
            plain(one.node),
            plain(one.device),
            plain(one.name),
            f"{one.state}?" if one.doubt else one.state,
            lasting((one.ended_ns - one.made_ns) / NS_PER_S) if one.ended_ns else "-",
            plain(one.origin),
            plain(one.id),
            plain(one.detail, _DETAIL),
        ]
        for one in found
    ]
    typer.echo("\n".join(table([head, *body], (5,))))
    return 0


def show_command(where: Api | File, number: str, *, json: bool) -> int:
    """Print one command; returns 1 when it ended otherwise than `done`."""
    if isinstance(where, Api):
        found = where.get(f"commands/{quote(number, safe='')}", CommandRow)
    else:
        reader = where.reader()
        try:
            stored = reader.look(lambda db: commanded.find(db, number))
        finally:
            reader.close()
        if stored is None:
            raise Misused(f"there is no command {number}", "`holdfast command list` shows them")
        found = CommandRow.of(stored)
    typer.echo(as_json(found) if json else "\n".join(_whole(found)))
    return 1 if found.ended_ns and found.state != State.DONE else 0


def _read(where: File, device: str, node: str, limit: int) -> list[CommandRow]:
    reader = where.reader()
    mine = (node or where.plan.settings.node) if device else ""
    try:
        devices = (device,) if device else ()
        found = reader.look(lambda db: commanded.past(db, before=1 << 40, node=mine, devices=devices, limit=limit))
        return [CommandRow.of(one) for one in found]
    finally:
        reader.close()


def _pair(text: str) -> tuple[str, Any]:
    """JSON where it is some, else text."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise Misused(f"{text!r} is no parameter", "write KEY=VALUE, as in speed=3 or mode=eco")
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value


def _whole(one: CommandRow) -> list[str]:
    said = [
        ["id", plain(one.id)],
        ["device", plain(f"{one.node}/{one.device}")],
        ["command", plain(f"{one.name} {bytes(one.params).decode()}")],
        ["asked by", plain(one.origin)],
        ["state", f"{one.state}, and the device may have done it" if one.doubt else one.state],
        *([["detail", plain(one.detail)]] if one.detail else []),
        *([["result", plain(msgspec.json.encode(one.result).decode())]] if one.result is not None else []),
        ["made", when(one.made_ns)],
        ["deadline", when(one.deadline_ns)],
    ]
    for word, ns in (("sent", one.sent_ns), ("delivered", one.delivered_ns), ("ended", one.ended_ns)):
        if ns:
            said.append([word, f"{when(ns)}, after {lasting(max(0, ns - one.made_ns) / NS_PER_S)}"])
    if one.late is not None:
        said.append(["too late", plain(msgspec.json.encode(one.late).decode())])
    return table(said)

"""`holdfast adapters list|show|test`: what is on at a node's edge, and whether it could be.

Exit codes: 0 all is well, 1 an adapter fails, 2 wrong usage, or nothing to be asked.
"""

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

import typer

from holdfast.cli.core import Json, NodeFile, finish

if TYPE_CHECKING:
    from holdfast.adapters.port import DeviceState

adapters = typer.Typer(help="How a node meets its devices.", no_args_is_help=True)


@adapters.command("list")
def list_(settings: NodeFile, json: Json = False) -> None:
    """Every adapter of the running node, how it is, and its last error. Exit 1: one fails."""

    def body() -> int:
        from holdfast.adapters.supervised import AdapterStatus
        from holdfast.cli.node_api import File, Misused, as_json, find, settings_of
        from holdfast.cli.words import plain, table, when

        where = find(settings_of(settings))
        if isinstance(where, File):
            raise Misused(f"{where.why}: adapters only live in a running node", "`holdfast adapters test` tries them")
        found = where.get("adapters", list[AdapterStatus])
        if json:
            typer.echo(as_json(found))
        else:
            rows = [[one.name, one.state, when(one.since_ns), plain(one.where), one.detail] for one in found]
            head = ["adapter", "state", "since", "where", "detail"]
            typer.echo("\n".join(table([head, *rows]) if rows else ["No adapter is on."]))
            for one in found:
                if one.error:
                    at = f"{when(one.error_ns)}: " if one.error_ns else ""
                    typer.echo(f"{one.name}: {at}{plain(one.error)}" + (f"; {one.hint}" if one.hint else ""))
                if one.retry_in_s is not None:
                    typer.echo(f"{one.name}: the next try comes in {one.retry_in_s:g} s, after {one.failures} failures")
        return 1 if any(one.state == "failing" for one in found) else 0

    finish(body)


@adapters.command("show")
def show(settings: NodeFile, name: str, json: Json = False) -> None:
    """The devices that an adapter of the running node asks, and how each is. Exit 1: one doesn't answer."""

    def body() -> int:
        from holdfast.adapters.port import DeviceState
        from holdfast.cli.node_api import File, Misused, as_json, find, settings_of
        from holdfast.cli.words import plain, table, when

        where = find(settings_of(settings))
        if isinstance(where, File):
            raise Misused(f"{where.why}: adapters only live in a running node", "`holdfast adapters test` tries them")
        found = where.get(f"adapters/{quote(name, safe='')}/devices", list[DeviceState])
        if json:
            typer.echo(as_json(found))
        else:
            rows = [_row(one, plain(one.where), when(one.last_ns) if one.last_ns else "never") for one in found]
            head = ["device", "state", "where", "every", "answered", "polls", "failed", "left out"]
            typer.echo("\n".join(table([head, *rows]) if rows else [f"{name} asks no device."]))
            for one in found:
                if one.error:
                    typer.echo(f"{one.device}: {plain(one.error)}")
            late = max((one.late_s for one in found), default=0.0)
            if late:
                typer.echo(f"99 of 100 polls begin within {late * 1000:.0f} ms of their time.")
        return 1 if any(one.state == "failing" for one in found) else 0

    finish(body)


def _row(one: "DeviceState", where: str, last: str) -> list[str]:
    every = f"{one.every_s:g} s" if one.every_s else ""
    return [one.device, one.state, where, every, last, str(one.polls), str(one.failures), str(one.skipped)]


@adapters.command("test")
def try_(settings: NodeFile, json: Json = False) -> None:
    """Try each adapter once, before the settings are used: ports, files, connections. Exit 1: one fails."""

    def body() -> int:
        from holdfast.cli.node_api import as_json, settings_of
        from holdfast.cli.words import table
        from holdfast.journal.journal import FILE_NAME
        from holdfast.kernel.clock import SystemClock
        from holdfast.node.trying import try_all
        from holdfast.storage.lock import is_locked

        plan = settings_of(settings)
        path = plan.data / FILE_NAME
        is_running = path.exists() and is_locked(path)
        found = asyncio.run(try_all(plan, SystemClock(), is_running=is_running))
        if json:
            typer.echo(as_json(found))
        else:
            rows = [[one.name, "ok" if one.works else "fails", one.note] for one in found]
            typer.echo("\n".join(table(rows) if rows else ["No adapter is on."]))
            for one in found:
                if one.hint:
                    typer.echo(f"{one.name}: {one.hint}")
        return 0 if all(one.works for one in found) else 1

    finish(body)

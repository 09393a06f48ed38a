"""`holdfast backup`: which there are, and putting one back."""

from collections.abc import Iterator
from pathlib import Path

import typer
from msgspec import Struct

from holdfast.cli.node_api import Misused, as_json
from holdfast.cli.words import many, plain, size, table, when
from holdfast.kernel.clock import Clock
from holdfast.node.backup import backups_in, newest_ns
from holdfast.node.restoring import Restored, restore
from holdfast.node.settings import NodePlan


class Listed(Struct, frozen=True):
    """A backup. made_ns: by its name, ns UTC."""

    file: str
    made_ns: int
    bytes: int


def show_backups(plan: NodePlan, *, json: bool) -> int:
    """Print them; 1 when there is none.

    Raises:
        Misused: when none are made.
    """
    settings = plan.settings.backup
    if settings is None:
        raise Misused("this node makes no backups", "add `backup: {folder: …}` to node.yaml: docs/how-to/disasters.md")
    files = backups_in(plan.path(settings.folder), plan.settings.node)
    found = [Listed(str(file), newest_ns([file]), file.stat().st_size) for file in files]
    if json:
        typer.echo(as_json(found))
    else:
        rows = [[when(one.made_ns), size(one.bytes), plain(one.file)] for one in found]
        typer.echo("\n".join(table([["made", "size", "file"], *rows], (1,))) if found else "There is none yet.")
    return 0 if found else 1


def show_restore(plan: NodePlan, file: Path, clock: Clock, *, replace: bool, json: bool) -> int:
    """Put one back and print what became of it.

    Raises:
        HoldfastError: when it can't be done; nothing has changed then.
    """
    done = restore(plan, file, clock, replace=replace)
    typer.echo(as_json(done) if json else "\n".join(_said(done, file)))
    return 0


def _said(done: Restored, file: Path) -> Iterator[str]:
    heads = ", ".join(f"{lane} {head}" for lane, head in done.heads.items())
    yield f"{done.journal} is {plain(str(file))} now; last rows: {heads}"
    for one in done.aside:
        yield f"set aside: {one}"
    if done.files.written:
        yield f"came back: {many(len(done.files.written), 'file')}: {_named(done.files.written)}"
    if done.files.others:
        yield f"left as here: {_named(done.files.others)}: other than in the backup"
    yield "Start the node. Its parent and its children notice by themselves: docs/how-to/disasters.md"


def _named(names: list[str]) -> str:
    shown = ", ".join(map(plain, names[:8]))
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"

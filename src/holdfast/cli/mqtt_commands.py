"""`holdfast mqtt user add|remove|list`: the users of a node's MQTT server.

A running node reads the file again within five seconds. Exit codes: 0 done, 1 no such user, 2 wrong usage.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.core import NodeFile, finish, misused

if TYPE_CHECKING:
    from holdfast.adapters.mqtt.users import User

mqtt = typer.Typer(help="The MQTT server of a node.", no_args_is_help=True)
user = typer.Typer(help="Who may log in at the MQTT server.", no_args_is_help=True)
mqtt.add_typer(user, name="user")
Name = Annotated[str, typer.Argument(help="The user's name; often a device's.", metavar="NAME")]


@user.command()
def add(
    settings: NodeFile,
    name: Name,
    group: Annotated[list[str] | None, typer.Option(help="A group for acl rules; may stand more than once.")] = None,
    certificate: Annotated[bool, typer.Option("--certificate", help="No password: known by certificate only.")] = False,
) -> None:
    """Add a user or give one a new password, asked for or read from standard input. Sessions already open stay."""

    def body() -> int:
        from holdfast.adapters.mqtt.users import NO_PASSWORD, User, name_problem, write_users
        from holdfast.crypto.passwords import hashed

        groups = tuple(group or ())
        problem = name_problem(name) or next(
            (f"a group is named like a user: {one!r}" for one in groups if name_problem(one)), ""
        )
        if problem:
            return misused(problem, "choose another, as in press-07")
        path, users = _open(settings)
        password = "" if certificate else _ask()
        if not certificate and not password:
            return misused("a password has at least one character", "or add the user with --certificate")
        is_new = name not in users
        users[name] = User(name, NO_PASSWORD if certificate else hashed(password.encode()), groups)
        write_users(path, users)
        typer.echo(f"{name}: {'added to' if is_new else 'changed in'} {path}")
        return 0

    finish(body)


@user.command()
def remove(settings: NodeFile, name: Name) -> None:
    """Remove a user. A connection that it has open stays open. Exit 1: there is no such user."""

    def body() -> int:
        from holdfast.adapters.mqtt.users import write_users

        path, users = _open(settings)
        if users.pop(name, None) is None:
            typer.echo(f"{name}: not in {path}", err=True)
            return 1
        write_users(path, users)
        typer.echo(f"{name}: removed from {path}")
        return 0

    finish(body)


@user.command("list")
def list_(settings: NodeFile) -> None:
    """The users, how they log in, and their groups."""

    def body() -> int:
        from holdfast.adapters.mqtt.users import NO_PASSWORD

        _, users = _open(settings)
        for one in sorted(users.values()):
            how = "certificate" if one.hash == NO_PASSWORD else "password"
            typer.echo(f"{one.name:<24} {how:<12} {', '.join(one.groups)}".rstrip())
        return 0

    finish(body)


def _open(settings: Path) -> "tuple[Path, dict[str, User]]":
    from holdfast.adapters.mqtt.users import read_users
    from holdfast.cli.node_api import Misused, settings_of

    plan = settings_of(settings)
    found = plan.settings.mqtt
    if found is None or not found.users_file:
        raise Misused(f"{settings} has no mqtt.users_file", "write there where the users are to be kept")
    path = plan.path(found.users_file)
    return path, read_users(path) if path.exists() else {}


def _ask() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")

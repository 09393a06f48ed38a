"""The commands over a node's people, as typed: `holdfast people …`.

A running node is asked to change them, and writes down who did; a stopped one's file is changed.
Exit codes: 0 done, 2 wrong usage, or nothing to be asked.
"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.core import Json, NodeFile, finish

if TYPE_CHECKING:
    from holdfast.identity.people.roles import Role
    from holdfast.web.people_answers import PeopleChange

people = typer.Typer(help="Who may log in at a node, and what they may do.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The person's name.", metavar="NAME")]
LinkName = Annotated[str, typer.Option("--name", help="What the link is called, to revoke it by.")]
Lasts = Annotated[str, typer.Option("--for", help="How long it's good, as in 30d; `ever` = until it's revoked.")]
Rank = Annotated[str, typer.Option("--role", help="viewer looks, operator deals with what happens, admin changes all.")]


@people.command("list")
def list_(settings: NodeFile, json: Json = False) -> None:
    """Everybody, who is logged in, and every link."""

    def body() -> int:
        from holdfast.cli.node_api import find, settings_of
        from holdfast.cli.people import show_people

        return show_people(find(settings_of(settings)), json=json)

    finish(body)


@people.command()
def add(
    settings: NodeFile,
    name: Name,
    role: Rank = "viewer",
    kept: Annotated[str, typer.Option("--hash", help="A hash made by `holdfast people hash`, instead of asking.")] = "",
) -> None:
    """Let somebody log in; the password is asked for, or read from standard input."""

    def body() -> int:
        from holdfast.web.people_answers import PeopleChange

        return _changed(settings, PeopleChange("add", name, _role(role), kept or _ask()))

    finish(body)


@people.command()
def role(
    settings: NodeFile, name: Name, to: Annotated[str, typer.Argument(help="The new role.", metavar="ROLE")]
) -> None:
    """Give somebody another role, at once."""

    def body() -> int:
        from holdfast.web.people_answers import PeopleChange

        return _changed(settings, PeopleChange("role", name, _role(to)))

    finish(body)


@people.command()
def password(settings: NodeFile, name: Name) -> None:
    """Give somebody a new password, asked for or read from standard input; their sessions end."""

    def body() -> int:
        from holdfast.web.people_answers import PeopleChange

        return _changed(settings, PeopleChange("password", name, password=_ask()))

    finish(body)


@people.command()
def remove(settings: NodeFile, name: Name) -> None:
    """Let somebody in no more; their sessions and tokens end."""

    def body() -> int:
        from holdfast.web.people_answers import PeopleChange

        return _changed(settings, PeopleChange("remove", name))

    finish(body)


@people.command("hash")
def hash_() -> None:
    """Print a password's hash, for `add --hash`; the password is asked for, or read from standard input."""

    def body() -> int:
        from holdfast.crypto.passwords import PEOPLE, hashed
        from holdfast.identity.people.book import fit

        typer.echo(hashed(fit(_ask()), p=PEOPLE))
        return 0

    finish(body)


@people.command()
def kiosk(settings: NodeFile, name: LinkName, lasts: Lasts = "30d") -> None:
    """Make a link for a wall screen, which looks and changes nothing. It's shown only once."""

    def body() -> int:
        from holdfast.cli.people import make_kiosk, seconds

        return make_kiosk(settings, name, seconds(lasts))

    finish(body)


@people.command()
def token(settings: NodeFile, owner: Name, name: LinkName, lasts: Lasts = "90d") -> None:
    """Make a token for somebody's scripts, with that person's role. It's shown only once."""

    def body() -> int:
        from holdfast.cli.people import change, seconds
        from holdfast.web.people_answers import PeopleChange

        made = change(settings, PeopleChange("token", name, owner=owner, for_s=seconds(lasts)))
        typer.echo(made.token)
        return 0

    finish(body)


@people.command()
def revoke(settings: NodeFile, name: Annotated[str, typer.Argument(help="As `list` shows it.")]) -> None:
    """Take back a kiosk's link or a token, at once."""

    def body() -> int:
        from holdfast.web.people_answers import PeopleChange

        return _changed(settings, PeopleChange("revoke", name))

    finish(body)


@people.command()
def end(settings: NodeFile, session: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")]) -> None:
    """Log somebody out; the node must run."""

    def body() -> int:
        from holdfast.web.people_answers import PeopleChange

        return _changed(settings, PeopleChange("end", session))

    finish(body)


def _changed(settings: NodeFile, wanted: "PeopleChange") -> int:
    from holdfast.cli.people import change

    change(settings, wanted)
    done = {"add": "may log in now", "remove": "may log in no more", "revoke": "is revoked", "end": "is over"}
    typer.echo(f"{wanted.name}: {done.get(wanted.do, f'has another {wanted.do}')}")
    return 0


def _role(text: str) -> "Role":
    from holdfast.cli.node_api import Misused
    from holdfast.identity.people.roles import Role

    if text not in list(Role):
        raise Misused(f"{text!r} is no role", f"one of {', '.join(Role)}")
    return Role(text)


def _ask() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")

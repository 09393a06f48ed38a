"""The commands over profiles, as typed: `holdfast profile check|test|infer`.

Exit codes: 0 all is well, 1 a message is refused, 2 wrong usage, 78 a profile file is wrong.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from holdfast.cli.core import Json, finish
from holdfast.kernel.documents import SettingsInvalid

profile = typer.Typer(help="Profiles: what devices' payloads mean.", no_args_is_help=True)
EXIT_CONFIG = 78  # sysexits.h
Names = Annotated[list[str], typer.Argument(help="Profile files, or builtin:NAME.", metavar="PROFILE…")]
Name = Annotated[str, typer.Argument(help="A profile file, or builtin:NAME.", metavar="PROFILE")]
File = Annotated[Path | None, typer.Argument(help="The payload's file; - or none for standard input.")]
Topic = Annotated[str, typer.Option(help="The topic on which the message came.")]
Capture = Annotated[
    bool, typer.Option("--capture", help='One line a message: {"topic": …, "payload": …}, or `topic payload`.')
]


@profile.command()
def check(files: Names) -> None:
    """Check profile files: shape, units, topics; every problem with its line. Exit 78: there are some."""

    def body() -> int:
        from holdfast.cli.profile import check_files

        return check_files(files)

    _finish(body)


@profile.command("test")
def try_(
    name: Name,
    file: File = None,
    topic: Topic = "",
    hexed: Annotated[str, typer.Option("--hex", help="The payload in hex.")] = "",
    capture: Capture = False,
    json: Json = False,
) -> None:
    """Print the readings that a payload becomes, or why it's refused. Exit 1: it is refused."""

    def body() -> int:
        from holdfast.cli.profile import default_topic, messages_of, profiles_of, tell_messages
        from holdfast.kernel.clock import SystemClock

        profiles = profiles_of([name])
        on = topic or ("" if capture else default_topic(profiles))
        return tell_messages(profiles, messages_of(file, hexed, on, capture=capture), SystemClock(), json=json)

    _finish(body)


@profile.command("infer")
def infer_(
    file: File = None,
    topic: Topic = "",
    name: Annotated[str, typer.Option(help="What to call the profile.")] = "proposed",
    out: Annotated[Path | None, typer.Option(help="Write it there.")] = None,
) -> None:
    """Propose a profile from a sample, one message a line. Exit 1: it doesn't read the whole sample."""

    def body() -> int:
        from holdfast.cli.profile import messages_of, propose
        from holdfast.kernel.clock import SystemClock

        return propose(messages_of(file, "", topic, capture=True), name, out, SystemClock())

    _finish(body)


def _finish(body: Callable[[], int]) -> NoReturn:
    def checked() -> int:
        try:
            return body()
        except SettingsInvalid as invalid:
            typer.echo(str(invalid), err=True)
            return EXIT_CONFIG

    finish(checked)

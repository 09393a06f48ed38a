"""The commands over models, as typed: `holdfast model list|show|check|add|remove|predict`.

Exit codes: 0 all is well, 1 a model is refused, 2 wrong usage, or there is no such model, 78 a card is wrong.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from holdfast.cli import model_life, model_tools
from holdfast.cli.core import Json, finish
from holdfast.kernel.documents import SettingsInvalid

model = typer.Typer(help="Models: what is here, is it fit to run, what does it say.", no_args_is_help=True)
EXIT_CONFIG = 78  # sysexits.h
Node = Annotated[str, typer.Option("--node", help="NODE.YAML. Else HOLDFAST_NODE, or the one in this folder.")]
Data = Annotated[Path | None, typer.Option("--data", help="A node's data folder, without its settings.")]
Ref = Annotated[str, typer.Argument(help="NAME, NAME@VERSION, builtin:NAME or sha256:HEX.", metavar="MODEL")]
RefOrPath = Annotated[
    str, typer.Argument(help="A model's folder, card or file; or one that is here, as in `list`.", metavar="MODEL|PATH")
]


@model.command("list")
def list_(node: Node = "", data: Data = None, json: Json = False) -> None:
    """The node's models, and those that ship with Holdfast."""

    def body() -> int:
        from holdfast.cli.models import show_list, store_of

        return show_list(store_of(node, data, needed=False), json=json)

    _finish(body)


@model.command()
def show(name: Ref, node: Node = "", data: Data = None, json: Json = False) -> None:
    """A model's card: what it takes and says, how good it was, what it was trained on."""

    def body() -> int:
        from holdfast.cli.models import show_card, store_of

        return show_card(store_of(node, data, needed=False), name, json=json)

    _finish(body)


@model.command()
def check(name: RefOrPath, node: Node = "", data: Data = None, json: Json = False) -> None:
    """Try a model in a process of its own: digest, runtime, shapes, answers. Exit 1: it is refused; 78: its card is."""

    def body() -> int:
        from holdfast.cli.models import check_model, folder_of, store_of

        return check_model(folder_of(store_of(node, data, needed=False), name), json=json)

    _finish(body)


@model.command()
def add(
    source: Annotated[Path, typer.Argument(help="Its folder, or the card or file in it.", metavar="PATH")],
    node: Node = "",
    data: Data = None,
) -> None:
    """Take a model into a node's store, once it has passed `check`. Exit 1: it is refused; 78: its card."""

    def body() -> int:
        from holdfast.cli.models import add_model, store_of

        return add_model(store_of(node, data, needed=True), source)

    _finish(body)


@model.command()
def remove(
    name: Ref,
    node: Node = "",
    data: Data = None,
    force: Annotated[bool, typer.Option("--force", help="Although it's at work, until the node ends.")] = False,
) -> None:
    """Remove a version of a model from a node's store; refused while it's at work."""

    def body() -> int:
        from holdfast.cli.models import remove_model, store_of

        return remove_model(store_of(node, data, needed=True), name, force=force)

    _finish(body)


@model.command()
def predict(
    name: RefOrPath,
    file: Annotated[Path, typer.Argument(help="A CSV with a column for each feature; - is standard input.")],
    node: Node = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Score the rows of a CSV: label, score, confidence. Rows with a missing or infinite number get none."""

    def body() -> int:
        from holdfast.cli.models import folder_of, predict_file, store_of, trials_of

        store = store_of(node, data, needed=False)
        return predict_file(folder_of(store, name), file, trials_of(store, name), json=json)

    _finish(body)


def _finish(body: Callable[[], int]) -> NoReturn:
    def checked() -> int:
        from holdfast.inference.errors import ModelRefused, ModelTooLarge

        try:
            return body()
        except SettingsInvalid as invalid:
            typer.echo(str(invalid), err=True)
            return EXIT_CONFIG
        except (ModelRefused, ModelTooLarge) as refused:
            typer.echo(str(refused) + (f"\n{refused.hint}" if refused.hint else ""), err=True)
            return 1

    finish(checked)


model_tools.register(model)
model_life.register(model)

"""The commands over a node's rules, as typed: `holdfast rules list|reload|enable|disable`.

Exit codes: 0 all is well, 1 something was found (see each command), 2 wrong usage, or nothing to be asked.
"""

from typing import Annotated

import typer

from holdfast.cli.core import Json, NodeFile, finish
from holdfast.cli.rule_tools import rules

__all__ = ["rules"]


@rules.command("list")
def list_(settings: NodeFile, json: Json = False) -> None:
    """Rules of the running node with their open alerts and their cost.

    Exit 1: one of them is throttled, or its files can't be used as they are now.
    """

    def body() -> int:
        from holdfast.cli.node_api import find, settings_of
        from holdfast.cli.rules import show_rules

        return show_rules(find(settings_of(settings)), json=json)

    finish(body)


@rules.command("reload")
def reload(settings: NodeFile, json: Json = False) -> None:
    """Have the running node read its rules' files now; it does so by itself a few seconds after a change.

    Exit 1: they can't be used; the rules at work go on.
    """

    def body() -> int:
        from holdfast.cli.node_api import find, settings_of
        from holdfast.cli.rules import reload_rules

        return reload_rules(find(settings_of(settings)), json=json)

    finish(body)


RuleName = Annotated[str, typer.Argument(help="As `holdfast rules list` shows it.", metavar="RULE")]
By = Annotated[str, typer.Option(help="Who does it; else the one logged in here.")]


@rules.command("enable")
def enable(settings: NodeFile, rule: RuleName, by: By = "", json: Json = False) -> None:
    """Put a rule that was switched off to work again, whoever's file it stands in."""

    def body() -> int:
        from holdfast.cli.node_api import find, settings_of
        from holdfast.cli.rules import switch_rule

        return switch_rule(find(settings_of(settings)), rule, by, on=True, json=json)

    finish(body)


@rules.command("disable")
def disable(settings: NodeFile, rule: RuleName, by: By = "", json: Json = False) -> None:
    """Switch a rule off until it's enabled, also over restarts; those that read from it stand still with it."""

    def body() -> int:
        from holdfast.cli.node_api import find, settings_of
        from holdfast.cli.rules import switch_rule

        return switch_rule(find(settings_of(settings)), rule, by, on=False, json=json)

    finish(body)

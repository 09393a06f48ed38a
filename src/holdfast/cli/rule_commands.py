"""The commands over a node's rules, as typed: `holdfast rules list|reload`.

Exit codes: 0 all is well, 1 something was found (see each command), 2 wrong usage, or nothing to be asked.
"""

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

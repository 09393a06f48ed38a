"""Which node a question is for: named, given by its address, or the one that is at hand."""

import os
from collections.abc import Sequence
from pathlib import Path

from holdfast.cli.node_api import Api, File, Misused, api_at, find, settings_of

VARIABLE = "HOLDFAST_NODE"
AT_HAND = ("node.yaml", "gateway.yaml", "hub.yaml")
_HELP = f"name NODE.YAML or its URL first, with --node or in {VARIABLE}; or go where one of {', '.join(AT_HAND)} is"


def split(words: Sequence[str], node: str) -> tuple[str, list[str]]:
    """(node, the rest): the first word is the node when it looks like one and none was given.

    Raises:
        Misused: when no node is named and none is at hand.
    """
    if node:
        return node, list(words)
    if words and ("://" in words[0] or words[0].endswith((".yaml", ".yml"))):
        return words[0], list(words[1:])
    return at_hand(), list(words)


def at_hand() -> str:
    """The node of the environment, or of this folder.

    Raises:
        Misused: when there is none, or more than one.
    """
    if os.environ.get(VARIABLE):
        return os.environ[VARIABLE]
    here = [name for name in AT_HAND if Path(name).is_file()]
    if len(here) != 1:
        what = f"there are {' and '.join(here)} here" if here else "no node was named"
        raise Misused(f"{what}: which one is meant?", _HELP)
    return here[0]


def open_node(node: str, token_file: Path | None = None, ca: Path | None = None) -> Api | File:
    """The node when it answers, else its files; of a URL always the node.

    Raises:
        SettingsInvalid, Misused, Unanswered, AddressInvalid: when there is nothing to be asked.
    """
    return api_at(node, token_file, ca) if "://" in node else find(settings_of(Path(node)))

"""The secrets of a node: what is in the files and variables that its settings name, and in its environment."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.journal.journal import FILE_NAME
from holdfast.reporting.redacting import is_secret_name

if TYPE_CHECKING:
    from holdfast.node.settings import NodePlan

MOST_BYTES = 64 << 10
SHORTEST_OF_ENVIRONMENT = 8
"""Characters: a shorter one, as in GIT_TOKEN=yes, is hardly a secret and would take words with it."""
_FILES = {"token_file", "password_file", "key_file", "file", "key", "token", "residency_key", "users_file"}
"""Members that name a file with a secret."""


def secrets_of(plan: "NodePlan") -> Iterator[str]:
    """Every secret that can be read now; what can't be read isn't in the bundle either."""
    for kind, text in _named(msgspec.to_builtins(plan.settings), ""):
        if kind == "env":
            yield os.environ.get(text, "")
        else:
            yield from _in_file(plan.path(text))
    for pattern in ("*.key", "*.token", "children/*.token"):
        for path in sorted(plan.data.glob(pattern)) if plan.data.is_dir() else ():
            yield from _in_file(path)
    for name, value in {**_environment_of(plan), **os.environ}.items():
        if is_secret_name(name) and len(value) >= SHORTEST_OF_ENVIRONMENT:
            yield value


def _environment_of(plan: "NodePlan") -> dict[str, str]:
    """Of the running node's process, where this one may look at it; its number is in the journal's lock."""
    try:
        number = int((plan.data / f"{FILE_NAME}.lock").read_text())
        found = Path(f"/proc/{number}/environ").read_bytes().decode(errors="replace")
    except (OSError, ValueError):
        return {}
    return dict(one.split("=", 1) for one in found.split("\0") if "=" in one)


def _named(tree: Any, parent: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, list | tuple):
        for one in tree:
            yield from _named(one, parent)
    if not isinstance(tree, dict):
        return
    for key, value in tree.items():
        if isinstance(value, dict | list | tuple):
            yield from _named(value, str(key))
        elif isinstance(value, str) and value and (key == "env" or key in _FILES or parent == "tokens"):
            yield ("env" if key == "env" else "file"), value


def _in_file(path: Path) -> Iterator[str]:
    """The file as text, each of its lines, and as hex where it is no text."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return
        data = path.read_bytes()
    except OSError:
        return
    try:
        text = data.decode()
    except UnicodeDecodeError:
        yield data.hex()
        return
    if "-----BEGIN" in text:  # PEM: its lines are long enough to be known by
        yield from (line for line in text.splitlines() if len(line) >= 32 and not line.startswith("-----"))
        return
    yield text
    for line in text.splitlines():
        yield line
        yield line.partition(":")[2]  # name: hash

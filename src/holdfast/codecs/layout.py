"""Payload paths become a tree of generated msgspec structs: one C-level decode gives typed attributes.

A path is member names joined by dots, as in `air.temperature.value`; a dot inside a name is written `\\.`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import NODEFAULT, Meta, Struct

Path = tuple[str, ...]

_STEP = re.compile(r"(?:[^.\\]|\\.)+")
EXACT = 2**53
"""Whole numbers up to here survive in a float64 column and in every JSON implementation (RFC 8259 §6)."""

NAN = float("nan")
NUMBER: Any = float
WHOLE: Any = Annotated[int, Meta(ge=-EXACT, le=EXACT)]
YES_NO: Any = bool | Annotated[int, Meta(ge=0, le=1)]
TEXT: Any = Annotated[str, Meta(max_length=1024)]
TYPES: dict[str, Any] = {"float": NUMBER, "int": WHOLE, "bool": YES_NO, "text": TEXT}


class PathInvalid(ValueError):
    """Not a path, or two uses of one path that don't go together."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value to pick out of a payload; without a default it must be there."""

    path: Path
    type: Any
    default: Any = NODEFAULT


@dataclass(frozen=True, slots=True)
class Layout:
    """The generated type, and for each path the dotted attribute under which `operator.attrgetter` finds it."""

    type: type[Struct]
    attributes: dict[Path, str]


def split_path(text: str) -> Path:
    """The member names of a written path.

    Raises:
        PathInvalid: when a step is empty.
    """
    steps = tuple(re.sub(r"\\(.)", r"\1", step) for step in _STEP.findall(text))
    if not steps or ".".join(_STEP.findall(text)) != text:
        msg = f"`{text}` is no path: write member names joined by dots, such as air.temperature.value"
        raise PathInvalid(msg)
    return steps


def one_of(words: Sequence[str]) -> Any:
    """The type of a text that must be one of `words`."""
    return Literal[tuple(words)]


def build(leaves: Sequence[Leaf]) -> Layout:
    """Generate the struct types for `leaves`.

    Raises:
        PathInvalid: when one path is used twice, or is both a value and a member's parent.
    """
    tree: dict[str, Any] = {}
    for leaf in leaves:
        node = tree
        for step in leaf.path[:-1]:
            node = node.setdefault(step, {})
            if isinstance(node, Leaf):
                raise PathInvalid(_clash(leaf.path))
        if leaf.path[-1] in node:
            raise PathInvalid(_clash(leaf.path))
        node[leaf.path[-1]] = leaf
    attributes: dict[Path, str] = {}
    return Layout(_generate(tree, (), "", attributes), attributes)


def _generate(tree: dict[str, Any], path: Path, prefix: str, attributes: dict[Path, str]) -> type[Struct]:
    required: list[tuple[str, Any]] = []
    optional: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for i, (step, node) in enumerate(tree.items()):
        attribute = f"f{i}"
        rename[attribute] = step
        kind: Any
        if isinstance(node, Leaf):
            attributes[node.path] = prefix + attribute
            kind, default = node.type, node.default
        else:
            kind = _generate(node, (*path, step), f"{prefix}{attribute}.", attributes)
            default = _empty(kind)
        if default is NODEFAULT:
            required.append((attribute, kind))
        else:
            optional.append((attribute, kind | None, default))
    # frozen, so that an instance may be a default; outside the collector, for these hold no cycles
    return msgspec.defstruct("Payload", [*required, *optional], rename=rename, frozen=True, gc=False)


def _empty(kind: type[Struct]) -> Any:
    """What stands for an absent object: one whose members are all absent, if all may be."""
    return NODEFAULT if any(f.required for f in msgspec.structs.fields(kind)) else kind()


def _clash(path: Path) -> str:
    return f"`{'.'.join(path)}` is used twice in this profile, or is used both as a value and as a parent"

"""`from: readings where …`: which devices a rule is about, decided once per device and not per reading."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sqlglot import exp

from holdfast.stream.language import parsing
from holdfast.stream.language.naming import names_in
from holdfast.stream.plans import READINGS

ALLOWED = "`device` and `node` (and by series `metric`) with =, <>, like, in (…), and, or, not"
PLACES = frozenset({"device", "node", "metric"})


class Matches(Protocol):
    """Which devices, or series, a rule is about."""

    def __call__(self, node: str, device: str, metric: str = "", /) -> bool:
        """Whether it's about this one. metric: of rules by series."""
        ...


def everything(_node: str, _device: str, _metric: str = "", /) -> bool:
    """Every device."""
    return True


@dataclass(frozen=True, slots=True)
class SourceText:
    """`from:` as read. where: which devices, equal for equal text; of_metrics: it chooses metrics, too."""

    name: str = READINGS
    matches: Matches = everything
    where: str = ""
    of_metrics: bool = False


def parse_source(text: str, faults: list[str]) -> SourceText:
    """Where messages come from and of which devices; when `text` says something else, `faults` tells why."""
    tree = parsing.source(text, faults)
    return SourceText() if tree is None else read_source(tree, faults)


def read_source(tree: Any, faults: list[str]) -> SourceText:
    """As `parse_source`, of a statement's tree."""
    extra = [k.rstrip("_") for k, v in tree.args.items() if v and k not in {"expressions", "from_", "from", "where"}]
    name = source_name(tree)
    if extra or name is None:
        faults.append(f"expected `readings`, `readings where …` or another rule's name in their place, with {ALLOWED}")
        return SourceText()
    where = tree.args.get("where")
    if where is None:
        return SourceText(name)
    of_metrics = any(name == "metric" for _, name in names_in(where.this))
    return SourceText(name, predicate(where.this, faults), parsing.canonical(where.this), of_metrics)


def source_name(tree: Any) -> str | None:
    """What a statement reads from, None when that isn't one plain name; `a-b` needs no quotes."""
    table = (tree.args.get("from_") or tree.args.get("from") or exp.Null()).this
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        return None
    if any(v for k, v in table.args.items() if k != "this"):
        return None
    return str(table.this.name)


def both(one: Matches, other: Matches) -> Matches:
    """What both mean."""
    return lambda n, d, m="": one(n, d, m) and other(n, d, m)


def is_of_devices(node: Any) -> bool:
    """Whether an expression speaks of `device` and `node` only."""
    names = {name for _, name in names_in(node)}
    return bool(names) and names <= PLACES


def predicate(node: Any, faults: list[str]) -> Matches:
    """The devices that a condition on `device` and `node` means."""
    if isinstance(node, exp.Paren):
        return predicate(node.this, faults)
    if isinstance(node, exp.Not):
        inner = predicate(node.this, faults)
        return lambda n, d, m="": not inner(n, d, m)
    if isinstance(node, exp.And | exp.Or):
        left, right = predicate(node.left, faults), predicate(node.right, faults)
        if isinstance(node, exp.And):
            return lambda n, d, m="": left(n, d, m) and right(n, d, m)
        return lambda n, d, m="": left(n, d, m) or right(n, d, m)
    return _leaf(node, faults)


def _leaf(node: Any, faults: list[str]) -> Matches:
    name = parsing.dotted(node.this) if isinstance(node, exp.EQ | exp.NEQ | exp.Like | exp.In) else None
    if name not in PLACES:
        faults.append(f"`{parsing.shown(node)}` can't choose devices; allowed: {ALLOWED}")
        return everything
    literals = node.expressions if isinstance(node, exp.In) else [node.expression]
    if not literals or not all(isinstance(v, exp.Literal) and v.is_string for v in literals):
        faults.append(f"in `{parsing.shown(node)}` {name} must be compared with text in single quotes")
        return everything
    test = _text_test(node, [str(v.this) for v in literals])
    if name == "device":
        return lambda _node, device, _metric="": test(device)
    if name == "metric":
        return lambda _node, _device, metric="": test(metric)
    return lambda node, _device, _metric="": test(node)


def _text_test(node: Any, values: list[str]) -> Callable[[str], bool]:
    if isinstance(node, exp.Like):
        steps = {"%": ".*", "_": "."}
        pattern = re.compile("".join(steps.get(c, re.escape(c)) for c in values[0]), re.DOTALL)
        wanted = not node.args.get("negate")  # newer sqlglot marks `not like` on the node itself
        return lambda text: (pattern.fullmatch(text) is not None) == wanted
    if isinstance(node, exp.NEQ):
        return lambda text: text != values[0]
    chosen = frozenset(values)
    return lambda text: text in chosen

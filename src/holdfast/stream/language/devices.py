"""`from: readings where …`: which devices a rule is about, decided once per device and not per reading."""

import re
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from holdfast.stream.language import parsing

Matches = Callable[[str, str], bool]
"""(node, device) to whether the rule is about it."""

ALLOWED = "`device` and `node` with =, <>, like, in (…), and, or, not"


def everything(_node: str, _device: str) -> bool:
    """Every device."""
    return True


def parse_source(text: str, faults: list[str]) -> Matches:
    """The devices meant by `text`; when it says something else, `faults` tells why."""
    tree = parsing.source(text, faults)
    if tree is None:
        return everything
    extra = [k.rstrip("_") for k, v in tree.args.items() if v and k not in {"expressions", "from_", "from", "where"}]
    table = tree.find(exp.Table)
    if extra or table is None or table.sql() != "readings":
        faults.append(f"expected `readings` or `readings where …` with {ALLOWED}")
        return everything
    where = tree.args.get("where")
    return everything if where is None else _predicate(where.this, faults)


def _predicate(node: Any, faults: list[str]) -> Matches:
    if isinstance(node, exp.Paren):
        return _predicate(node.this, faults)
    if isinstance(node, exp.Not):
        inner = _predicate(node.this, faults)
        return lambda n, d: not inner(n, d)
    if isinstance(node, exp.And | exp.Or):
        left, right = _predicate(node.left, faults), _predicate(node.right, faults)
        if isinstance(node, exp.And):
            return lambda n, d: left(n, d) and right(n, d)
        return lambda n, d: left(n, d) or right(n, d)
    return _leaf(node, faults)


def _leaf(node: Any, faults: list[str]) -> Matches:
    name = parsing.dotted(node.this) if isinstance(node, exp.EQ | exp.NEQ | exp.Like | exp.In) else None
    if name not in {"device", "node"}:
        faults.append(f"`{node.sql()}` can't choose devices; allowed: {ALLOWED}")
        return everything
    literals = node.expressions if isinstance(node, exp.In) else [node.expression]
    if not literals or not all(isinstance(v, exp.Literal) and v.is_string for v in literals):
        faults.append(f"in `{node.sql()}` {name} must be compared with text in single quotes")
        return everything
    test = _text_test(node, [str(v.this) for v in literals])
    if name == "device":
        return lambda _node, device: test(device)
    return lambda node, _device: test(node)


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

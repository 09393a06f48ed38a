"""Units in rules: `t > 80 'degF'`, `sum(energy 'kWh')`, `… as t 'Cel'`.

What unit a metric comes in isn't known when rules are read: profiles say it, and devices. So a rule says in which unit
it *wants* a metric, and the route converts each series to it (`Input.unit`). A metric is wanted in the unit that stands
behind its name, else in that behind the name of the column that it becomes, else in that of the first number it's
compared with. Numbers in other units of the same quantity are converted when the rule is read.
Of a difference (`delta(t) > 5 'K'`, `stddev`, `range`) only the scale is converted, never the zero.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sqlglot import exp

from holdfast.model.errors import UnitError
from holdfast.model.units import Unit, conversion, payload_unit
from holdfast.stream.language import parsing
from holdfast.stream.language.expressions import constant
from holdfast.stream.language.naming import FACTS, TIME, Level, Tree
from holdfast.stream.language.parsing import call, shown, text_of
from holdfast.stream.language.tokens import IN_UNIT

_POINTS = frozenset(
    [
        "avg",
        "min",
        "max",
        "first",
        "last",
        "median",
        "percentile",
        "approx_percentile",
        "time_avg",
        "mode",
        "top",
        "lag",
        "deadband",
        "swinging_door",
        "abs",
        "round",
        "floor",
        "ceil",
        "ceiling",
        "trunc",
        "coalesce",
        "nullif",
        "greatest",
        "least",
        "expected",
    ]
)
_DIFFERENCES = frozenset({"stddev", "range", "delta", "increase", "sum", "rms"})
_SAME = frozenset({"coalesce", "nullif", "greatest", "least"})
_BANDS = frozenset({"deadband", "swinging_door", "swinging_door_time"})
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)

Key = tuple[str, str]
"""("metric", name), ("other", device/metric) or ("column", name): what has a unit."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """Whose unit an expression is in. is_difference: of two of them, so that zero is zero in every unit."""

    key: Key
    is_difference: bool = False


@dataclass(slots=True)
class Quantities:
    """The units wanted. fixed: keys whose unit others said, which can't be chosen here."""

    units: dict[Key, Unit] = field(default_factory=dict)
    fixed: frozenset[Key] = frozenset()
    columns: dict[str, Carrier] = field(default_factory=dict)

    def of(self, kind: str, name: str) -> str:
        """The unit's name, "" where there is none."""
        unit = self.units.get((kind, name))
        return "" if unit is None else unit.name

    def of_column(self, name: str) -> str:
        """The unit of a selected column, "" where it isn't known."""
        carrier = self.columns.get(name, Carrier(("column", name)))
        unit = self.units.get(carrier.key)
        return "" if unit is None else unit.name


def settle(
    trees: Sequence[Tree], declared: Mapping[str, str], quantities: Quantities, faults: Mapping[str, list[str]]
) -> None:
    """Choose all units, and turn numbers with units into plain ones, in the trees themselves.

    declared: units behind the names of selected columns; faults: by the key that an expression stands under
    """
    for tree in trees:
        _take_signs(tree)
        _take_declared(tree, quantities, faults[tree.place])
    for tree in trees:
        if tree.name:
            _name(tree, declared.get(tree.name), quantities, faults[tree.place])
    for tree in trees:
        for node in list(tree.node.walk()):
            for group, is_difference in _groups(node):
                _convert(group, tree, quantities, faults[tree.place], is_difference=is_difference)
        _refuse_rest(tree, faults[tree.place])


def _name(tree: Tree, declared: str | None, quantities: Quantities, faults: list[str]) -> None:
    carrier = _carrier(tree.node, tree.level, quantities) or Carrier(("column", tree.name))
    quantities.columns[tree.name] = carrier
    if declared is not None:
        _choose(carrier.key, declared, quantities, faults, tree.node)


def _refuse_rest(tree: Tree, faults: list[str]) -> None:
    for node in list(tree.node.find_all(exp.Anonymous)):
        if _is_literal(node):
            faults.append(
                f"`{_said(node)}`: whose unit that is isn't known here; compare it with a metric, an aggregate of "
                "one, or a column that has a unit, as in `… as t 'kWh'`"
            )
            node.replace(exp.Null())


def _take_declared(tree: Tree, quantities: Quantities, faults: list[str]) -> None:
    for node in list(tree.node.find_all(exp.Anonymous)):
        found = call(node)
        if found is None or found[0] != IN_UNIT or _is_literal(node):
            continue
        inner, unit = found[1]
        name = parsing.dotted(inner)
        if name is None or tree.level != "message":
            faults.append(f"`{_said(node)}`: a unit stands behind a number, a metric, or the name after `as`")
        else:
            _choose(("metric", name), str(unit.this), quantities, faults, inner)
        node.replace(inner.copy())


def _choose(key: Key, spelling: str, quantities: Quantities, faults: list[str], node: Any) -> None:
    known = quantities.units.get(key)
    try:
        unit = payload_unit(spelling, known)
    except UnitError as error:
        faults.append(str(error))
        return
    if known is not None and unit != known:
        faults.append(f"`{shown(node)}` is wanted in `{spelling}` here and in `{known.name}` there; choose one")
    quantities.units.setdefault(key, unit)


def _groups(node: Any) -> Iterator[tuple[list[Any], bool]]:
    """Expressions that are in one unit; whether numbers among them are differences."""
    if isinstance(node, _COMPARISONS):
        yield [node.left, node.right], False
    elif isinstance(node, exp.Between):
        yield [node.this, node.args["low"], node.args["high"]], False
    elif isinstance(node, exp.In):
        yield [node.this, *node.expressions], False
    elif isinstance(node, exp.Add | exp.Sub):
        yield [node.left, node.right], True
    else:
        found = call(node)
        if found is not None and found[0] in _SAME | _BANDS:
            yield found[1], found[0] in _BANDS


def _convert(group: list[Any], tree: Tree, quantities: Quantities, faults: list[str], *, is_difference: bool) -> None:
    literals = [one for part in group for one in [_literal_in(part)] if one is not None]
    if not literals:
        return
    carriers = (_carrier(part, tree.level, quantities) for part in group if _literal_in(part) is None)
    carrier = next((c for c in carriers if c is not None), None)
    if carrier is None:
        return
    for node in literals:
        number, unit = call(node)[1]  # type: ignore[index]  # `_literal_in` found it to be a call
        plain = constant(number)
        if plain is None:
            continue
        value = _in_unit_of(carrier, plain, str(unit.this), quantities, faults, is_difference)
        node.replace(
            exp.Literal.number(repr(value))
            if value >= 0
            else exp.Paren(this=exp.Neg(this=exp.Literal.number(repr(-value))))
        )


def _in_unit_of(
    carrier: Carrier,
    value: float,
    spelling: str,
    quantities: Quantities,
    faults: list[str],
    is_difference: bool,  # noqa: FBT001 - of the number
) -> float:
    wanted = quantities.units.get(carrier.key)
    if wanted is None and carrier.key in quantities.fixed:
        faults.append(f"`{carrier.key[1]}` has no unit; give it one in its own rule, as in `… as t '{spelling}'`")
        return value
    try:
        unit = payload_unit(spelling, wanted)
        wanted = quantities.units.setdefault(carrier.key, unit)
        factor, offset = conversion(unit, wanted)
    except UnitError as error:
        faults.append(str(error))
        return value
    exact = factor * Fraction(repr(value))
    return float(exact if is_difference or carrier.is_difference else exact + offset)


def _carrier(  # noqa: C901, PLR0911  # one case per kind of node
    node: Any, level: Level, quantities: Quantities
) -> Carrier | None:
    node = node.unnest()
    name = parsing.dotted(node)
    if name is not None:
        if level == "column":
            return quantities.columns.get(name)
        return None if name in FACTS or name == TIME else Carrier(("metric", name))
    if isinstance(node, exp.Neg):
        return _carrier(node.this, level, quantities)
    if isinstance(node, exp.Add | exp.Sub):
        left, right = _carrier(node.left, level, quantities), _carrier(node.right, level, quantities)
        if left is not None and right is not None and left.key == right.key:
            return Carrier(left.key, True) if isinstance(node, exp.Sub) else None
        return left or right if left is None or right is None else None
    found = call(node)
    if found is None or not found[1]:
        return None
    name, arguments = found
    if name == "latest" and len(arguments) == 2:
        return Carrier(("other", "/".join(text_of(one) or "" for one in arguments)))
    if name in _POINTS | _DIFFERENCES:
        inner = _carrier(arguments[0], level, quantities)
        return None if inner is None else Carrier(inner.key, inner.is_difference or name in _DIFFERENCES)
    return None


def _literal_in(node: Any) -> Any:
    node = node.unnest()
    return node if _is_literal(node) else None


def _take_signs(tree: Tree) -> None:
    """Make `-5 'degC'` one number with its sign."""
    for node in list(tree.node.find_all(exp.Neg)):
        inner = node.this.unnest()
        if _is_literal(inner):
            number, unit = call(inner)[1]  # type: ignore[index]  # a literal is a call
            sign = "" if number.this.startswith("-") else "-"
            signed = exp.Literal(this=sign + number.this.removeprefix("-"), is_string=False)
            node.replace(exp.Anonymous(this=inner.this, expressions=[signed, unit.copy()]))


def _is_literal(node: Any) -> bool:
    found = call(node)
    if found is None or found[0] != IN_UNIT or len(found[1]) != 2:
        return False
    number, unit = found[1]
    return isinstance(number, exp.Literal) and not number.is_string and text_of(unit) is not None


def _said(node: Any) -> str:
    arguments = call(node)[1]  # type: ignore[index]  # callers know it to be one
    return " ".join(parsing.shown(one) for one in arguments)

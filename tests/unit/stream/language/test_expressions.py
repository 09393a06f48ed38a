import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.stream.language import parsing
from holdfast.stream.language.naming import Kinds, Tree, learn_kinds
from holdfast.stream.language.plans import compile_condition, compile_select
from holdfast.stream.language.quantities import Quantities
from holdfast.stream.language.staging import Source, Stage
from holdfast.stream.plans import WindowSpec

NAN = math.nan


def holds(condition: str, **columns: float) -> tuple[bool, bool]:
    """Whether the condition holds, and whether its opposite does."""
    faults: list[str] = []
    node = parsing.condition(condition, faults)
    made = compile_condition(node, [(name, "number") for name in columns], Path(), faults)
    assert made is not None, faults
    assert not faults
    values = [np.array([v]) for v in columns.values()]
    with np.errstate(all="ignore"):
        return bool(np.all(made[0](values))), bool(np.all(made[1](values)))


def selected(text: str) -> tuple[Stage, list[Any]]:
    faults: list[str] = []
    parts = parsing.columns(text, faults)
    assert parts is not None, faults
    trees = [
        Tree("select", "message", part.unalias(), part.alias or parsing.dotted(part) or "")
        for part in parts
        if parsing.dotted(part) != "device"
    ]
    kinds = Kinds()
    learn_kinds(trees, kinds)
    stage = Stage(Source(), kinds, Quantities(), Path())
    stage.take_names(trees)
    made = compile_select(trees, stage, WindowSpec("each", "none"), faults)
    assert not faults
    return stage, made


def number(expression: str, *inputs: float) -> float:
    _, (made,) = selected(f"{expression} as x")
    with np.errstate(all="ignore"):
        return float(np.asarray(made.compute([np.array([v]) for v in inputs])).item())


@pytest.mark.parametrize(
    ("condition", "a", "b", "expected"),
    [
        ("a > b", 1, 0, True),
        ("a >= b", 1, 1, True),
        ("a < b", 1, 1, False),
        ("a <= b", 1, 1, True),
        ("a = b", 1, 1, True),
        ("a <> b", 1, 1, False),
        ("not a > b", 1, 0, False),
        ("not (a > b and a > 5)", 1, 0, True),
        ("a > 5 or b = 0", 1, 0, True),
        ("a between 0 and 2", 1, 0, True),
        ("a not between 0 and 2", 1, 0, False),
        ("a in (1, 2)", 1, 0, True),
        ("a not in (1, 2)", 3, 0, True),
        ("a is null", 1, 0, False),
        ("a is not null", 1, 0, True),
        ("a = true", 1, 0, True),
        ("true", 1, 0, True),
        ("not false and a = 1", 1, 0, True),
        ("case when a > b then 2 else 3 end = 2", 1, 0, True),
        ("abs(-a) = 1", 1, 0, True),
    ],
)
def test_conditions_are_as_in_sql_and_so_are_their_opposites(
    condition: str, a: float, b: float, *, expected: bool
) -> None:
    assert holds(condition, a=a, b=b) == (expected, not expected)


@pytest.mark.parametrize(
    "condition",
    ["a > 1", "a = 1", "a <> 1", "a between 0 and 2", "a in (1, 2)", "a not in (1, 2)", "not a < 1", "a + 1 > b / 0"],
)
def test_a_condition_on_an_unknown_number_holds_neither_way(condition: str) -> None:
    assert holds(condition, a=NAN, b=1.0) == (False, False)


def test_and_or_decide_where_one_side_is_enough() -> None:
    assert holds("a > 1 and b > 1", a=NAN, b=0.0) == (False, True)
    assert holds("a > 1 or b > 1", a=NAN, b=2.0) == (True, False)
    assert holds("a is null", a=NAN) == (True, False)


LEAF = st.sampled_from(["a > 1", "b <= 1", "a = b", "a is null", "b between 0 and 1", "a not in (0, 2)", "true"])
TREE = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"not ({t})"),
    ),
    max_leaves=6,
)
VALUE = st.sampled_from([0.0, 1.0, 2.0, NAN])


@given(TREE, VALUE, VALUE)
def test_logic_equals_sqlite(condition: str, a: float, b: float) -> None:
    import apsw

    values = [None if math.isnan(v) else v for v in (a, b)]
    rows = apsw.Connection(":memory:").execute(f"SELECT {condition} FROM (SELECT ? AS a, ? AS b)", values)  # noqa: S608
    truth = next(iter(rows))[0]
    assert holds(condition, a=a, b=b) == (truth == 1, truth == 0)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + 2 * 3 - 1", 8.0),
        ("a / 2", 1.5),
        ("a / 0", NAN),
        ("a % 2", 1.0),
        ("-a % 2", -1.0),
        ("coalesce(null, a, 7)", 3.0),
        ("case a when 3 then 10 when 4 then 11 end", 10.0),
        ("case when a > 3 then 10 end", NAN),
        ("case when a < 5 then case when a < 2 then 1 else 2 end else 3 end", 2.0),
        ("if(a > 1, 4, 5)", 4.0),
        ("a + true", 4.0),
    ],
)
def test_numbers_are_as_in_sql(expression: str, expected: float) -> None:
    got = number(expression, 3.0)
    assert got == expected or (math.isnan(got) and math.isnan(expected))


def test_equal_aggregates_are_made_once_and_metric_names_keep_their_dots() -> None:
    stage, made = selected('device, avg(a.b.c.d.e) as x, avg(a.b.c.d.e) * 2 as y, "Odd-name" as z, a.b')
    assert [one.metric for one in stage.inputs] == ["a.b.c.d.e", "Odd-name", "a.b"]
    assert [(call.kind, call.column) for call in stage.calls] == [("avg", 0), ("last", 1), ("last", 2)]
    assert [one.name for one in made] == ["x", "y", "z", "a.b"]

# ruff: noqa: E501, SIM905  # texts of rules, and lists of words
"""Whatever is written, the answer is rules or a list of problems, within a second; and rules that load can run."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.language.loading import load_rules

GOOD = (
    "rules:\n  a: {select: avg(x) as t, window: sliding 3 samples, when: t > 8 'degC', for: 2 samples}\n",
    "rules:\n  b: {select: \"x, lag(x, 2) as l, changed(text(m)) as c\", where: \"m like 'a%' or x is null\", when: l > 2 and c}\n",
    "rules:\n  c:\n    sql: SELECT device, max(x) AS t FROM readings WHERE x > 3 GROUP BY device, TUMBLINGWINDOW(ss, 10) HAVING t > 80\n",
    "rules:\n  d: {select: \"case when x > 3 then 'hot' else upper(m) end as s, x\", when: s = 'HOT' and x between 1 and 2}\n",
    "rules:\n  e: {select: y as z, from: f where device = 'd'}\n  f: {select: abs(x) + y / 2 as y, do: [{store: {q.z: y}}]}\n",
    "rules:\n  g: {select: \"deadband(x, 0.5) as d, elapsed(x) as e, hour(ts, 'Europe/Berlin') as h\", when: e > 2, cooldown: 3s}\n",
)  # fmt: skip
WORDS = st.sampled_from(
    "select from where when x y t m avg( max( lag( lookup( latest( inside( hour( ts ) ( , > < = <> + - * / % ' '' 'a' \" 3 0.5 "
    "and or not in between is null true like as case then else end 'degC' 'W' device node window_start messages "
    "distinct over group by having union ; -- /* */ \\ : :: . .. [ ] { } @ # $1 ? || 1e999 nan 0x1 é \x00 \t".split(" ")
)
EXPRESSION = st.recursive(
    st.sampled_from(["x", "y", "m", "ts", "3", "0", "'a'", "null", "true", "8 'degC'", "device", "avg(x)", "x 'm'"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+ - * / % = <> < >= and or like ||".split()), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("not {}".format),
        inner.map("-{}".format),
        inner.map("{} is null".format),
        st.tuples(st.sampled_from("abs round lag changed delta avg max upper length coalesce text hour fresh elapsed quality".split()), inner).map("{0[0]}({0[1]})".format),
        st.tuples(inner, inner).map("coalesce({0[0]}, {0[1]})".format),
        st.tuples(inner, inner, inner).map("case when {0[0]} then {0[1]} else {0[2]} end".format),
        st.tuples(inner, inner, inner).map("{0[0]} in ({0[1]}, {0[2]})".format),
    ),
    max_leaves=8,
)  # fmt: skip


def runs(folder: Path, text: str) -> bool:
    """Whether these rules load; when they do, they're run over a few messages."""
    path = folder / "fuzz.yaml"
    path.write_bytes(text.encode(errors="replace"))
    start = time.process_time()
    told: list[bool] = []
    try:
        rules = load_rules([path])
    except SettingsInvalid as error:
        rules, told = [], [bool(p.message) and p.line >= 1 for p in error.problems]
    assert time.process_time() - start < 1
    assert all(told)
    if told:
        return False
    if any(rule.stage.window.kind not in ("each", "last") for rule in rules):
        return True
    catalogue = Catalogue()
    engine = Engine(rules, catalogue, "n")
    kinds = {"x": Kind.FLOAT, "y": Kind.FLOAT, "m": Kind.TEXT}
    ids = [catalogue.intern(Series("n", "d", metric, "Cel", kind)) for metric, kind in kinds.items()]
    for ts in (1, 2, 3):
        batch = Batch(
            np.array(ids, np.int32), np.full(3, ts * 10**9), np.array([1.5 * ts, np.nan, 0.0]), np.zeros(3, np.uint8), ("a",)
        )  # fmt: skip
        engine.evaluate(batch)
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("text", GOOD)
def test_the_texts_that_are_mutated_below_are_good(folder: Path, text: str) -> None:
    assert runs(folder, text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(GOOD), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6), WORDS), min_size=1, max_size=4))
def test_a_mutated_rule_loads_or_is_refused(folder: Path, text: str, edits: list[tuple[float, int, str]]) -> None:
    for where, cut, word in edits:
        at = int(where * len(text))
        text = f"{text[:at]}{word}{text[at + cut :]}"
    runs(folder, text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXPRESSION, EXPRESSION, EXPRESSION)
def test_a_rule_of_any_expressions_loads_and_runs_or_is_refused(folder: Path, a: str, b: str, c: str) -> None:
    quoted = [text.replace("'", "''") for text in (a, b, c)]
    runs(folder, "rules:\n  r: {{select: '{} as p, x as q', where: '{}', when: '{}'}}\n".format(*quoted))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(WORDS, max_size=25).map(" ".join),
    st.sampled_from(["select", "where", "when", "from", "window", "sql", "for"]),
)
def test_a_key_of_any_words_loads_or_is_refused(folder: Path, text: str, key: str) -> None:
    keys = {"select": "x", key: text.replace("'", "''")}
    runs(folder, "rules:\n  r: {" + ", ".join(f"{k}: '{v}'" for k, v in keys.items()) + "}\n")


@pytest.mark.parametrize(
    "text",
    ["(" * 1900 + "x" + ")" * 1900, "+".join(["x"] * 1900), "-" * 1500 + "x", "x in (" + ",".join(["1"] * 1900) + ")",
     "case when x then " * 300 + "1" + " end" * 300, "not " * 900 + "x", "x" + "[1]" * 900, "x." * 1900 + "x", "f(" * 900 + ")" * 900],
    ids=["brackets", "sum", "minus", "in", "case", "not", "index", "dots", "calls"],
)  # fmt: skip
def test_a_huge_expression_is_read_or_refused_in_time(folder: Path, text: str) -> None:
    runs(folder, f"rules:\n  r: {{select: x, when: '{text} > 3'}}\n")
    runs(folder, f"rules:\n  r: {{select: '{text} as y'}}\n")

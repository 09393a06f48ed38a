"""Which documents are shared with whom: nothing that isn't listed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.documents.settings import DocumentsSettings, matcher


@pytest.mark.parametrize(
    ("patterns", "name", "is_meant"),
    [
        ([], "a", False),
        (["a"], "a", True),
        (["a"], "ab", False),
        (["*"], "any/thing", True),
        (["a*"], "a", True),
        (["a*a"], "a", False),
        (["a*a"], "aa", True),
        (["site/*/x"], "site/1/x", True),
        (["site/*/x"], "site/x", False),
        (["*b*b*"], "abba", True),
        (["b", "c"], "c", True),
        (["a.c"], "abc", False),
    ],
)
def test_a_star_stands_for_any_text(patterns: list[str], name: str, is_meant: bool) -> None:  # noqa: FBT001
    assert matcher(patterns)(name) is is_meant


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_stars_mean_what_they_mean_in_regular_expressions(pattern: str, name: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert matcher([pattern])(name) is (re.fullmatch(expression, name) is not None)


def test_a_hostile_pattern_takes_no_time() -> None:
    assert not matcher(["*a" * 127] * 256)("a" * 126 + "b")


def test_a_child_is_put_in_by_its_name() -> None:
    may = matcher(["site/{child}/*"], "gw-1")
    assert (may("site/gw-1/x"), may("site/gw-2/x"), may("site/{child}/x")) == (True, False, False)


@pytest.mark.parametrize("wait", [0.0, 601.0])
def test_a_wait_that_the_parent_would_refuse_is_refused(wait: float) -> None:
    with pytest.raises(ValueError, match="wait"):
        DocumentsSettings(wait=wait)

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.mqtt.doubles import text

from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.names import TopicNames, filter_problem, name_problem


@pytest.mark.parametrize("name", ["a", "/", "a//b", "site/press-07/ü", "x" * 256, "/".join("abcdefghijklmnop")])
def test_good_names_are_allowed_as_names_and_filters(name: str) -> None:
    assert name_problem(name) == ""
    assert filter_problem(name) == ""


@pytest.mark.parametrize("name", ["", "a+", "a/#", "+", "$SYS/a", "x" * 257, "/" * 16, "a\x01", "a\x7f", "a\x85"])
def test_bad_names_are_refused(name: str) -> None:
    assert name_problem(name)


@pytest.mark.parametrize("topic_filter", ["#", "+", "+/+/#", "a/+/b", "$SYS/#"])
def test_wildcards_may_be_subscribed_to(topic_filter: str) -> None:
    assert filter_problem(topic_filter) == ""


@pytest.mark.parametrize("topic_filter", ["", "a#", "#/a", "a/#/b", "a+/b", "++", "x" * 257])
def test_bad_filters_are_refused(topic_filter: str) -> None:
    assert filter_problem(topic_filter)


@given(st.lists(st.text(max_size=6), max_size=30))
def test_the_cache_answers_as_the_rules_do_and_stays_bounded(names: list[str]) -> None:
    cache = TopicNames(limit=4)
    for name in names:
        try:
            assert cache.of(text(name)) == name
        except ProtocolFault:
            assert name_problem(name) or "\0" in name
        else:
            assert not name_problem(name)
        assert len(cache._known) <= 4

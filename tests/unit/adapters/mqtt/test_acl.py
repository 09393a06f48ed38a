from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.mqtt.acl import Acl, Rights, covers, filled
from holdfast.adapters.mqtt.door_settings import AclRule, Action
from holdfast.adapters.mqtt.names import filter_problem, name_problem
from holdfast.adapters.mqtt.topics import matches

LEVEL = st.sampled_from(["a", "b", "", "$x", "d1"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join)
FILTER = st.builds(
    lambda levels, rest: "/".join([*levels, *rest]),
    st.lists(st.one_of(LEVEL, st.just("+"), st.sampled_from(["%user", "%device"])), min_size=1, max_size=3),
    st.sampled_from([[], ["#"]]),
) | st.just("#")
RULE = st.builds(
    AclRule,
    allow=st.sampled_from([("publish",), ("subscribe",), ("publish", "subscribe")]),
    topics=st.lists(FILTER, min_size=1, max_size=2).map(tuple),
    user=st.sampled_from(["", "a", "d*", "*"]),
    group=st.sampled_from(["", "g"]),
    client=st.sampled_from(["", "d1", "*1", "b"]),
)
NAMES = ["a", "d1", "+", "#", "a/b", "$x", "%device", "%user"]


def plainly_matches(levels: list[str], topic: list[str]) -> bool:
    """MQTT 5 §4.7 level by level, written apart from the code under test."""
    if not levels:
        return not topic
    if levels == ["#"]:
        return True
    if not topic:
        return False
    return levels[0] in ("+", topic[0]) and plainly_matches(levels[1:], topic[1:])


def fits(pattern: str, name: str | None) -> bool:
    if not pattern:
        return True
    head, star, tail = pattern.partition("*")
    if name is None or not star:
        return name == pattern
    return len(name) >= len(head + tail) and name.startswith(head) and name.endswith(tail)


def is_clean(name: str | None) -> bool:
    return bool(name) and not set(name or "") & set("+#/%$")


def oracle(rules: list[AclRule], action: Action, user: str | None, client: str, groups: list[str], topic: str) -> bool:
    asked = [r for r in rules if action in r.allow and fits(r.user, user) and fits(r.client, client)]
    for text in [text for r in asked if not r.group or r.group in groups for text in r.topics]:
        if ("%user" in text and not is_clean(user)) or ("%device" in text and not is_clean(client)):
            continue
        levels = [{"%user": user, "%device": client}.get(level, level) or "" for level in text.split("/")]
        is_wild = levels[0] in ("+", "#") and topic.startswith("$")
        if not is_wild and plainly_matches(levels, topic.split("/")):
            return True
    return False


CASE = {
    "rules": st.lists(RULE, max_size=4),
    "user": st.sampled_from([None, *NAMES]),
    "client": st.sampled_from(["", "b", *NAMES]),
    "groups": st.sampled_from([[], ["g"]]),
    "topics": st.lists(TOPIC, min_size=1, max_size=30),
    "wanted": FILTER,
}


def check(
    rules: list[AclRule], user: str | None, client: str, groups: list[str], topics: list[str], wanted: str
) -> None:
    rights = Acl(rules).rights(user, client, groups)
    granted = rights.may_subscribe(wanted)
    for topic in topics:
        may_publish = oracle(rules, "publish", user, client, groups, topic)
        assert (rights.may_publish(topic), rights.may_publish(topic)) == (may_publish, may_publish)
        may_hear = oracle(rules, "subscribe", user, client, groups, topic)
        assert rights.may_subscribe(topic) == may_hear
        if granted and matches(wanted, topic):
            assert may_hear


@settings(max_examples=250, deadline=None)
@given(case=st.fixed_dictionaries(CASE))
def test_no_rules_leak_and_what_a_rule_says_is_allowed(case: dict[str, Any]) -> None:
    check(**case)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=20_000, deadline=None)
@given(case=st.fixed_dictionaries(CASE))
def test_no_rules_leak_in_many_more(case: dict[str, Any]) -> None:
    check(**case)


@pytest.mark.parametrize(
    ("allowed", "wanted", "yes"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/+", "a/#", False),
        ("a/+", "a", False),
        ("a/#", "a", True),
        ("a/#", "a/#", True),
        ("a/#", "a/+/c/#", True),
        ("a/#", "+/b", False),
        ("#", "#", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("+", "#", False),
        ("+/#", "a", True),
        ("a/b/#", "a", False),
        ("", "a", False),
    ],
)
def test_a_filter_is_covered_when_all_its_topics_are(allowed: str, wanted: str, *, yes: bool) -> None:
    assert covers(allowed, wanted) is yes


def test_a_shared_subscription_needs_the_right_to_its_filter() -> None:
    rights = Rights((), ("a/#",))
    assert rights.may_subscribe("$share/group/a/+")
    assert not rights.may_subscribe("$share/group/b")
    assert not rights.may_subscribe("$share/group")


@pytest.mark.parametrize("name", ["+", "#", "a/b", "", "$SYS", "%device", "a\0"])
def test_a_name_that_could_stand_for_more_than_itself_fits_no_rule(name: str) -> None:
    assert filled("site/%user/x", name, "d") is None
    assert filled("site/%device/x", "u", name) is None


def test_verdicts_are_remembered_within_bounds() -> None:
    rights = Rights(("a/+",), ())
    assert all(rights.may_publish(f"a/{i}") for i in range(1_000))
    assert len(rights._verdicts) <= 256


@pytest.mark.parametrize("topic", ["a/+/b", "a/#", "$SYS/x", "a\0b", "x" * 257, "/".join("a" * 20), "", "a\x1bb"])
def test_odd_topics_are_no_topics(topic: str) -> None:
    assert name_problem(topic)


def test_dots_are_just_text() -> None:
    assert not filter_problem("site/../press")
    assert Rights(("site/press/#",), ()).may_publish("site/press/../../other")
    assert not Rights(("site/press/#",), ()).may_publish("site/../other")

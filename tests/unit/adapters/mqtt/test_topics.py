from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.mqtt.names import filter_problem
from holdfast.adapters.mqtt.topics import Grant, Routes, TopicTree, matches

levels = st.sampled_from(["a", "b", "", "$x"])
names = st.lists(levels, min_size=1, max_size=4).map("/".join)
filters = (
    st.lists(levels | st.sampled_from(["+", "#"]), min_size=1, max_size=4)
    .map("/".join)
    .filter(lambda f: not filter_problem(f))
)


@given(
    st.lists(st.tuples(filters, st.integers(0, 3)), max_size=12), st.lists(st.tuples(filters, st.integers(0, 3))), names
)
def test_the_tree_matches_as_the_rule_says_also_after_removals(
    added: list[tuple[str, int]], removed: list[tuple[str, int]], name: str
) -> None:
    tree: TopicTree[int] = TopicTree()
    model = set(added)
    for topic_filter, key in added:
        tree.add(topic_filter, key, Grant(0))
    for topic_filter, key in removed:
        assert tree.remove(topic_filter, key) is ((topic_filter, key) in model)
        model.discard((topic_filter, key))
    assert sorted(key for key, _ in tree.match(name)) == sorted(k for f, k in model if matches(f, name))
    for topic_filter, key in model:
        tree.remove(topic_filter, key)
    assert not tree._root.children


def test_wildcards_match_as_the_standard_says() -> None:
    yes = [("#", "a/b"), ("a/#", "a"), ("a/+", "a/"), ("+/+", "/x"), ("+", "a"), ("a/+/c", "a/b/c"), ("$S/#", "$S/a")]
    no = [("+", "a/b"), ("a/+", "a"), ("#", "$S/a"), ("+/a", "$S/a"), ("a", "a/b"), ("a/b", "a"), ("b", "a")]
    assert all(matches(f, n) for f, n in yes)
    assert not any(matches(f, n) for f, n in no)


def test_overlapping_subscriptions_are_one_route_at_the_highest_qos() -> None:
    routes: Routes[str] = Routes(("alerts/#",))
    routes.add("a/#", "c", Grant(0, no_local=True, identifier=3))
    routes.add("a/+", "c", Grant(1, retain_as_published=True, identifier=4))
    (route,) = routes.of("a/b").routes
    assert (route.qos, route.no_local, route.retain_as_published) == (1, False, True)
    assert sorted(route.identifiers) == [3, 4]


def test_a_change_of_subscriptions_shows_at_once() -> None:
    routes: Routes[str] = Routes(())
    assert routes.of("a").routes == ()
    routes.add("a", "c", Grant(0))
    assert len(routes.of("a").routes) == 1
    assert routes.remove("a", "c")
    assert not routes.remove("b/c", "c")
    assert routes.of("a").routes == ()


def test_bus_topics_are_known_and_the_cache_is_bounded() -> None:
    routes: Routes[str] = Routes(("alerts/#",), limit=2)
    assert routes.of("alerts/local").bus
    assert not any(routes.of(f"t/{i}").bus for i in range(9))
    assert len(routes._cache) <= 2

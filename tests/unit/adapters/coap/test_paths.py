import pytest

from holdfast.adapters.coap.paths import Paths


def test_a_path_is_a_topic() -> None:
    assert Paths("", ("#",)).topic(("senml", "press-1")) == ("senml/press-1", "")
    assert Paths("field/north", ("#",)).topic(("senml",)) == ("field/north/senml", "")
    assert Paths("", ("#",)).topic(("senml", "urn:dev:ow:10e2")) == ("senml/urn:dev:ow:10e2", "")


@pytest.mark.parametrize(
    ("segments", "said"),
    [
        ((), "name a topic"),
        (("",), "name a topic"),
        (("senml", ""), "empty"),
        (("a/b",), "has one of"),
        (("a", "+"), "has one of"),
        (("#",), "has one of"),
        (("$SYS", "x"), "begins with $"),
        (("a\0",), "can't be printed"),
        (("x" * 255,) * 5, "more than 1024 bytes"),
    ],
)
def test_a_path_that_is_no_good_topic_is_refused_with_the_reason(segments: tuple[str, ...], said: str) -> None:
    topic, fault = Paths("", ("#",)).topic(segments)
    assert topic == ""
    assert said in fault


def test_only_topics_that_match_are_taken_and_never_those_of_maps() -> None:
    paths = Paths("", ("senml/#", "rooms/+"))
    assert [paths.takes(one) for one in ("senml", "senml/a/b", "rooms/1", "rooms/1/x", "other")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert not Paths("", ("#",)).takes("points/modbus/meter")


def test_the_resources_are_told_in_link_format_without_the_prefix() -> None:
    assert Paths("", ("senml/#", "rooms/+")).core() == (
        '</senml>;if="holdfast.push";ct="0 42 50 60 110 112",</rooms>;if="holdfast.push";ct="0 42 50 60 110 112"'
    )
    assert Paths("field", ("field/senml/#",)).core().startswith("</senml>;")

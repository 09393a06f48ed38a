from pathlib import Path
from typing import Literal

import pytest
from msgspec import Struct

from holdfast.kernel.documents import SettingsInvalid, load, parse
from holdfast.kernel.scalars import Duration, Size, parse_duration, parse_size


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    every: Duration = 1.0
    size: Size = 10
    level: Literal["low", "high"] = "low"


class Outer(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    count: int = 1
    inner: Inner | None = None
    children: bool | Inner = False
    items: list[Inner] = []
    users: dict[str, str] = {}


def problems(text: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        parse(text, Outer, Path("node.yaml"))
    return [str(p) for p in caught.value.problems]


def test_a_good_document_gives_typed_values_with_units_parsed() -> None:
    document = parse("name: a\ninner: {every: 5m, size: 2kB}\nchildren: true\n", Outer, Path("x.yaml"))
    assert document.value.inner == Inner(every=300.0, size=2000)
    assert document.value.children is True


def test_every_problem_is_reported_at_once_with_its_line() -> None:
    found = problems("name: 7\ncuont: 2\ninner:\n  every: soon\n  level: medium\nitems:\n  - size: -1\n")
    assert len(found) == 5
    assert found[0].startswith("node.yaml:1: name: expected text")
    assert "node.yaml:2: cuont: unknown key; did you mean `count`?" in found[1]
    assert "node.yaml:4: inner.every: expected a duration such as" in found[2]
    assert "node.yaml:5: inner.level: expected one of" in found[3]
    assert found[4].startswith("node.yaml:7: items.0.size: expected a whole number at least 0")


class Band(Struct, frozen=True, forbid_unknown_fields=True):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            msg = "`low` is above `high`"
            raise ValueError(msg)


class Bands(Struct, frozen=True, forbid_unknown_fields=True):
    by_name: dict[str, Band] = {}
    in_order: list[Band] = []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("by_name:\n  room:\n    low: 3\n    high: 2\n", "node.yaml:2: by_name.room: `low` is above `high`"),
        ("in_order:\n- {low: 1, high: 2}\n- {low: 3, high: 2}\n", "node.yaml:3: in_order.1: `low` is above `high`"),
    ],
)
def test_what_a_struct_refuses_by_itself_is_told_at_its_place(text: str, said: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        parse(text, Bands, Path("node.yaml"))
    assert [str(p) for p in caught.value.problems] == [said]


def test_where_several_places_fit_the_first_line_says_which_kind_of_place_it_is() -> None:
    text = "by_name:\n  a: {low: 1, high: 2}\n  b: {low: 3, high: 2}\n"
    with pytest.raises(SettingsInvalid, match=r"node.yaml:1: `low` is above `high` - at `\$.by_name\[...\]`"):
        parse(text, Bands, Path("node.yaml"))


def test_an_unknown_key_that_resembles_none_is_told_in_two_sentences() -> None:
    assert "zzz: unknown key. Allowed here: name, count" in problems("name: a\nzzz: 1\n")[0]


def test_a_missing_key_is_named() -> None:
    assert problems("count: 1") == ["node.yaml:1: `name` is missing"]


def test_a_key_that_stands_twice_is_refused() -> None:
    assert "stands twice" in problems("name: a\nname: b\n")[0]


@pytest.mark.parametrize("text", ["2015-00-04", "!!bool perhaps", "!!timestamp soon", "!!int x"])
def test_what_only_looks_like_a_date_or_a_number_is_refused_with_its_line(text: str) -> None:
    said = problems(f"name: a\nusers: {{b: {text}}}")[0]
    assert said.startswith("node.yaml:2: users.b: ")
    assert "put it in quotes" in said


def test_broken_yaml_says_where() -> None:
    assert problems("name: [a\ncount: 1")[0].startswith("node.yaml:2: not YAML")


def test_a_union_of_scalar_and_mapping_explains_both() -> None:
    assert "true or false or a mapping with" in problems("name: a\nchildren: 3")[0]
    assert "unknown key" in problems("name: a\nchildren: {evry: 3s}")[0]


def test_a_boolean_is_not_a_number_and_a_list_is_not_a_mapping() -> None:
    assert "expected a whole number, not True" in problems("name: a\ncount: yes")[0]
    assert "expected a mapping, not a list" in problems("name: a\nusers: [a]")[0]
    assert "expected a list, not 'x'" in problems("name: a\nitems: x")[0]


def test_an_unreadable_file_is_a_settings_problem(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="can't be read"):
        load(tmp_path / "none.yaml", Outer)
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsInvalid, match="UTF-8"):
        load(tmp_path / "bad.yaml", Outer)


@pytest.mark.parametrize(("text", "seconds"), [("250ms", 0.25), ("30s", 30), ("1.5 h", 5400), ("7d", 604800)])
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "5 parsecs", "-3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_sizes_know_decimal_and_binary_units() -> None:
    assert (parse_size("256kB"), parse_size("64MiB")) == (256_000, 64 << 20)
    with pytest.raises(ValueError, match="size"):
        parse_size("12 apples")

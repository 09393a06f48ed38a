"""What a feature set is called, and which work has one hash."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.stream.features.site import one, sets

from holdfast.stream.features.errors import FeatureSetUnknown, FeaturesMismatch
from holdfast.stream.features.hashing import digest, squeezed
from holdfast.stream.features.sets import demand_match, find
from holdfast.stream.features.settings import FeatureText, Fill

ROOM = FeatureText({"t": "air.temperature", "m": "avg( air.co2 )"}, window="sliding  10 samples")


@pytest.mark.parametrize(
    "same",
    [
        FeatureText({"t": "air.temperature", "m": "AVG(air.co2)"}, window="sliding 10 samples"),
        FeatureText({"t": " air.temperature\n", "m": "avg(air.co2)"}, window="Sliding 10 samples"),
        FeatureText(ROOM.select, version=7, source="readings where device = 'x'", window=ROOM.window, every=5.0),
        FeatureText(ROOM.select, window=ROOM.window, description="other words"),
    ],
)
def test_equal_work_has_an_equal_hash_however_it_is_written(same: FeatureText) -> None:
    assert digest(same) == digest(ROOM)


@pytest.mark.parametrize(
    "other",
    [
        FeatureText({"m": "avg(air.co2)", "t": "air.temperature"}, window="sliding 10 samples"),
        FeatureText({"t": "air.temperature", "mean": "avg(air.co2)"}, window="sliding 10 samples"),
        FeatureText({"t": "air.temperature", "m": "sum(air.co2)"}, window="sliding 10 samples"),
        FeatureText(ROOM.select, window="sliding 11 samples"),
        FeatureText(ROOM.select, window=ROOM.window, missing="zero"),
        FeatureText(ROOM.select, window=ROOM.window, missing=Fill(0.0)),
        FeatureText(ROOM.select, window=ROOM.window, quality="uncertain"),
    ],
)
def test_other_work_has_another_hash(other: FeatureText) -> None:
    assert digest(other) != digest(ROOM)


def test_a_hash_stays_what_it_was_when_a_card_was_written() -> None:
    assert digest(ROOM) == "9c64d841e4505a961d969adf04ed783ffe44ab4a8f362d1f82651604d174ba06"


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_texts_in_quotes_keep_their_case_and_spaces(text: str) -> None:
    quoted = text.replace("'", "''")
    assert squeezed(f"Mode  =  '{quoted}'") == f"mode = '{quoted}'"


def test_the_order_of_fills_does_not_count_and_whole_numbers_are_numbers() -> None:
    one_, other = ({"a": 1.0, "b": 2.5}, {"b": 2.5, "a": 1})
    assert digest(FeatureText({"a": "x"}, missing=Fill(one_))) == digest(FeatureText({"a": "x"}, missing=Fill(other)))


def test_a_card_that_names_other_features_is_refused_with_what_to_do(tmp_path: Path) -> None:
    found = one(tmp_path, select="{t: x}")
    demand_match(found.ref, found)
    demand_match(f"f@{found.hash}", found)
    with pytest.raises(FeaturesMismatch, match="trained on features `room`, and these are `f`"):
        demand_match(f"room@{found.hash}", found)
    with pytest.raises(FeaturesMismatch, match=r"has the hash `0000000000000000`.*window, missing or quality") as error:
        demand_match("f@0000000000000000", found)
    assert found.ref in error.value.hint
    for short in ("f", "f@", f"f@{found.hash[:15]}"):
        with pytest.raises(FeaturesMismatch):
            demand_match(short, found)


def test_a_set_is_found_by_name_by_reference_and_without_a_name_where_there_is_one(tmp_path: Path) -> None:
    both = sets(tmp_path, "  room: {select: {t: x}}\n  pump: {select: {p: y}}\n")
    assert find(both, "pump").name == "pump"
    assert find(both, both[0].ref) is both[0]
    assert find(both[:1], "") is both[0]
    with pytest.raises(FeatureSetUnknown, match="no feature set `rom`; did you mean `room`"):
        find(both, "rom")
    with pytest.raises(FeatureSetUnknown, match="which feature set"):
        find(both, "")

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.mqtt import properties
from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.fields import Cursor
from holdfast.adapters.mqtt.properties import Prop

ALL = frozenset(Prop)
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "u8": st.integers(0, 1),
    "u16": st.integers(1, 65535),
    "u32": st.integers(1, 2**32 - 1),
    "varint": st.integers(1, 2**28 - 1),
    "binary": st.binary(max_size=9),
    "text": words,
    "pair": st.tuples(words, words),
}


@st.composite
def property_lists(draw: st.DrawFn) -> list[tuple[Prop, Any]]:
    props = draw(st.lists(st.sampled_from(Prop), unique=True)) + [Prop.USER_PROPERTY] * draw(st.integers(0, 2))
    return [(prop, draw(VALUES[properties._KINDS[prop]])) for prop in props]


@given(property_lists())
def test_properties_survive_in_order(said: list[tuple[Prop, Any]]) -> None:
    cursor = Cursor(properties.write(said))
    assert properties.read(cursor, ALL) == said
    assert cursor.done


@pytest.mark.parametrize(
    "raw", [b"\x01\x7e", b"\x02\x13\x00", b"\x04\x01\x00\x01\x00", b"\x02\x01\x02", b"\x03\x21\0\0", b"\x05\x01"]
)
def test_unknown_misplaced_repeated_and_impossible_ones_are_faults(raw: bytes) -> None:
    with pytest.raises(ProtocolFault):
        properties.read(Cursor(raw), ALL - {Prop.SERVER_KEEP_ALIVE})

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.wire.errors import WireError
from holdfast.wire.integers import from_planes, to_planes, unzigzag, width, zigzag
from holdfast.wire.packing import Packer, Unpacker, indexes
from holdfast.wire.runs import number

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(INT64, max_size=30))
def test_integers_come_back_from_the_fewest_bytes(values: list[int]) -> None:
    column = np.array(values, np.int64)
    packer = Packer()
    packer.integers(column)
    data = memoryview(packer.finish())
    assert Unpacker(data).integers(len(values)).tolist() == values
    assert unzigzag(zigzag(column)).tolist() == values


@pytest.mark.parametrize(("largest", "octets"), [(0, 0), (1, 1), (255, 1), (256, 2), (2**64 - 1, 8)])
def test_width_is_the_fewest_bytes(largest: int, octets: int) -> None:
    assert width(largest) == octets


def test_planes_put_all_lowest_bytes_first() -> None:
    column = np.array([0x0102, 0x0304], np.uint64)
    assert to_planes(column, 2) == b"\x02\x04\x01\x03"
    assert from_planes(memoryview(b"\x02\x04\x01\x03"), 2, 2).tolist() == [0x0102, 0x0304]


@given(st.lists(st.one_of(st.integers(0, 20), INT64), min_size=1, max_size=30))
def test_numbering_goes_by_first_appearance(keys: list[int]) -> None:
    distinct, place = number(np.array(keys, np.int64))
    assert distinct.tolist() == list(dict.fromkeys(keys))
    assert distinct[place].tolist() == keys


def test_an_unpacker_never_reads_past_the_end_nor_leaves_a_rest() -> None:
    with pytest.raises(WireError, match="shorter"):
        Unpacker(memoryview(b"\x01")).count(5, "things")
    with pytest.raises(WireError, match="6 things"):
        Unpacker(memoryview(b"\x06\0\0\0")).count(5, "things")
    with pytest.raises(WireError, match="longer"):
        Unpacker(memoryview(b"\x06")).finish()
    with pytest.raises(WireError, match="9 bytes"):
        Unpacker(memoryview(b"\x09" + bytes(99))).integers(1)
    with pytest.raises(WireError, match="can't be read"):
        Unpacker(memoryview(b"\x01\0\0\0\xc1")).structured(int, 10, "number")


def test_indexes_outside_are_refused() -> None:
    for wrong in (-1, 3):
        with pytest.raises(WireError, match="shapes"):
            indexes(np.array([0, wrong]), 3, "shapes")

import struct

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.wire.errors import WireError
from holdfast.wire.frame import seal, unseal

MIB = 1024 * 1024


def test_header_and_content_come_back() -> None:
    header, content = unseal(seal(b"{}", b"rows" * 1000), 64, MIB)
    assert (header, bytes(content)) == (b"{}", b"rows" * 1000)


def test_any_arrow_reader_can_open_it() -> None:
    with pa.ipc.open_stream(seal(b"{}", b"abc")) as reader:
        assert reader.schema.metadata == {b"holdfast": b"{}"}
        assert reader.read_all().column(0).to_pylist() == [97, 98, 99]


def test_what_unpacks_to_more_than_allowed_is_refused_before_it_is_unpacked() -> None:
    bomb = seal(b"{}", bytes(64 * MIB))
    assert len(bomb) < 16 * 1024
    before = pa.total_allocated_bytes()
    with pytest.raises(WireError, match="unpacks to more than"):
        unseal(bomb, 64, MIB)
    assert pa.total_allocated_bytes() - before < MIB


@pytest.mark.parametrize("claimed", [2**62, -2, MIB + 1])
def test_a_lie_about_the_unpacked_size_is_refused(claimed: int) -> None:
    honest = 50_000
    body = seal(b"{}", bytes(honest))
    place = body.index(struct.pack("<q", honest) + b"\x28\xb5\x2f\xfd")  # the length before the zstd frame
    with pytest.raises(WireError):
        unseal(body[:place] + struct.pack("<q", claimed) + body[place + 8 :], 64, MIB)


def stream(schema: pa.Schema, *columns: object) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays([pa.array(c) for c in columns], schema=schema))
    return bytes(sink.getvalue())


U8 = pa.field("b", pa.uint8(), nullable=False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00" * 100,
        stream(pa.schema([pa.field("b", pa.string())], metadata={"holdfast": "{}"}), ["x"]),
        stream(pa.schema([U8, U8], metadata={"holdfast": "{}"}), pa.array([1], pa.uint8()), pa.array([1], pa.uint8())),
        stream(pa.schema([U8]), pa.array([1], pa.uint8())),
        stream(pa.schema([U8], metadata={"holdfast": "{}"}), pa.array([], pa.uint8())),
    ],
)
def test_other_streams_are_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(WireError):
        unseal(body, 64, MIB)


GOOD = seal(b"{}", bytes(range(200)) * 3)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
@settings(max_examples=500, deadline=None)
def test_no_damage_gets_further_than_a_wire_error(place: int, byte: int, cut: int) -> None:
    damaged = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    for body in (damaged, damaged[:cut]):
        try:
            _, content = unseal(body, 64, MIB)
        except WireError:
            continue
        assert len(content) <= MIB

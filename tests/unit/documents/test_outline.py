"""Updates are walked before anything is built from them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from holdfast.documents.errors import DocumentError, UpdateMalformed
from holdfast.documents.outline import clocks, is_within, joined, outline
from holdfast.documents.replica import Replica


def number(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


def text(letters: str) -> bytes:
    return number(len(letters.encode())) + letters.encode()


def one(content: bytes, kind: int = 8, clock: int = 0) -> bytes:
    """An update of one struct: key `k` of the root `m`, by client 7."""
    struct = bytes([kind | 0x20]) + b"\x01" + text("m") + text("k") + content
    return number(1) + number(1) + number(7) + number(clock) + struct + number(0)


def deep(levels: int) -> bytes:
    return one(number(1) + bytes([117, 1]) * levels + bytes([126]))


HOSTILE = {
    "nothing": b"",
    "half a number": b"\x80",
    "a number without end": b"\xff" * 12,
    "values deeper than any stack": deep(100_000),
    "values a bit too deep": deep(65),
    "more clients than bytes": number(2**40),
    "more structs than bytes": number(1) + number(2**17) + number(7) + number(0),
    "far too many structs": number(1) + number(2**40) + number(7) + number(0),
    "more values than bytes": one(number(2**31)),
    "a list longer than the bytes": one(number(1) + bytes([117]) + number(2**30)),
    "a mapping longer than the bytes": one(number(1) + bytes([118]) + number(2**30)),
    "a text longer than the bytes": one(number(2**40), kind=4),
    "bytes longer than the bytes": one(number(2**40), kind=3),
    "text that is not UTF-8": one(number(2) + b"\xc3\x28", kind=4),
    "a clock beyond 32 bits": one(number(1) + b"\x7e", clock=2**31),
    "a deletion beyond 32 bits": one(number(2**32 - 1), kind=1),
    "nothing deleted": one(number(0), kind=1),
    "an unknown value": one(number(1) + b"\x01"),
    "an unknown content": one(b"", kind=30),
    "a hole": number(1) + number(1) + number(7) + number(0) + bytes([10]) + number(5) + number(0),
    "a subdocument": one(text("guid") + b"\x76\x00", kind=9),
    "a move": one(b"\x00\x00\x00", kind=11),
    "a weak link": one(number(7), kind=7),
    "an embed that is no JSON": one(text("{"), kind=5),
    "an embed too deep": one(text("[" * 500 + "]" * 500), kind=5),
    "an embed beyond recursion": one(text("[" * 50_000 + "]" * 50_000), kind=5),
    "bytes too many": one(number(1) + b"\x7e") + b"\x00",
    "a client twice": number(2) + 2 * (number(1) + number(7) + number(0) + bytes([0]) + number(1)) + number(0),
    "deletions without end": number(0) + number(1) + number(7) + number(2**40),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_refused_with_a_sentence_before_anything_is_built(name: str) -> None:
    with pytest.raises(UpdateMalformed, match=r".{10,}"):
        outline(HOSTILE[name])


@pytest.mark.parametrize("state", [b"", b"\x80", number(2**40), number(1) + number(7), b"\x00\x00", b"\xff" * 20])
def test_a_bad_state_vector_is_refused(state: bytes) -> None:
    with pytest.raises(UpdateMalformed):
        clocks(state)


def edited() -> "Doc[Any]":
    doc: Doc[Any] = Doc()
    fields, letters, items = doc.get("m", type=Map), doc.get("t", type=Text), doc.get("a", type=Array)
    fields["a"] = {"b": [1, 2.5, None, True, b"x", 2**60, "é"]}
    fields["n"] = Map({"x": Array([1])})
    letters.insert(0, "hé😀llo")
    letters.format(0, 1, {"bold": True})
    letters.insert_embed(1, {"image": ["x"]})
    items.extend([1, 2, 3])
    del items[1]
    del fields["a"]
    return doc


def test_the_outline_of_what_the_library_makes_is_its_state_vector() -> None:
    doc = edited()
    found = outline(doc.get_update())
    assert {client: end for client, (_, end) in found.structs.items()} == clocks(doc.get_state())
    assert (found.types, list(found.deletes)) == (2, [doc.client_id])
    assert not found.is_empty
    assert outline(b"\x00\x00").is_empty


@given(st.integers(0, 2000), st.integers(0, 255), st.integers(0, 400))
def test_no_damaged_update_is_taken_for_another_reason_than_being_one(at: int, byte: int, cut: int) -> None:
    good = edited().get_update()
    bad = bytearray(good[: len(good) - cut % len(good)])
    if bad:
        bad[at % len(bad)] = byte
    replica = Replica()
    try:
        replica.apply(bytes(bad))
    except DocumentError:
        return
    assert Replica([replica.diff()]).state() == replica.state()


def test_spans_of_deletions_are_compared_as_sets() -> None:
    assert joined([(5, 7), (0, 2), (2, 3), (6, 9)]) == [(0, 3), (5, 9)]
    assert is_within({1: [(0, 2), (2, 4)]}, {1: [(0, 10)]})
    assert is_within({}, {})
    assert not is_within({1: [(0, 11)]}, {1: [(0, 10)]})
    assert not is_within({2: [(0, 1)]}, {1: [(0, 10)]})

"""Answers with values: what asyncua encodes is read the same; no bytes whatever stop or surprise the reader."""

import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.opcua import answers, binary
from holdfast.adapters.opcua.errors import Malformed

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
AT_NS = 1_767_323_045_678_000_000


def answer(response: Any) -> bytes:
    return bytes(struct_to_binary(response))


def published(*values: ua.DataValue, number: int = 7) -> bytes:
    items = [ua.MonitoredItemNotification(i, one) for i, one in enumerate(values)]
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 3
    response.Parameters.AvailableSequenceNumbers = [5, 6]
    response.Parameters.MoreNotifications = False
    response.Parameters.NotificationMessage = ua.NotificationMessage(
        number, AT, [ua.DataChangeNotification(items)] if items else []
    )
    return answer(response)


CASES: list[tuple[ua.Variant, Any]] = [
    (ua.Variant(True, ua.VariantType.Boolean), True),
    (ua.Variant(-5, ua.VariantType.SByte), -5),
    (ua.Variant(250, ua.VariantType.Byte), 250),
    (ua.Variant(-30_000, ua.VariantType.Int16), -30_000),
    (ua.Variant(60_000, ua.VariantType.UInt16), 60_000),
    (ua.Variant(-(2**31), ua.VariantType.Int32), -(2**31)),
    (ua.Variant(2**32 - 1, ua.VariantType.UInt32), 2**32 - 1),
    (ua.Variant(-(2**63), ua.VariantType.Int64), -(2**63)),
    (ua.Variant(2**64 - 1, ua.VariantType.UInt64), 2**64 - 1),
    (ua.Variant(0.5, ua.VariantType.Float), 0.5),
    (ua.Variant(0.1, ua.VariantType.Double), 0.1),
    (ua.Variant("grün", ua.VariantType.String), "grün"),
    (ua.Variant(None, ua.VariantType.String), None),
    (ua.Variant(UUID(int=77), ua.VariantType.Guid), str(UUID(int=77))),
    (ua.Variant(b"\x00\xff", ua.VariantType.ByteString), b"\x00\xff"),
    (ua.Variant(ua.NodeId("a", 2), ua.VariantType.NodeId), "ns=2;s=a"),
    (ua.Variant(ua.NodeId(5, 300), ua.VariantType.NodeId), "ns=300;i=5"),
    (ua.Variant(ua.StatusCode(0x80000000), ua.VariantType.StatusCode), 0x80000000),
    (ua.Variant(ua.QualifiedName("q", 2), ua.VariantType.QualifiedName), "q"),
    (ua.Variant(ua.LocalizedText("Presse", "de"), ua.VariantType.LocalizedText), "Presse"),
    (ua.Variant([1.5, 2.5], ua.VariantType.Double), [1.5, 2.5]),
    (ua.Variant(["a", None, "ü"], ua.VariantType.String), ["a", None, "ü"]),
    (ua.Variant([[1, 2], [3, 4]], ua.VariantType.Int32), [1, 2, 3, 4]),
    (ua.Variant([ua.Variant(1, ua.VariantType.Byte)], ua.VariantType.Variant), [1]),
    (ua.Variant([], ua.VariantType.Int64), []),
    (ua.Variant(), None),
]


@pytest.mark.parametrize(("variant", "wanted"), CASES, ids=[str(i) for i in range(len(CASES))])
def test_every_built_in_type_is_read_as_asyncua_writes_it(variant: ua.Variant, wanted: Any) -> None:
    value = ua.DataValue(variant, ua.StatusCode(0x40000000), AT, AT)
    found = answers.published(published(value, ua.DataValue(ua.Variant(1, ua.VariantType.Byte))))
    assert (found.subscription, found.available, found.change.number) == (3, [5, 6], 7)
    assert not found.is_quiet
    (_, first), (handle, second) = found.change.values
    assert first == binary.DataValue(variant.VariantType.value, wanted, 0x40000000, AT_NS, AT_NS)
    assert (handle, second.value, second.code, second.source_ns) == (1, 1, 0, 0)


def test_picoseconds_stand_behind_their_own_time_as_the_standard_has_it_and_asyncua_has_not() -> None:
    ticks = struct.pack("<q", binary.TICKS_1970 + 10)
    value = b"\x3f" + b"\x03\x07" + struct.pack("<I", 0) + ticks + b"\x01\x00" + ticks + b"\x02\x00"
    assert binary.Reader(value).data_value() == binary.DataValue(3, 7, 0, 1_000, 1_000)


def test_a_keep_alive_a_change_of_state_and_an_error_are_told_apart() -> None:
    assert answers.published(published(number=9)) == answers.Published(
        0, 3, [5, 6], binary.Change(9, [], 0), is_quiet=True, more=False
    )
    response = ua.PublishResponse()
    status = ua.StatusChangeNotification(ua.StatusCode(0x800A0000))
    response.Parameters.NotificationMessage = ua.NotificationMessage(2, AT, [status])
    assert answers.published(answer(response)).change.status == 0x800A0000
    fault = ua.ServiceFault()
    fault.ResponseHeader.ServiceResult = ua.StatusCode(0x80790000)
    assert answers.published(answer(fault)).result == 0x80790000
    with pytest.raises(Malformed, match="of the kind 634"):
        answers.published(answer(ua.ReadResponse()))


def test_other_answers_are_read_as_asyncua_writes_them() -> None:
    read = ua.ReadResponse()
    read.Results = [ua.DataValue(ua.Variant(2.5)), ua.DataValue(None, ua.StatusCode(0x80340000))]
    assert [one.value for one in answers.values_read(answer(read))[1]] == [2.5, None]
    written = ua.WriteResponse()
    written.Results = [ua.StatusCode(0), ua.StatusCode(0x803B0000)]
    assert answers.codes_written(answer(written)) == (0, [0, 0x803B0000])
    made = ua.CreateMonitoredItemsResponse()
    made.Results = [ua.MonitoredItemCreateResult(ua.StatusCode(0), 4, 250.0, 10)]
    assert answers.items_made(answer(made)) == (0, [answers.Item(0, 4, 0.25, 10)])
    again = ua.RepublishResponse()
    again.NotificationMessage = ua.NotificationMessage(5, AT, [])
    assert answers.republished(answer(again)) == (0, binary.Change(5, [], 0))


def test_a_time_without_meaning_is_none() -> None:
    for ticks in (0, -1, 1, binary.TICKS_1970, 2**63 - 1):
        assert binary.ns_of(ticks) == 0
    assert binary.ns_of(binary.TICKS_1970 + 10_000_000) == 10**9


def test_a_few_bytes_never_become_a_large_array() -> None:
    whole = published(ua.DataValue(ua.Variant([1, 2], ua.VariantType.Int32)))
    at = whole.index(struct.pack("<Bi", 0x86, 2))
    for head in (0x80, 0x86, 0x8C, 0x96, 0x98):
        bomb = whole[:at] + struct.pack("<Bi", head, 2**31 - 1) + whole[at + 5 :]
        with pytest.raises(Malformed):
            answers.published(bomb)


def test_nesting_ends() -> None:
    value = ua.Variant(1, ua.VariantType.Byte)
    for _ in range(binary.MOST_DEEP + 2):
        value = ua.Variant([value], ua.VariantType.Variant)
    with pytest.raises(Malformed, match="nested"):
        answers.published(published(ua.DataValue(value)))


READS: list[Callable[[bytes], Any]] = [
    answers.published, answers.republished, answers.values_read, answers.codes_written, answers.items_made,
]  # fmt: skip
SOUND = [published(*(ua.DataValue(variant, ua.StatusCode(0), AT) for variant, _ in CASES)), published(number=3)]


@given(st.binary(max_size=300), st.sampled_from(READS))
def test_any_bytes_are_read_or_refused(data: bytes, read: Callable[[bytes], Any]) -> None:
    with suppress(Malformed):
        read(data)


@given(st.sampled_from(SOUND), st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=8), st.data())
def test_sound_bytes_with_some_changed_are_read_or_refused(
    whole: bytes, changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    bytes_ = bytearray(whole)
    for at, value in changes:
        bytes_[at % len(bytes_)] = value
    with suppress(Malformed):
        answers.published(bytes(bytes_[: data.draw(st.integers(0, len(bytes_)))]))


FORMATS = [(1, "?"), (3, "B"), (4, "h"), (8, "q"), (10, "f"), (11, "d"), (13, "q"), (19, "I")]


@given(st.lists(st.tuples(st.integers(0, 15), st.sampled_from(FORMATS), st.integers(0, 1)), max_size=5))
def test_the_short_way_reads_what_the_long_way_reads(told: list[tuple[int, tuple[int, str], int]]) -> None:
    data = struct.pack("<i", len(told))
    starts = []
    for handle, (mask, (type_, form), value) in enumerate(told):
        data += struct.pack("<I", handle)
        starts.append(len(data))
        data += struct.pack("<B", mask) + (struct.pack(f"<B{form}", type_, value) if mask & 1 else b"")
        data += struct.pack("<I", 0x40920000 + handle) if mask & 2 else b""
        data += struct.pack("<q", binary.TICKS_1970 + 20) * ((mask >> 2 & 1) + (mask >> 3 & 1))
    found: list[tuple[int, binary.DataValue]] = []
    binary.Reader(data)._changes(found)
    assert found == [(i, binary.Reader(data, at).data_value()) for i, at in enumerate(starts)]

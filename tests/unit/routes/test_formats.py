"""Readings as the three JSON formats say them."""

import json
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.model.batch import Batch
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.routes.formats import encoder
from holdfast.routes.parcels import arrays
from holdfast.routes.settings import FlatSettings, RowsSettings, topic_findings
from holdfast.routes.spoken import times
from holdfast.routes.topics import TopicTemplate

T0 = 1_795_187_068_123_000_000
KINDS = {"air.temperature": ("Cel", Kind.FLOAT), "room.occupied": ("", Kind.BOOL), "lock.state": ("", Kind.TEXT)}


class Rows:
    """A batch in the making."""

    def __init__(self) -> None:
        self.catalogue = Catalogue()
        self._rows: list[tuple[int, int, float, int]] = []
        self._texts: list[str] = []

    def add(self, device: str, metric: str, value: float | str, at: int = 0, quality: int = 0) -> "Rows":
        unit, kind = KINDS.get(metric, ("%RH", Kind.FLOAT))
        if isinstance(value, str):
            self._texts.append(value)
            value = len(self._texts) - 1
        number = self.catalogue.intern(Series("gw", device, metric, unit, kind))
        self._rows.append((number, T0 + at, value, quality))
        return self

    def batch(self) -> Batch:
        series, ts, value, quality = zip(*self._rows, strict=True)
        return Batch(
            np.array(series, np.int32),
            np.array(ts, np.int64),
            np.array(value, np.float64),
            np.array(quality, np.uint8),
            tuple(self._texts),
        )

    def said(self, **settings: Any) -> list[dict[str, Any]]:
        objects, of = encoder(RowsSettings(**settings), self.catalogue)(self.batch())
        assert len(of) == len(objects)
        found: list[dict[str, Any]] = json.loads(json.dumps(objects))
        return found


def test_canonical_says_everything_about_a_reading() -> None:
    bad = encode_quality(Quality.BAD, Reason.OUT_OF_RANGE)
    rows = Rows().add("d1", "air.temperature", 22.5).add("d1", "air.temperature", 99.0, 5, bad)
    one = {"node": "gw", "device": "d1", "metric": "air.temperature", "unit": "Cel"}
    assert rows.said(format="canonical") == [
        {**one, "ts": T0, "value": 22.5, "quality": "good"},
        {**one, "ts": T0 + 5, "value": 99.0, "quality": "bad"},
    ]


def test_kinds_have_their_json_types_and_no_number_is_null() -> None:
    rows = Rows().add("d", "room.occupied", 1).add("d", "lock.state", "open").add("d", "air.temperature", float("nan"))
    assert [one["value"] for one in rows.said(format="canonical")] == [True, "open", None]


def test_senml_has_resolved_records_without_bad_readings() -> None:
    rows = Rows().add("d", "air.temperature", 22.5).add("d", "air.temperature", 99.0, 1, int(Quality.BAD))
    rows.add("d", "lock.state", "open", 2).add("d", "room.occupied", 0, 3).add("d", "air.temperature", float("nan"))
    assert rows.said(format="senml") == [
        {"n": "gw/d/air.temperature", "t": T0 / 1e9, "v": 22.5, "u": "Cel"},
        {"n": "gw/d/lock.state", "t": (T0 + 2) / 1e9, "vs": "open"},
        {"n": "gw/d/room.occupied", "t": (T0 + 3) / 1e9, "vb": False},
    ]


FLAT = FlatSettings(fields={"air.temperature": "temp_c", "air.humidity": "hum"})


def test_flat_puts_the_readings_of_one_message_together_again() -> None:
    rows = Rows()
    for at, device in enumerate(("a", "b", "a")):
        rows.add(device, "air.temperature", 20.0 + at, at * 10**6).add(device, "air.humidity", 40.0 + at, at * 10**6)
    ms = T0 // 10**6
    assert rows.said(format="flat", topic="up", flat=FLAT) == [
        {"device_id": "a", "ts": ms, "temp_c": 20.0, "hum": 40.0},
        {"device_id": "b", "ts": ms + 1, "temp_c": 21.0, "hum": 41.0},
        {"device_id": "a", "ts": ms + 2, "temp_c": 22.0, "hum": 42.0},
    ]


def test_flat_messages_of_different_shapes_are_told_apart() -> None:
    rows = Rows().add("a", "air.temperature", 20.0).add("b", "air.temperature", 21.0).add("b", "air.humidity", 41.0)
    rows.add("a", "room.occupied", 1, 10**6)
    ms = T0 // 10**6
    assert rows.said(format="flat", topic="up", flat=FLAT) == [
        {"device_id": "a", "ts": ms, "temp_c": 20.0},
        {"device_id": "b", "ts": ms, "temp_c": 21.0, "hum": 41.0},
        {"device_id": "a", "ts": ms + 1, "room.occupied": True},
    ]


def test_flat_says_which_members_are_not_good_and_names_the_node_when_asked() -> None:
    rows = Rows().add("a", "air.temperature", 20.0).add("a", "air.humidity", 140.0, 0, int(Quality.BAD))
    named = FlatSettings(device="id", time="t", node="site", unit="s", fields=FLAT.fields)
    (one,) = rows.said(format="flat", topic="up", flat=named)
    assert one == {"id": "a", "t": T0 / 1e9, "temp_c": 20.0, "hum": 140.0, "site": "gw", "quality": {"hum": "bad"}}


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("ns", T0),
        ("us", T0 // 10**3),
        ("ms", T0 // 10**6),
        ("s", T0 / 1e9),
        ("iso8601", "2026-11-20T15:04:28.123000+00:00"),
    ],
)
def test_times_are_told_in_the_unit_asked_for(unit: str, said: object) -> None:
    assert times(np.array([T0], np.int64), unit) == [said]


def test_an_array_is_cut_before_the_limit_and_nothing_is_missing() -> None:
    objects: list[dict[str, Any]] = [{"n": n, "pad": "x" * (n % 90)} for n in range(500)]
    payloads = list(arrays(objects, 1_000))
    assert max(map(len, payloads)) <= 1_000
    assert [one for payload in payloads for one in json.loads(payload)] == objects


def test_topics_are_filled_in_and_wildcards_in_names_made_harmless() -> None:
    field = TopicTemplate("{node}/{device}/x").field({"node": "gw", "device": "a+b#", "metric": "m"})
    assert field == b"\0\x09gw/a_b_/x"


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "{devise}", "{device", "{device!r}", "{device:>9}"])
def test_an_impossible_topic_is_refused(topic: str) -> None:
    assert list(topic_findings(topic, ("node", "device", "metric")))


_METRICS = st.sampled_from([*sorted(KINDS), "air.humidity"])
_PIECES = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.lists(_METRICS, min_size=1, max_size=4),
        st.sampled_from([0, 1, 10**6, 1_500_000]),
        st.sampled_from([0, 0, 0, 1, 2, encode_quality(Quality.BAD, Reason.OUT_OF_RANGE)]),
        st.sampled_from([0.0, 1.0, 21.5, float("nan")]),
    ),
    min_size=1,
    max_size=6,
)


@given(_PIECES, st.sampled_from(["s", "ms", "us", "ns", "iso8601"]), st.sampled_from(["", "site", "temp_c"]))
@settings(max_examples=150, deadline=None)
def test_flat_says_the_same_of_a_few_rows_as_of_many(
    pieces: list[tuple[str, list[str], int, int, float]], unit: str, node: str
) -> None:
    rows, again = Rows(), 12
    for turn in range(again):
        for place, (device, metrics, at, quality, value) in enumerate(pieces):
            for metric in metrics:
                told = "open" if metric == "lock.state" else value
                rows.add(device, metric, told, at + (turn * 10 + place) * 10**9, quality)
    batch, flat = rows.batch(), FlatSettings(unit=unit, node=node, fields=FLAT.fields)  # type: ignore[arg-type]
    encode = encoder(RowsSettings(format="flat", topic="up", flat=flat), rows.catalogue)
    many, series = encode(batch)
    few, firsts = [], []
    starts = range(0, len(batch) + 1, len(batch) // again)
    for start, end in pairwise(starts):
        found, of = encode(batch.take(np.arange(start, end)))
        few += found
        firsts += of.tolist()
    assert len(batch) // again <= 24
    assert firsts == series.tolist()
    assert msgspec.json.decode(msgspec.json.encode(few)) == msgspec.json.decode(msgspec.json.encode(many))

"""Blocks of samples: a start, a rate and arrays become readings with times of their own."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.codecs.decoder import Decoded, Decoder, Run
from holdfast.codecs.loading import load_profiles
from holdfast.codecs.reject import RejectReason
from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.quality import Quality, quality_of
from holdfast.model.series import Catalogue

NOW_MS = 1_795_187_068_123
NOW = NOW_MS * 1_000_000
FIELDS = "{x: {metric: acc.x}, y: {metric: acc.y, optional: true}, rpm: {metric: speed, optional: true}}"


class Bench:
    def __init__(self, folder: Path, samples: str = "{rate_field: rate}", more: str = "", fields: str = FIELDS) -> None:
        path = folder / "p.yaml"
        time = "" if "no time" in more else "    time: {field: t0, unit: ms}\n"
        head = "profiles:\n  a:\n    topic: v/{device}\n    version: 1\n"
        text = f"{head}{time}    samples: {samples}\n    fields: {fields}\n"
        path.write_text(text + more.replace("no time", ""), encoding="utf-8")
        self.catalogue = Catalogue()
        self.decoder = Decoder(load_profiles([path]), self.catalogue, "gw")

    def decode(self, *payloads: bytes) -> Decoded:
        return self.decoder.decode([Run("v/m1", payloads, NOW)])

    def rows(self, *payloads: bytes) -> list[tuple[str, int, float]]:
        """(metric, ns after now, value), in order."""
        batch = self.decode(*payloads).batch
        names = [self.catalogue[int(s)].metric for s in batch.series]
        return list(zip(names, (batch.ts - NOW).tolist(), batch.value.tolist(), strict=True))

    def refusal(self, payload: bytes) -> tuple[RejectReason, str]:
        decoded = self.decode(payload)
        assert len(decoded.batch) == 0
        (one,) = decoded.rejected
        return one.reason, one.detail


def said(**members: Any) -> bytes:
    return json.dumps({"t0": NOW_MS, "rate": 1000, **members}).encode()


def test_each_sample_is_a_reading_at_its_own_time_and_fields_of_one_time_stand_together(tmp_path: Path) -> None:
    assert Bench(tmp_path).rows(said(x=[0.5, 0.25, -1], y=[1, 2, 3], rpm=1797)) == [
        ("speed", 0, 1797.0),
        ("acc.x", 0, 0.5),
        ("acc.y", 0, 1.0),
        ("acc.x", 1_000_000, 0.25),
        ("acc.y", 1_000_000, 2.0),
        ("acc.x", 2_000_000, -1.0),
        ("acc.y", 2_000_000, 3.0),
    ]


@pytest.mark.parametrize(
    ("samples", "payload", "times"),
    [
        ("{rate_hz: 4}", {}, [0, 250_000_000, 500_000_000]),
        ("{every_field: dt, unit: us}", {"dt": 10}, [0, 10_000, 20_000]),
        ("{every_field: dt}", {"dt": 0.5}, [0, 500_000_000, 1_000_000_000]),
        ("{rate_field: rate, time_of: last}", {"rate": 1e6}, [-2_000, -1_000, 0]),
    ],
)
def test_how_far_apart_is_said_in_several_ways(
    tmp_path: Path, samples: str, payload: dict[str, float], times: list[int]
) -> None:
    rows = Bench(tmp_path, samples).rows(said(x=[1, 2, 0], **payload))
    assert [after for _, after, _ in rows] == times


def test_a_block_without_a_time_ends_when_it_was_received(tmp_path: Path) -> None:
    rows = Bench(tmp_path, "{rate_hz: 1000, time_of: last}", "no time").rows(b'{"x": [1, 2]}')
    assert [after for _, after, _ in rows] == [-1_000_000, 0]


def test_limits_units_and_missing_fields_hold_for_every_sample(tmp_path: Path) -> None:
    bench = Bench(tmp_path, fields="{x: {metric: acc.x, unit: gn, max: 20}}")
    batch = bench.decode(said(x=[1, 3])).batch
    assert batch.value.tolist() == pytest.approx([9.80665, 29.41995])
    assert [quality_of(int(q)) for q in batch.quality] == [Quality.GOOD, Quality.BAD]
    assert bench.refusal(said(y=[1]))[0] is RejectReason.MISSING_FIELD


@pytest.mark.parametrize(
    ("members", "reason", "detail"),
    [
        ({"x": [1, 2], "y": [1]}, RejectReason.WRONG_TYPE, "arrays of 1 and of 2 samples"),
        ({"x": [1], "rate": 0}, RejectReason.WRONG_TYPE, "not at 0 Hz"),
        ({"x": [1], "rate": -5}, RejectReason.WRONG_TYPE, "not at -5 Hz"),
        ({"x": [1, "2"]}, RejectReason.WRONG_TYPE, "x"),
        ({"x": [1, None]}, RejectReason.WRONG_TYPE, "x"),
        ({"x": {"a": 1}}, RejectReason.WRONG_TYPE, "x"),
        ({"x": [0] * 10_001}, RejectReason.TOO_LARGE, "more than 10000 readings"),
    ],
)
def test_what_is_no_block_is_refused_whole(
    tmp_path: Path, members: dict[str, Any], reason: RejectReason, detail: str
) -> None:
    found = Bench(tmp_path).refusal(said(**members))
    assert found[0] is reason
    assert detail in found[1]


def test_a_bad_block_takes_no_good_one_with_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    decoded = bench.decode(said(x=[1]), said(x=[1, 2], y=[1]), said(x=[2, 0]), b"{", said(x=[]))
    assert [one.message for one in decoded.rejected] == [1, 3]
    assert decoded.message.tolist() == [0, 2, 2]


def test_other_formats_say_the_same_and_their_odd_numbers_are_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, more="    format: msgpack\n")
    block = {"t0": NOW_MS, "rate": 1000.0, "x": [0.5, 1.0]}
    assert bench.rows(msgspec.msgpack.encode(block)) == [("acc.x", 0, 0.5), ("acc.x", 1_000_000, 1.0)]
    for member, reason in (("x", RejectReason.NOT_A_NUMBER), ("rate", RejectReason.WRONG_TYPE)):
        odd = {**block, member: [0.5, float("nan")] if member == "x" else float("inf")}
        assert bench.refusal(msgspec.msgpack.encode(odd))[0] is reason


@given(
    blocks=st.lists(st.tuples(st.lists(st.floats(-1e9, 1e9), max_size=6), st.floats(1, 1e6)), min_size=1, max_size=6)
)
def test_any_blocks_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[tuple[list[float], float]]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("p"))
    rows = bench.rows(*(said(x=values, rate=rate) for values, rate in blocks))
    assert rows == [("acc.x", round(i * (1e9 / rate)), v) for values, rate in blocks for i, v in enumerate(values)]


@pytest.mark.parametrize(
    ("samples", "fields", "more", "told"),
    [
        ("{}", FIELDS, "", "one of `rate_hz`"),
        ("{rate_hz: 5, rate_field: r}", FIELDS, "", "one of `rate_hz`"),
        ("{rate_hz: 5}", "{x: {metric: a, type: text}}", "", "samples are numbers"),
        ("{rate_hz: 5}", "{x: {metric: a, missing: [9]}}", "", "samples are numbers"),
        ("{rate_hz: 5}", "{}", "    map: {x: {metric: a}}\n", "name them under `fields`"),
        ("{rate_hz: 0}", FIELDS, "", "0"),
    ],
)
def test_a_profile_that_says_it_wrong_is_refused(
    tmp_path: Path, samples: str, fields: str, more: str, told: str
) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        Bench(tmp_path, samples, more, fields)
    assert any(told in problem.message for problem in refused.value.problems)


def test_a_clock_that_is_ahead_moves_the_block_as_a_whole(tmp_path: Path) -> None:
    batch = Bench(tmp_path).decode(said(t0=NOW_MS + 60_000, x=[1, 2])).batch
    assert (batch.ts - NOW).tolist() == [0, 1_000_000]
    assert np.all([quality_of(int(q)) is Quality.UNCERTAIN for q in batch.quality])

"""What becomes of times while this node's own clock is in doubt."""

from pathlib import Path

import pytest

from holdfast.codecs.decoder import Decoded, Decoder, Run
from holdfast.codecs.loading import load_profiles
from holdfast.codecs.times import NOT_TOLD
from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.trust import NO_DOUBT, Doubt
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.model.series import Catalogue

PROFILES = """
profiles:
  plain: {topic: "plain/{device}", version: 1, fields: {t: {metric: air.temperature, unit: Cel, max: 50}}}
  timed:
    topic: timed/{device}
    version: 1
    time: {field: ts}
    stale_after: 60s
    fields: {t: {metric: air.temperature, unit: Cel}}
"""
BOOTED = 30 * NS_PER_S
NOW_S = 1_795_187_068
UNSET, UNVERIFIED = Doubt(unset_before=10**18), Doubt(unverified_before=1 << 62)


@pytest.fixture
def decoder(tmp_path: Path) -> Decoder:
    file = tmp_path / "profiles.yaml"
    file.write_text(PROFILES)
    return Decoder(load_profiles([file]), Catalogue(), "gw")


def only(decoded: Decoded) -> tuple[int, int]:
    assert decoded.rejected == []
    return int(decoded.batch.ts[0]), int(decoded.batch.quality[0])


def code(quality: Quality, reason: Reason) -> int:
    return encode_quality(quality, reason)


@pytest.mark.parametrize(
    ("doubt", "value", "quality"),
    [
        (NO_DOUBT, 20, 0),
        (UNSET, 20, code(Quality.UNCERTAIN, Reason.CLOCK_UNSET)),
        (UNVERIFIED, 20, code(Quality.GOOD, Reason.CLOCK_UNVERIFIED)),
        (Doubt(BOOTED, BOOTED), 20, 0),
        (Doubt(BOOTED + 1, 1 << 62), 20, code(Quality.UNCERTAIN, Reason.CLOCK_UNSET)),
        (UNSET, 60, code(Quality.BAD, Reason.OUT_OF_RANGE_CLOCK_UNSET)),
        (NO_DOUBT, 60, code(Quality.BAD, Reason.OUT_OF_RANGE)),
    ],
)
def test_a_row_with_our_own_doubtful_stamp_says_so(decoder: Decoder, doubt: Doubt, value: int, quality: int) -> None:
    decoded = decoder.decode([Run("plain/a", [b'{"t":%d}' % value], BOOTED)], doubt)
    assert only(decoded) == (BOOTED, quality)
    assert decoded.lead.tolist() == [NOT_TOLD]


def test_a_device_may_be_right_while_we_are_in_1970(decoder: Decoder) -> None:
    run = Run("timed/a", [b'{"t":20,"ts":%d}' % NOW_S], BOOTED)
    assert only(decoder.decode([run], UNSET)) == (NOW_S * NS_PER_S, 0)
    clamped = BOOTED, code(Quality.UNCERTAIN, Reason.CLOCK_AHEAD)
    assert only(decoder.decode([run])) == only(decoder.decode([run], UNVERIFIED)) == clamped


def test_a_device_that_was_set_by_us_is_as_doubtful_as_we_are(decoder: Decoder) -> None:
    run = Run("timed/a", [b'{"t":20,"ts":29.5}'], BOOTED)
    assert only(decoder.decode([run], UNSET)) == (29_500_000_000, code(Quality.UNCERTAIN, Reason.CLOCK_UNSET))
    assert decoder.decode([run]).lead.tolist() == [-500_000_000]


def test_nothing_is_stale_by_a_clock_that_nobody_has_set(decoder: Decoder) -> None:
    run = Run("timed/a", [b'{"t":20,"ts":0}'], 1000 * NS_PER_S)
    assert only(decoder.decode([run], UNSET)) == (0, 0)
    assert len(decoder.decode([run]).rejected) == 1

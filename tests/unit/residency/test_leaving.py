import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.events import alert
from tests.unit.residency.house import NOW, House, Reading

from holdfast.crypto.pseudonyms import pseudonym
from holdfast.journal import weaves
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.records import GapReason
from holdfast.journal.restamp import Shift, restamp_rows
from holdfast.journal.shedding import shed
from holdfast.journal.store import load_catalogue
from holdfast.model.lane import OPEN_LANES, READING_LANES, Lane, Stay
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.model.series import Kind, Series
from holdfast.residency.report import report
from holdfast.residency.rules import Policy
from holdfast.residency.settings import Leave, ResidencyRule

CAMERA = ResidencyRule("camera-*/*", "site")
BADGE = ResidencyRule("badge-*/*", "region", (Leave(pseudonym="device"),))
DEVICES = st.sampled_from(["camera-1", "camera-2", "badge-1", "badge-2", "press-1"])
READINGS = st.lists(
    st.tuples(DEVICES, st.sampled_from(["n", "m"]), st.floats(-9, 9))
    | st.tuples(DEVICES, st.just("said"), st.text(st.sampled_from("xyz"), min_size=1, max_size=3)),
    max_size=30,
)
PATTERNS = st.sampled_from(["*", "camera-*/*", "badge-*/n", "*/said", "gw/press-1/m", "badge-1/*"])
RULES = st.lists(
    st.builds(
        ResidencyRule,
        PATTERNS,
        st.sampled_from(["region", "site"]),
        st.sampled_from([(), (Leave(pseudonym="device"),)]),
    ),
    max_size=4,
)


def test_each_row_goes_to_the_lane_of_the_first_rule_that_matches(tmp_path: Path) -> None:
    house = House(tmp_path, [CAMERA, BADGE])
    house.commit(house.batch([("press-1", "n", 1.0), ("camera-1", "n", 2.0), ("badge-1", "n", 3.0)]))
    copy = pseudonym(bytes(range(32)), "gw", "badge-1")
    assert list(house.rows(Lane.BULK)) == [("press-1", "n", 1.0), (copy, "n", 3.0)]
    assert list(house.rows(Lane.SITE)) == [("camera-1", "n", 2.0)]
    assert list(house.rows(Lane.REGION)) == [("badge-1", "n", 3.0)]


@given(RULES, st.lists(READINGS, max_size=4))
def test_whatever_the_rules_nothing_that_stays_lies_in_an_open_lane(
    rules: list[ResidencyRule], commits: list[list[Reading]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), rules)
        for readings in commits:
            house.commit(house.batch(readings))
        plain = Policy(rules, "gw", "eu")
        stays = [
            r for c in commits for r in c if plain.stay(Series("gw", r[0], r[1], "", Kind.FLOAT)) is not Stay.ANYWHERE
        ]
        free = [r for c in commits for r in c if r not in stays]
        kept = {device for device, _, _ in stays} - {device for device, _, _ in free}
        open_rows = [row for lane in OPEN_LANES for row in house.rows(lane)]
        assert not kept & {device for device, _, _ in open_rows}
        assert [row for row in open_rows if not row[0].startswith("p-")] == free
        held = [row for lane in (Lane.REGION, Lane.SITE) for row in house.rows(lane)]
        assert sorted(held, key=str) == sorted(stays, key=str)
        secret_words = {v for _, _, v in stays if isinstance(v, str)} - {v for _, _, v in free if isinstance(v, str)}
        speaks = any(rule.leave for rule in rules)
        assert speaks or not secret_words & {v for _, _, v in open_rows}
        found = report(house.reader, load_catalogue(house.store.db), plain)
        assert (found.misplaced, found.broken_at) == ([], 0)
        assert balance(house.reader.accounts(CONSUMER, count=True), has_parent=False).balanced
        house.reader.close()
        house.store.close()


def test_texts_of_rows_that_stay_or_were_dropped_as_repeats_are_not_stored_with_others(tmp_path: Path) -> None:
    house = House(tmp_path, [CAMERA])
    batch = house.batch([("camera-1", "said", "secret"), ("press-1", "said", "open"), ("camera-1", "said", "repeat")])
    sorted_ = house.leaving.sort(batch.take(np.array([0, 1])))
    assert sorted_.parts[Lane.BULK].texts == ("open",)
    only_open = house.leaving.sort(batch.take(np.array([1])))
    assert only_open.parts[Lane.BULK].texts == ("open",)


def test_a_pseudonym_is_the_same_for_a_key_and_tells_nothing_without_it(tmp_path: Path) -> None:
    series = Series("gw", "badge-1", "n", "", Kind.FLOAT)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = pseudonym(b"k" * 32, "gw", "badge-1")
    same = House(tmp_path / "a", [BADGE], key=b"k" * 32).leaving.alias(series).device
    other = House(tmp_path / "b", [BADGE], key=b"x" * 32).leaving.alias(series).device
    assert one == same != other
    assert "badge" not in one + other


def test_pseudonyms_stay_made_after_a_restart(tmp_path: Path) -> None:
    everything = ResidencyRule("*", "site", (Leave(pseudonym="device"),))  # matches the pseudonyms, too
    house = House(tmp_path, [everything])
    house.commit(house.batch([("badge-1", "n", 1.0)]))
    house.store.close()
    again = House(tmp_path, [everything])
    again.commit(again.batch([("badge-1", "n", 2.0)]))
    copy = pseudonym(bytes(range(32)), "gw", "badge-1")
    assert list(again.rows(Lane.BULK)) == [(copy, "n", 1.0), (copy, "n", 2.0)]
    assert len(again.catalogue) == 2


def test_an_alert_about_what_stays_leaves_without_device_values_or_words(tmp_path: Path) -> None:
    house = House(tmp_path, [CAMERA, BADGE])
    batch = house.batch([("camera-1", "n", 7.0), ("badge-1", "n", 3.0), ("press-1", "n", 1.0)])
    told = [
        alert(i, device=device, ts=NOW, message=f"{device} saw 7", why={"inputs": {"n": {"values": [7.0]}}})
        for i, device in enumerate(("camera-1", "badge-1", "press-1"))
    ]
    house.commit(batch, told)
    stub, badge, free = house.events(Lane.CRITICAL)
    assert free == told[2]
    assert (stub.device, badge.device) == ("withheld", pseudonym(bytes(range(32)), "gw", "badge-1"))
    for left, whole in ((stub, told[0]), (badge, told[1])):
        assert left.id != whole.id
        assert not any(word in repr(left) for word in ("camera-1", "badge-1", "7.0", "saw 7"))
    (kept,) = house.events(Lane.SITE)
    assert (kept.message, kept.why["left_as"]) == ("camera-1 saw 7", stub.id)
    assert balance(house.reader.accounts(CONSUMER, count=True), has_parent=False).balanced


def test_an_alert_without_inputs_counts_as_strict_as_its_device(tmp_path: Path) -> None:
    house = House(tmp_path, [ResidencyRule("mixed/secret", "site", alerts="stay")])
    house.commit(house.batch([("mixed", "secret", 1.0), ("mixed", "open", 1.0)]), [alert(1, device="mixed")])
    assert house.events(Lane.CRITICAL) == []
    assert len(house.events(Lane.SITE)) == 1
    open_inputs = {"inputs": {"open": {"values": [1.0]}}}
    house.commit(house.batch([]), [alert(2, device="mixed", why=open_inputs)])
    assert [e.id for e in house.events(Lane.CRITICAL)] == [alert(2).id]


def test_an_event_about_a_series_goes_as_far_as_that_series_also_without_inputs(tmp_path: Path) -> None:
    house = House(tmp_path, [ResidencyRule("mixed/secret", "site", alerts="stay")])
    about = [("open", "alert.cleared"), ("open", "alert.labelled"), ("secret", "alert.cleared")]
    told = [alert(i, device="mixed", kind=kind, why={"metric": metric}) for i, (metric, kind) in enumerate(about)]
    house.commit(house.batch([("mixed", "secret", 1.0), ("mixed", "open", 1.0)]), told)
    assert [e.id for e in house.events(Lane.CRITICAL)] == [told[0].id, told[1].id]
    assert [e.id for e in house.events(Lane.SITE)] == [told[2].id]


@given(st.lists(READINGS, max_size=5), st.integers(0, 4))
def test_a_restart_shows_the_rules_the_rows_in_the_order_they_came(commits: list[list[Reading]], done: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), [CAMERA, BADGE])
        house.catalogue.keep_by(lambda series: series.metric == "m")  # as a filter does
        after = dict.fromkeys(READING_LANES, 0)
        came: list[tuple[int, float]] = []
        for n, readings in enumerate(commits):
            if n == done:  # the rules' checkpoint
                after = {lane: house.store.state.heads[lane] for lane in READING_LANES}
                house.store.commit([weaves.forget])
                came.clear()
            batch = house.batch(readings, start=100 * n)
            house.commit(batch)
            came += zip(batch.series.tolist(), batch.ts.tolist(), strict=True)
        shown = [
            (series, ts)
            for _, batch in weaves.in_order(house.reader, after)
            for series, ts in zip(batch.series.tolist(), batch.ts.tolist(), strict=True)
        ]
        assert shown == came
        house.reader.close()
        house.store.close()


def test_an_order_stored_before_there_was_a_local_lane_is_read_with_nothing_in_it(tmp_path: Path) -> None:
    house = House(tmp_path, [CAMERA])
    house.commit(house.batch([("camera-1", "n", 1.0), ("press-1", "n", 2.0)]))
    house.store.commit([lambda tx: tx.db.execute("UPDATE weaves SET ends = '[1, 0, 1]'")])
    house.commit(house.batch([("press-1", "n", 3.0), ("camera-1", "n", 4.0)], start=10))
    shown = [batch.value.tolist() for _, batch in weaves.in_order(house.reader, dict.fromkeys(READING_LANES, 0))]
    assert shown == [[1.0, 2.0], [3.0, 4.0]]


def test_summaries_of_pseudonymised_rows_may_leave_as_they_may(tmp_path: Path) -> None:
    house = House(tmp_path, [ResidencyRule("*", "region", (Leave(pseudonym="device"),))])
    house.commit(house.batch([("badge-1", "n", float(v)) for v in range(4)]))
    house.store.commit([lambda tx: shed(tx, Lane.BULK, 0, 9, GapReason.DISK, NOW, summary_step_ns=60 * 10**9)])
    copy = pseudonym(bytes(range(32)), "gw", "badge-1")
    assert {device for device, _, _ in house.rows(Lane.NORMAL)} == {copy}
    assert report(house.reader, load_catalogue(house.store.db), house.policy).misplaced == []
    assert not house.catalogue.stay_of[list(house.catalogue.made)].any()


def test_a_copy_is_moved_with_its_original_when_the_clock_is_set(tmp_path: Path) -> None:
    house = House(tmp_path, [BADGE])
    batch = house.batch([("badge-1", "n", 1.0)])
    batch.quality[:] = encode_quality(Quality.UNCERTAIN, Reason.CLOCK_UNSET)
    house.commit(batch)
    shift = Shift(1000, NOW - 1, NOW + 10**9)
    house.store.commit([lambda tx: restamp_rows(tx, {}, shift, max_rows=99, consumer=CONSUMER)])
    times = [house.reader.read(lane, 0, 9)[0].ts_min - NOW for lane in (Lane.BULK, Lane.REGION)]
    assert times == [1000, 1000]

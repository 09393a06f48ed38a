"""A deployment's life as a whole: shadows, canaries, labels, and what is done when nobody looks."""

import math

import numpy as np
import pytest
from tests.unit.inference.lifecycle.site import NAMES, STEP_NS, A, B, C, Pumps

from holdfast.inference.lifecycle.comparing import Facts
from holdfast.inference.lifecycle.errors import ActRefused, LabelInvalid
from holdfast.inference.lifecycle.labels import Label, errors_of, of_alert, require, value_of
from holdfast.inference.lifecycle.lifecycle import Lifecycle
from holdfast.inference.lifecycle.pairing import Answers, Pairs
from holdfast.inference.lifecycle.settings import DriftSettings, LifeInvalid, LifeSettings, LimitSettings
from holdfast.inference.lifecycle.states import AUTOMATIC, Command, State
from holdfast.kernel.clock import NS_PER_S

QUICK = LifeSettings(block_s=60.0, limits=LimitSettings(for_s=120.0, hold_s=3_600.0))


def test_a_bad_candidate_in_shadow_never_acts_and_is_reported_worse() -> None:
    site = Pumps(QUICK)
    site.wrong[B] = 0.4
    site.do("add", B)
    site.do("shadow", B)
    site.minutes(40)
    assert {version for version, _ in site.heard} == {A}
    found = site.life.status().comparisons[0]
    assert (found.version, found.verdict, found.rows) == (B, "worse", 400)
    assert found.error is not None
    assert found.error.difference == pytest.approx(0.35, abs=0.1)
    assert found.error.low > 0
    assert found.words.startswith("the error rate is higher by the new one: +0.3")
    assert found.agreement == pytest.approx(0.6, abs=0.1)
    assert np.array(found.confusion).sum() == 400
    assert found.latency_ms == pytest.approx([4.0] * 4)
    assert site.life.book.find(B).state is State.SHADOW


def test_a_better_shadow_is_reported_better_and_an_equal_one_not_different() -> None:
    site = Pumps(QUICK)
    site.wrong |= {A: 0.4, B: 0.02, C: 0.4}
    for ref in (B, C):
        site.do("add", ref)
        site.do("shadow", ref)
    site.minutes(40)
    found = {one.version: one.verdict for one in site.life.status().comparisons}
    assert found == {B: "better", C: "no difference shown"}


def test_a_version_that_comes_back_into_shadow_is_compared_once_and_anew() -> None:
    site = Pumps(QUICK)
    site.do("add", B)
    site.do("shadow", B)
    site.minutes(2)
    site.do("promote", B, force=True)
    assert {one.ref: one.verdict for one in site.life.status().versions}[B] == ""  # nobody is compared with itself
    site.do("rollback")
    site.do("shadow", B)
    site.minutes(1)
    assert [(one.version, one.rows) for one in site.life.status().comparisons] == [(B, 10)]


def test_without_labels_only_failures_are_judged_and_that_is_said() -> None:
    site = Pumps(QUICK)
    site.wrong[B] = 0.4
    site.do("add", B)
    site.do("shadow", B)
    site.minutes(1, labels=False)
    assert site.life.status().comparisons[0].verdict == "too few rows"
    site.minutes(30, labels=False)
    found = site.life.status().comparisons[0]
    assert (found.verdict, found.error) == ("no difference shown", None)
    assert "no row is labelled" in found.words
    site.broken.add(B)
    site.minutes(60, labels=False)
    found = site.life.status().comparisons[0]
    assert found.verdict == "worse"
    assert "without an answer" in found.words


def test_a_canary_that_is_worse_is_taken_back_by_itself_and_needs_force_afterwards() -> None:
    site = Pumps(QUICK)
    site.wrong[B] = 0.5
    site.do("add", B)
    site.do("canary", B, 50, force=True)
    site.minutes(60)
    assert site.life.book.find(B).state is State.RETIRED
    found = [one for one in site.found if one.kind == "canary-aborted"]
    assert len(found) == 1
    assert "pump@2 is no canary any more: it's worse" in found[0].message
    assert site.life.book.history[-1].by == AUTOMATIC
    assert site.life.unsaved == site.life.book
    with pytest.raises(ActRefused, match="was taken back: worse"):
        site.do("promote", B)
    before = len(site.heard)
    site.minutes(3)
    assert {version for version, _ in site.heard[before:]} == {A}


def test_a_canary_as_good_as_the_active_version_stays_and_both_are_shown_side_by_side() -> None:
    site = Pumps(QUICK)
    site.do("add", B)
    site.do("canary", B, 50, force=True)
    site.minutes(60)
    assert site.life.book.find(B).state is State.CANARY
    split = {one.version: one for one in site.life.status().split}
    assert split[A].rows + split[B].rows == 600
    assert split[B].devices + split[A].devices == 10
    against = split[B].against_error
    assert against is not None
    assert against.verdict == "no difference shown"


def test_a_model_that_stops_answering_is_rolled_back_once_and_the_pause_is_kept() -> None:
    site = Pumps(QUICK)
    site.do("add", B)
    site.do("shadow", B)
    site.do("promote", B)
    site.minutes(10)
    site.broken = {B}
    site.minutes(10)
    assert site.life.book.active == A
    (found,) = [one for one in site.found if one.kind == "fallback"]
    assert (found.severity, found.statistic, found.version) == ("critical", "failures", B)
    assert found.message.startswith("fell back from pump@2 to pump@1: ")
    site.broken = {A, B}
    site.minutes(50)
    assert len([one for one in site.found if one.kind == "fallback"]) == 1


def test_without_a_former_version_the_chain_answers_and_the_pause_doubles() -> None:
    site = Pumps(QUICK)
    site.minutes(5)
    site.broken = {A}
    begun = site.now_ns
    tried = []
    for _ in range(460):
        before = len(site.found)
        site.minute(labels=False)
        tried += [
            (one.state, (site.now_ns - begun) // STEP_NS) for one in site.found[before:] if one.kind == "fallback"
        ]
    states, times = [one[0] for one in tried], [one[1] for one in tried]
    assert states[:6] == ["raised", "cleared"] * 3
    raised, cleared = times[:6:2], times[1:6:2]
    pauses = [back - down for down, back in zip(raised, cleared, strict=True)]
    assert pauses == [60, 120, 240]


def test_while_the_chain_answers_no_row_is_routed_to_the_broken_version() -> None:
    site = Pumps(QUICK)
    site.minutes(5)
    site.broken = {A}
    site.minutes(20)
    assert site.life.guard.fallen
    before = len(site.heard)
    site.minutes(5)
    assert site.heard[before:] == []
    site.do("add", B)
    site.do("promote", B, force=True)
    site.minute()
    assert site.heard[before:] == [(B, 10)]


def test_labels_that_come_late_are_joined_by_device_and_time() -> None:
    site = Pumps(QUICK)
    site.minutes(30, labels=False)
    assert site.life.status().drift.labelled == 0
    site.life.labelled(
        Label(
            deployment="pump", device="pump-3", start_ns=site.now_ns - 9 * STEP_NS, end_ns=site.now_ns, label="!fault"
        )
    )
    site.minutes(3, labels=False)
    status = site.life.status().drift
    assert status.labelled == 10
    assert status.error is not None
    assert 0 <= status.error < 0.7


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ({"label": "odd"}, "'odd' is no class of this model"),
        ({"device": ""}, "needs a device"),
        ({"end_ns": 1}, "end is before its start"),
        ({"end_ns": 10**18}, "longer than 31 days"),
        ({"comment": "x" * 2_000}, "too long"),
    ],
)
def test_a_label_that_makes_no_sense_is_refused(label: dict[str, object], said: str) -> None:
    wanted = {"deployment": "pump", "device": "pump-1", "start_ns": 5, "end_ns": 9, "label": "fault"} | label
    with pytest.raises(LabelInvalid, match=said):
        require(Label(**wanted), NAMES)  # type: ignore[arg-type]


def test_a_rejected_alert_is_the_other_of_two_classes_and_not_this_one_of_more() -> None:
    assert of_alert("fault", NAMES, confirmed=True) == "fault"
    assert of_alert("fault", NAMES, confirmed=False) == "normal"
    three = ("ok", "inner", "outer")
    assert of_alert("inner", three, confirmed=False) == "!inner"
    nothing = np.zeros(3)
    answers = Answers(nothing, nothing, nothing, np.array([0, 1, -1]), nothing, nothing > 0)
    assert errors_of(answers, value_of("!inner", three), three)[:2].tolist() == [0.0, 1.0]
    assert math.isnan(errors_of(answers, value_of("ok", three), three)[2])
    assert value_of("21.5", ()) == 21.5
    with pytest.raises(LabelInvalid, match="no number"):
        value_of("warm", ())


def test_classes_in_another_order_are_compared_by_name() -> None:
    site = Pumps(QUICK)
    site.wrong = {A: 0.0, B: 1.0, C: 0.0}  # B says the other index, and its names are the other way round
    site.life.knows(B, Facts(labels=NAMES[::-1]))
    site.do("add", B)
    site.do("shadow", B)
    site.minutes(5)
    assert site.life.status().comparisons[0].agreement == 1.0


def test_a_version_with_classes_that_the_deployment_doesnt_know_is_refused() -> None:
    site = Pumps(QUICK)
    site.life.knows(B, Facts(labels=("normal", "leak")))
    site.do("add", B)
    with pytest.raises(ActRefused, match="says leak, which pump doesn't"):
        site.do("shadow", B)


def test_a_snapshot_goes_on_where_it_was_and_rubbish_is_refused() -> None:
    site = Pumps(QUICK)
    site.do("add", B)
    site.do("shadow", B)
    site.minutes(80)
    data = site.life.snapshot()
    other = Pumps(QUICK, site.life.book)
    assert other.life.restore(data)
    then, now = site.life.status(), other.life.status()
    assert now.comparisons == then.comparisons
    assert now.drift.columns == then.drift.columns
    assert other.life.seats.places == site.life.seats.places
    for rubbish in (b"", b"x" * 50, data[:-9]):
        assert not Pumps(QUICK, site.life.book).life.restore(rubbish)


def test_pairs_are_made_by_device_and_time_whatever_the_order_and_the_rest_waits_boundedly() -> None:
    rng = np.random.default_rng(4)
    seat, ts = np.repeat(np.arange(20), 50), np.tile(np.arange(50), 20) * NS_PER_S

    def answers(at: np.ndarray, score: float) -> Answers:
        n = len(at)
        return Answers(seat[at], ts[at], np.full(n, score), np.zeros(n, int), np.zeros(n), np.zeros(n, bool))

    pairs = Pairs(most=300)
    order = rng.permutation(1000)
    pairs.old(answers(order[:600], 1.0))
    pairs.new(answers(rng.permutation(1000), 2.0))
    new, old = pairs.match() or pytest.fail("no pairs")
    assert len(new) == 600
    assert (new.seat == old.seat).all()
    assert (new.ts == old.ts).all()
    assert set(new.score) == {2.0}
    assert pairs.lost == 100
    pairs.old(answers(order[600:], 1.0))
    rest = pairs.match()
    assert rest is not None
    assert len(rest[0]) == 300


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (LifeSettings(confidence=1.0), "confidence"),
        (LifeSettings(drift=DriftSettings(window_s=7_000)), "the window must go"),
        (LifeSettings(drift=DriftSettings(learn=1)), "learn"),
        (LifeSettings(recent=0), "recent"),
    ],
)
def test_settings_that_cant_be_meant_are_refused(settings: LifeSettings, said: str) -> None:
    with pytest.raises(LifeInvalid, match=said):
        Lifecycle("pump", [("x", 1)], {}, settings, np.random.default_rng(1))


def test_a_command_changes_nothing_before_it_is_adopted() -> None:
    site = Pumps(QUICK)
    after = site.life.act(Command("add", B), 5)
    assert after.has(B)
    assert not site.life.book.has(B)

import math
from random import Random

import msgspec
import numpy as np
import pytest
from tests.unit.inference.hybrid.rows import PLACES, results, rows

from holdfast.inference.hybrid.asking import MOST_AT_ONCE, Asking
from holdfast.inference.hybrid.settings import HybridSettings
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.predictions import How
from holdfast.wire.errors import WireError
from holdfast.wire.hybrid import Answered, Wanted, decode_answer, encode_answer, pack_values, values_of, wanted_of

NOW, WALL = 100.0, 1_700_000_000 * NS_PER_S


def asking(**more: object) -> Asking:
    settings = {"model": "big", "below": 0.7, "within": 30.0, "trip_after": 2, **more}
    return Asking("gw", {"pump": HybridSettings(**settings)}, Random(1))  # type: ignore[arg-type]  # by name


def answer_to(event: Event, **more: object) -> Answered:
    facts = {"labels": ("well", "leak"), "label": 1, "score": 0.97, "confidence": 0.98, **more}
    return Answered(event.id, "pump", event.node, event.device, event.ts, "big", "2.1", **facts)  # type: ignore[arg-type]  # by name


def test_an_uncertain_row_becomes_a_question_with_all_that_is_needed_to_answer_it() -> None:
    core, of = asking(), rows([[1.0, 2.5], [3.0, math.nan]])
    core.saw(of, NOW)
    turn = core.said(results(of, [0.9, 0.6]), NOW, WALL)
    (event,) = turn.store
    assert (event.node, event.device, event.ts, event.lane, event.kind) == (
        "gw", "pump-2", 2, Lane.NORMAL, "inference.asked",
    )  # fmt: skip
    again = msgspec.json.decode(msgspec.json.encode(event), type=Event)  # as it travels
    wanted = wanted_of(again.why)
    assert wanted is not None
    assert (wanted.asker, wanted.deployment, wanted.model, wanted.features) == ("gw", "pump", "big", "pump@0011")
    assert np.array_equal(values_of(wanted), [3.0, math.nan], equal_nan=True)
    assert (wanted.until_ns - WALL, wanted.within_s) == (30 * NS_PER_S, 30.0)
    assert (wanted.said.label, wanted.said.confidence, wanted.said.version) == ("well", 0.6, "1.0.0")
    assert (turn.tell, core.desks["pump"].counts.asked, core.desks["pump"].counts.uncertain) == ((), 1, 1)


def test_an_answer_is_a_result_by_the_parent_and_a_label_with_the_row_s_features() -> None:
    core, of = asking(), rows([[1.0], [3.0]])
    core.saw(of, NOW)
    (event,) = core.said(results(of, [0.9, 0.6]), NOW, WALL).store
    turn = core.answered(answer_to(event), NOW + 2.0)
    (found,), (label,) = turn.tell, turn.labels
    assert (found.model, found.version, found.role, found.places) == ("big", "2.1", "active", [PLACES[1]])
    assert (found.ts.tolist(), found.how.tolist(), found.labels) == ([2], [How.PARENT], ("well", "leak"))
    assert (found.predictions.label.tolist(), found.predictions.score.tolist()) == ([1], [0.97])
    assert found.latency.tolist() == [2.0]
    assert (label.label, label.confidence, label.by) == ("leak", 0.98, "parent:big@2.1")
    assert label.values is not None
    assert label.values.tolist() == [3.0]
    assert core.desks["pump"].counts.answered == 1


def test_rows_like_one_that_was_answered_are_answered_from_memory() -> None:
    core, first = asking(), rows([[10.01]])
    core.saw(first, NOW)
    (event,) = core.said(results(first, [0.1]), NOW, WALL).store
    like = rows([[10.02]], 5)
    core.saw(like, NOW)
    assert core.said(results(like, [0.1]), NOW, WALL).store == ()  # one is asked already
    core.answered(answer_to(event), NOW + 1)
    turn = core.said(results(like, [0.1]), NOW + 1, WALL)
    assert turn.store == ()
    assert (turn.tell[0].ts.tolist(), turn.tell[0].how.tolist()) == ([5], [How.PARENT])
    other = rows([[10.9]], 9)
    core.saw(other, NOW)
    assert len(core.said(results(other, [0.1]), NOW + 1, WALL).store) == 1
    counts = core.desks["pump"].counts
    assert (counts.shared, counts.cached, counts.asked, counts.uncertain) == (1, 1, 2, 4)


def test_where_nobody_answers_nothing_is_asked_and_local_results_stand() -> None:
    core = asking()
    for ts in (1, 2):
        of = rows([[float(ts)]], ts)
        core.saw(of, NOW)
        assert len(core.said(results(of, [0.1]), NOW, WALL).store) == 1
    core.turn(NOW + 30.0)
    assert core.is_alone("pump")
    of = rows([[9.0]], 9)
    core.saw(of, NOW + 30)
    assert core.said(results(of, [0.1]), NOW + 30, WALL).store == ()
    counts = core.desks["pump"].counts
    assert (counts.expired, counts.alone) == (2, 1)
    late = Answered("gone", "pump", "gw", "pump-1", 1, "big", "1", ("a",), 0, 0.5, 0.5)
    assert core.answered(late, NOW + 31).tell[0].how.tolist() == [How.PARENT]
    assert not core.is_alone("pump")
    assert counts.late == 1


def test_a_refusal_counts_against_the_one_who_refuses_and_is_remembered() -> None:
    core = asking(trip_after=1)
    of = rows([[1.0]])
    core.saw(of, NOW)
    (event,) = core.said(results(of, [0.1]), NOW, WALL).store
    refusal = Answered(event.id, "pump", "gw", "pump-1", 1, failed="there is no model big here")
    assert core.answered(refusal, NOW) == core.answered(refusal, NOW)
    desk = core.desks["pump"]
    assert (desk.detail, desk.counts.refused, core.is_alone("pump")) == ("there is no model big here", 1, True)


def test_what_must_not_leave_is_forgotten_and_does_not_block_the_next_probe() -> None:
    core = asking(trip_after=1)
    of = rows([[1.0]])
    core.saw(of, NOW)
    (event,) = core.said(results(of, [0.1]), NOW, WALL).store
    core.turn(NOW + 30)
    later = NOW + 2_000.0
    for ts in (5, 6):
        of = rows([[float(ts)]], ts)
        core.saw(of, later)
        (event,) = core.said(results(of, [0.1]), later, WALL).store
        core.forgot(event)
    counts = core.desks["pump"].counts
    assert (counts.kept, counts.asked, len(core.desks["pump"].book)) == (2, 1, 0)


def test_rows_whose_features_are_gone_or_too_many_or_too_often_are_counted() -> None:
    core = asking(per_minute=3)
    assert core.said(results(rows([[1.0]]), [0.1]), NOW, WALL).store == ()
    many = rows([[float(n)] for n in range(100)], 1_000)
    core.saw(many, NOW)
    assert len(core.said(results(many, [0.1] * 100), NOW, WALL).store) == 3
    counts = core.desks["pump"].counts
    assert (counts.lost, counts.bounded) == (1, 100 - 3)
    assert MOST_AT_ONCE < 100
    wide = rows([[0.0] * 9_000], 5_000)
    core.saw(wide, NOW + 60)
    assert core.said(results(wide, [0.1]), NOW + 60, WALL).store == ()
    assert counts.lost == 2
    assert core.said(results(rows([[1.0]], deployment="other"), [0.1]), NOW, WALL).store == ()


@pytest.mark.parametrize("size", [1, 256, 257, 8_192])
def test_values_travel_as_they_are_or_as_models_take_them(size: int) -> None:
    values = np.linspace(-1.0, 1.0, size)
    packed, kind = pack_values(values)
    found = values_of(Wanted("gw", "pump", "big", "f", packed, kind, 1, 1.0))
    assert np.array_equal(found, values if size <= 256 else values.astype(np.float32))


@pytest.mark.parametrize("packed", ["", "?", "AAAA", "A" * 7])
def test_values_that_make_no_sense_are_refused(packed: str) -> None:
    with pytest.raises(WireError):
        values_of(Wanted("gw", "pump", "big", "f", packed, "f8", 1, 1.0))


@pytest.mark.parametrize("why", [{}, {"wanted": 1}, {"wanted": {"deployment": "x"}}, {"wanted": {"asker": ""}}])
def test_a_question_of_another_version_is_no_question(why: dict[str, object]) -> None:
    assert wanted_of(why) is None


@pytest.mark.parametrize("params", [b"", b"{}", b"[", b"\xff", b"[" * 10_000])
def test_an_answer_of_another_version_is_no_answer(params: bytes) -> None:
    assert decode_answer(params) is None
    whole = Answered("q", "pump", "gw", "p", 1, labels=("a",), label=0)
    assert decode_answer(encode_answer(whole)) == whole
    assert decode_answer(encode_answer(msgspec.structs.replace(whole, label=1))) is None

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.inference.hybrid.rows import results, rows

from holdfast.inference.hybrid.book import Book, Question
from holdfast.inference.hybrid.cache import AnswerCache, in_digits, key_of
from holdfast.inference.hybrid.gate import uncertain
from holdfast.inference.hybrid.recent import Recent
from holdfast.inference.hybrid.settings import HybridSettings
from holdfast.inference.hybrid.trust import Phase, Trust
from holdfast.model.features import UNUSABLE
from holdfast.model.predictions import How
from holdfast.wire.hybrid import Answered, Said


def question(number: int, key: bytes = b"", now: float = 0.0) -> Question:
    return Question(f"q{number}", "pump", "gw", "pump-1", number, key or b"%d" % number, Said(), now, now + 10)


def test_what_is_said_with_little_confidence_or_lies_in_the_band_is_uncertain() -> None:
    said = results(rows([[0.0]] * 5), [0.69, 0.7, math.nan, 0.1, 0.9], [0.1, 0.4, 0.5, 0.6, math.nan])
    below = HybridSettings(model="big", below=0.7)
    band = HybridSettings(model="big", between=(0.4, 0.6))
    both = HybridSettings(model="big", below=0.7, between=(0.4, 0.6))
    assert uncertain(said, below).tolist() == [True, False, False, True, False]
    assert uncertain(said, band).tolist() == [False, True, True, True, False]
    assert uncertain(said, both).tolist() == [True, True, True, True, False]


def test_only_what_the_model_itself_said_of_good_rows_and_acts_on_is_asked_about() -> None:
    said = results(rows([[0.0]] * 3), [0.1, 0.1, 0.1])
    settings = HybridSettings(model="big", below=0.7)
    said.how[0], said.flags[1] = How.LAST, UNUSABLE
    assert uncertain(said, settings).tolist() == [False, False, True]
    shadow = results(rows([[0.0]]), [0.1], role="shadow")
    assert not uncertain(shadow, settings).any()


@pytest.mark.parametrize(
    "wrong", [{}, {"below": 0.5, "within": 0.0}, {"between": (0.6, 0.4)}, {"between": (math.nan, 1.0)}]
)
def test_settings_that_ask_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="`"):
        HybridSettings(model="big", **wrong)  # type: ignore[arg-type]  # that's what is tried


@given(st.lists(st.floats(), min_size=1, max_size=20))
def test_digits_say_each_value_by_its_own_size_and_are_stable(values: list[float]) -> None:
    said = in_digits(np.array(values), 3)
    found = np.array([float(one) for one in said.split()])
    normal = np.isfinite(found) & (np.abs(values) >= np.finfo(np.float64).tiny)
    assert np.all(np.abs(found[normal] - np.array(values)[normal]) <= 0.00501 * np.abs(np.array(values)[normal]))
    assert np.array_equal(np.isnan(found), np.isnan(values))
    assert in_digits(found, 3) == said or np.isinf(found[~np.isinf(values)]).any()


def test_rows_that_agree_in_their_digits_are_the_same_and_others_are_not() -> None:
    def key(*values: float, model: str = "big", features: str = "f@1") -> bytes:
        return key_of(model, features, np.array(values), 3)

    assert key(1.2341, -0.0, math.nan) == key(1.2339, 0.0, -math.nan)
    assert len({key(1.23), key(1.24), key(12.3), key(1.23, 0.0), key(1.23, model="b"), key(1.23, features="g")}) == 6
    assert key(1e-320) == key(0.0)
    assert key(math.inf) != key(-math.inf)


def test_answers_are_kept_for_a_while_the_longest_unused_go_first() -> None:
    cache, answer = AnswerCache(2, 10.0), Answered("q", "pump", "gw", "pump-1", 1, "big", "1")
    for key in (b"a", b"b"):
        cache.put(key, answer, 0.0)
    assert cache.get(b"a", 1.0) is answer
    cache.put(b"c", answer, 1.0)
    assert [cache.get(key, 2.0) is not None for key in (b"a", b"b", b"c")] == [True, False, True]
    assert cache.get(b"a", 10.0) is None
    cache.put(b"d", Answered("q", "pump", "gw", "pump-1", 1, "big", "2"), 3.0)
    assert (len(cache), cache.get(b"c", 3.0)) == (1, None)  # another version: it knows better now
    nothing = AnswerCache(0, 10.0)
    nothing.put(b"a", answer, 0.0)
    assert len(nothing) == 0


def test_features_are_kept_for_a_while_and_found_by_their_row() -> None:
    recent = Recent(most_bytes=2 * 16, lasts_s=10.0)
    recent.keep(rows([[1.0], [2.0]], 1), 0.0)
    recent.keep(rows([[3.0], [4.0]], 3), 1.0)
    assert recent.find("pump", ("gw", "pump-2"), 2) is not None
    features, values = recent.find("pump", ("gw", "pump-1"), 3) or ("", np.zeros(0))
    assert (features, values.tolist()) == ("pump@0011", [3.0])
    assert recent.find("pump", ("gw", "pump-2"), 3) is None
    assert recent.find("other", ("gw", "pump-1"), 3) is None
    recent.keep(rows([[5.0], [6.0]], 5), 2.0)
    assert recent.find("pump", ("gw", "pump-1"), 1) is None  # too many bytes
    recent.keep(rows([[7.0]], 7), 13.0)
    assert recent.find("pump", ("gw", "pump-1"), 5) is None  # too old
    assert recent.bytes == 8


def test_questions_are_bounded_a_minute_and_in_number() -> None:
    book = Book(per_minute=2, most_open=100)
    assert book.may_begin(0.0)
    book.begin(question(1))
    book.begin(question(2))
    assert not book.may_begin(0.0)
    assert book.may_begin(30.0)
    few = Book(per_minute=100, most_open=1)
    few.begin(question(1))
    assert not few.may_begin(1.0)
    assert few.end("q1") is not None
    assert few.may_begin(1.0)
    assert few.end("q1") is None


def test_a_question_expires_and_rows_like_it_may_be_asked_again() -> None:
    book = Book(per_minute=100)
    book.begin(question(1, b"k"))
    assert (book.waits_for(b"k"), book.has("q1"), len(book)) == (True, True, 1)
    assert book.expire(9.9) == []
    assert [one.id for one in book.expire(10.0)] == ["q1"]
    assert (book.waits_for(b"k"), book.has("q1"), len(book)) == (False, False, 0)


def test_nobody_is_asked_after_failures_but_one_at_a_time() -> None:
    trust = Trust(3, Random(1), (10.0, 100.0))
    for _ in range(3):
        assert trust.may_ask(0.0)
        trust.asked()
        trust.failed(0.0)
    assert (trust.phase, trust.may_ask(9.9)) == (Phase.OPEN, False)
    trust.failed(1.0)  # asked before: it mustn't make the pause longer
    now = 31.0
    assert trust.may_ask(now)
    trust.asked()
    assert (trust.phase, trust.may_ask(now)) == (Phase.HALF_OPEN, False)
    trust.unasked()
    assert trust.may_ask(now)
    trust.asked()
    trust.failed(now)
    assert (trust.phase, trust.may_ask(now + 9.9)) == (Phase.OPEN, False)
    trust.answered()  # late, but somebody is there
    assert trust.may_ask(now)

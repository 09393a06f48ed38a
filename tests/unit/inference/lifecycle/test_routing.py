"""Which version serves which device: sticky, conserving, and moving no more devices than it must."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.inference.lifecycle.dealing import SLOTS, deal, expanded, slot_of
from holdfast.inference.lifecycle.routing import Router, Seats
from holdfast.inference.lifecycle.states import Book, Command, apply
from holdfast.model.features import FeatureRows, no_flags

A, B, C = "pump@1", "pump@2", "pump@3"


def rows_of(places: list[tuple[str, str]], key: list[int] | None = None) -> FeatureRows:
    keys = np.array(list(range(len(places))) if key is None else key, np.int32)
    n = len(keys)
    return FeatureRows("f@0", "pump", places, keys, np.arange(n), np.zeros((n, 1)), no_flags(n), 0.0)


def book_of(*commands: Command) -> Book:
    book = Book("pump")
    for at, one in enumerate((Command("add", A), Command("promote", A, force=True), *commands), 1):
        book = apply(book, one, at)
    return book


def canary(percent: float, ref: str = B) -> list[Command]:
    return [Command("add", ref), Command("canary", ref, percent, force=True)]


def routed(book: Book, places: list[tuple[str, str]], **more: bool) -> dict[str, set[str]]:
    router = Router("pump", "", Seats(), paired=False)
    router.adopt(book)
    acting = router.route(rows_of(places), **more).acting
    return {one.version: {places[at][1] for at in np.flatnonzero(one.rows)} for one in acting}


PLACES = [("gw", f"pump-{n}") for n in range(2_000)]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([B, C]), st.floats(0.01, 50)), max_size=6), st.lists(st.integers(0, 99)))
def test_every_row_is_served_by_exactly_one_acting_version(shares: list[tuple[str, float]], keys: list[int]) -> None:
    book = book_of(Command("add", B), Command("add", C))
    for ref, percent in shares:
        book = apply(book, Command("canary", ref, percent, force=True), 9)
    router = Router("pump", "", Seats())
    router.adopt(book)
    found = router.route(rows_of(PLACES[:100], keys))
    counted = np.sum([one.rows for one in found.acting], axis=0) if found.acting else np.zeros(len(keys))
    assert (counted == 1).all()
    assert all(one.all == bool(one.rows.all()) for one in found.acting if len(keys))
    names = [one.version for one in found.acting]
    assert len(set(names)) == len(names)


@settings(max_examples=30)
@given(st.lists(st.dictionaries(st.sampled_from([B, C]), st.floats(0, 50), max_size=2), min_size=1, max_size=8))
def test_a_change_of_shares_moves_exactly_as_many_slots_as_it_must(steps: list[dict[str, float]]) -> None:
    slots = deal((), {}, A)
    for shares in steps:
        before, slots = expanded(slots), deal(slots, shares, A)
        after = expanded(slots)
        held = {ref: (before.count(ref), after.count(ref)) for ref in {*before, *after}}
        assert sum(b != a for b, a in zip(before, after, strict=True)) == sum(max(0, a - b) for b, a in held.values())
        for ref, percent in shares.items():
            assert after.count(ref) == round(percent * SLOTS / 100)


def test_raising_a_canary_only_adds_devices_and_lowering_it_gives_the_same_ones_back() -> None:
    ten = book_of(*canary(10))
    thirty = apply(ten, Command("canary", B, 30), 9)
    again = apply(thirty, Command("canary", B, 10), 10)
    of_ten, of_thirty = routed(ten, PLACES)[B], routed(thirty, PLACES)[B]
    assert of_ten < of_thirty
    assert routed(again, PLACES)[B] == of_ten
    assert 0.07 < len(of_ten) / len(PLACES) < 0.13


def test_a_device_stays_with_its_version_whatever_the_batch_the_order_or_a_restart() -> None:
    book = book_of(*canary(25))
    whole = routed(book, PLACES)[B]
    one, other = Router("pump", "", Seats()), Router("pump", "", Seats())
    one.adopt(book)
    other.adopt(book)
    for at in (PLACES[::-1], PLACES[5:500], PLACES[:1]):
        for router in (one, other):
            rows = rows_of(at, [n % len(at) for n in range(700)])
            found = {x.version: x.rows for x in router.route(rows).acting}
            mine = found.get(B, np.zeros(700, bool))
            assert [at[k][1] in whole for k in rows.key] == mine.tolist()


def test_a_growing_list_of_places_is_looked_up_once_and_still_right() -> None:
    book, places = book_of(*canary(50)), PLACES[:10]
    seats = Seats()
    router = Router("pump", "", seats)
    router.adopt(book)
    router.route(rows_of(places))
    places += PLACES[10:40]
    found = {one.version: one.rows for one in router.route(rows_of(places)).acting}
    assert {places[at][1] for at in np.flatnonzero(found[B])} == routed(book, PLACES[:40])[B]
    assert seats.places == PLACES[:40]


def test_another_salt_deals_other_devices() -> None:
    mine = {device for node, device in PLACES if slot_of("pump", "", node, device) < 1_000}
    others = {device for node, device in PLACES if slot_of("pump", "x", node, device) < 1_000}
    assert len(mine & others) < len(mine) / 2


def test_shadows_see_every_row_and_never_act_and_the_active_version_runs_beside_canaries() -> None:
    book = book_of(*canary(20), Command("add", C), Command("shadow", C))
    router = Router("pump", "", Seats())
    router.adopt(book)
    found = router.route(rows_of(PLACES))
    assert {one.version for one in found.acting} == {A, B}
    shadow, beside = found.shadows
    assert (shadow.version, shadow.all) == (C, True)
    of_canary = next(one.rows for one in found.acting if one.version == B)
    assert beside.version == A
    assert (beside.rows == of_canary).all()


def test_in_a_fallback_nothing_acts_and_shadows_run_on() -> None:
    router = Router("pump", "", Seats())
    router.adopt(book_of(Command("add", B), Command("shadow", B)))
    found = router.route(rows_of(PLACES), fallback=True)
    assert (found.acting, found.fallback, [one.version for one in found.shadows]) == ((), True, [B])


def test_places_beyond_the_bound_share_the_last_seat() -> None:
    seats = Seats(most=3)
    found = seats.of(PLACES[:6], np.arange(6, dtype=np.int32))
    assert found.tolist() == [0, 1, 2, 2, 2, 2]

from holdfast.ingest.receive import Apply, Held, advanced, decide
from holdfast.journal.records import Bound, Branch, Mark
from holdfast.model.lane import Lane
from holdfast.wire.messages import BatchHeader, BatchReply

C = {n: bytes([n]) * 16 for n in range(0, 100, 10)}
"""The child's chain after seq n."""


def peer(wm: int, *, session: int = 7, known: int = 5) -> Branch:
    marks = (Mark(), Mark(), Mark(wm, C[wm]))
    return Branch("gw", session=session, series_known=known, marks=marks)


def header(first: int, last: int, *, session: int = 7, series_from: int = 5) -> BatchHeader:
    bounds = tuple(range(first + 9, last + 1, 10))
    return BatchHeader(
        session, Lane.BULK, first, last, C[first - 1], C[last], "readings", bounds=bounds, series_from=series_from
    )


def chains(h: BatchHeader) -> list[bytes]:
    return [C[b] for b in h.bounds]


def test_the_next_batch_is_applied_whole() -> None:
    h = header(21, 40)
    assert decide(peer(20), h, chains(h)) == Apply(0, 0)


def test_a_batch_that_is_held_already_is_acked_again_and_changes_nothing() -> None:
    h = header(1, 20)
    assert decide(peer(40), h, chains(h)) == BatchReply("duplicate", applied=40, series_known=5)
    assert decide(peer(20), h, chains(h)) == BatchReply("duplicate", applied=20, series_known=5)


def test_a_hole_is_refused_with_what_is_expected() -> None:
    h = header(31, 40)
    assert decide(peer(20), h, chains(h)) == BatchReply("expected", applied=20, expected=21, series_known=5)


def test_series_that_were_never_defined_are_asked_for() -> None:
    h = header(21, 40, series_from=9)
    reply = decide(peer(20), h, chains(h))
    assert reply == BatchReply("expected", applied=20, expected=21, series_known=5)


def test_an_overlap_is_trimmed_at_the_groups_bound() -> None:
    h = header(1, 40)
    assert decide(peer(20), h, chains(h)) == Apply(2, 20)


def test_an_old_session_is_fenced() -> None:
    h = header(21, 40, session=6)
    assert decide(peer(20), h, chains(h)) == BatchReply("fenced", applied=20, session=7)


def test_rows_that_do_not_hash_to_their_chain_are_never_stored() -> None:
    h = header(21, 40)
    reply = decide(peer(20), h, [C[30], C[50]])
    assert isinstance(reply, BatchReply)
    assert reply.status == "diverged"


def test_another_history_is_never_stored_wherever_it_meets_ours() -> None:
    ours = Branch("gw", session=7, series_known=5, marks=(Mark(), Mark(), Mark(20, b"x" * 16)))
    for first, last in ((21, 40), (1, 20), (1, 40)):
        h = header(first, last)
        reply = decide(ours, h, chains(h))
        assert isinstance(reply, BatchReply), (first, last)
        assert reply.status == "diverged", (first, last)
    inside = Branch("gw", session=7, series_known=5, marks=(Mark(), Mark(), Mark(15, b"x" * 16)))
    h = header(1, 40)
    reply = decide(inside, h, chains(h))
    assert isinstance(reply, BatchReply)
    assert "not a bound" in reply.detail


def test_rows_that_another_branch_of_the_child_brought_are_not_stored_twice() -> None:
    h = header(21, 50)
    assert decide(peer(20), h, chains(h), [Held(40)]) == Apply(2, 0, 20)
    assert decide(peer(20), h, chains(h), [Held(30), Held(90)]) == Apply(3, 0, 30)
    assert decide(peer(20), h, chains(h), [Held(20), Held(25)]) == Apply(0, 0)


def test_a_gap_that_was_partly_taken_already_is_taken_from_there() -> None:
    h = BatchHeader(7, Lane.BULK, 1, 40, C[0], C[40], "gaps", bounds=(15, 40))
    assert decide(peer(20), h, [C[40]] * 2) == Apply(1, 20)


def test_the_account_of_a_mark_always_adds_up() -> None:
    mark = Mark(20, C[20], start=5, rows=15)
    h = header(21, 50)
    after = advanced(mark, h, Apply(2, 0, 20), 0)
    assert after.wm - after.start == after.rows + after.gap_rows + after.shared
    assert (after.wm, after.rows, after.shared, after.bounds[-1]) == (50, 25, 20, Bound(50, C[50]))

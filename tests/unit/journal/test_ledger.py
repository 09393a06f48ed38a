from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from holdfast.journal.accounts import Accounts, BranchAccount, LaneAccount
from holdfast.journal.ledger import Ledger, balance
from holdfast.journal.parent import ACCOUNT, Account
from holdfast.journal.records import Gap, GapReason
from holdfast.model.lane import Lane

COUNTS = st.integers(0, 10**9)


def lanes(rows: tuple[int, int, int], delivered: tuple[int, int, int] = (0, 0, 0)) -> tuple[LaneAccount, ...]:
    return tuple(LaneAccount(lane, n, sent, 0) for lane, n, sent in zip(Lane, rows, delivered, strict=False))


def parented(counters: dict[str, int], *found: LaneAccount, account: Account | None = None) -> Ledger:
    meta = {} if account is None else {ACCOUNT: account.encode()}
    return balance(Accounts(counters, meta, found), has_parent=True)


@given(COUNTS, COUNTS, COUNTS, st.tuples(COUNTS, COUNTS, COUNTS), st.sampled_from(["to a parent", "nowhere"]))
def test_an_honest_node_balances(
    accepted: int, stale: int, duplicate: int, rows: tuple[int, int, int], delivers: str
) -> None:
    counters = {
        "messages_received": accepted + stale + duplicate,
        "messages_accepted": accepted,
        "messages_rejected.stale": stale,
        "messages_rejected.duplicate": duplicate,
        "readings_accepted": rows[2],
        "events_accepted": rows[0],
        "ingest_rows.lane1": rows[1],
        **{f"rows_committed.lane{i}": n for i, n in enumerate(rows)},
    }
    top = delivers == "nowhere"
    sent = (0, 0, 0) if top else (rows[0] // 2, rows[1] // 2, rows[2] // 2)
    ledger = balance(Accounts(counters, {}, lanes(rows, sent)), has_parent=not top)
    assert ledger.balanced
    assert (ledger.messages.quarantined, ledger.messages.duplicates) == (stale, duplicate)
    for lane, n in zip(ledger.lanes, rows, strict=True):
        assert lane.delivered + lane.pending + lane.kept == n
        assert (lane.kept == n) if top else (lane.kept == 0)


def test_a_message_that_is_neither_accepted_nor_rejected_shows() -> None:
    ledger = balance(Accounts({"messages_received": 5, "messages_accepted": 4}, {}, lanes((0, 0, 0))), has_parent=False)
    assert (ledger.messages.residual, ledger.balanced) == (1, False)


def test_rows_that_were_counted_but_never_stored_show() -> None:
    ledger = parented({"readings_accepted": 5, "rows_committed.lane2": 5}, *lanes((0, 0, 4), (0, 0, 1)))
    assert (ledger.lanes[2].residual, ledger.balanced) == (1, False)


def test_rows_from_nowhere_show() -> None:
    found = Accounts({"readings_accepted": 3, "rows_committed.lane2": 4}, {}, lanes((0, 0, 4)))
    assert (balance(found, has_parent=False).rows.residual, balance(found, has_parent=False).balanced) == (-1, False)


def gap(first: int, last: int, reason: GapReason = GapReason.DISK) -> Gap:
    return Gap(Lane.BULK, first, last, 100, reason, 1, 2, 3)


def test_shed_rows_are_gone_with_a_reason_and_the_rest_still_adds_up() -> None:
    counters = {"readings_accepted": 100, "rows_committed.lane2": 100, "rows_shed.lane2.disk": 30}
    bulk = LaneAccount(Lane.BULK, 100, 20, 0, (gap(21, 50),))
    ledger = parented(counters, *lanes((0, 0, 0))[:2], bulk)
    assert ledger.balanced
    row = ledger.lanes[2]
    assert (row.delivered, row.pending, row.shed) == (20, 50, {"disk": 30})
    assert [(g.first, g.last, g.rows) for g in ledger.gaps] == [(21, 50, 30)]
    uncounted = replace(bulk, gaps=())
    assert not parented(counters, *lanes((0, 0, 0))[:2], uncounted).balanced


def test_a_gap_that_was_delivered_counts_once() -> None:
    counters = {"readings_accepted": 100, "rows_committed.lane2": 100, "rows_shed.lane2.disk": 30}
    bulk = LaneAccount(Lane.BULK, 100, 60, 0, (gap(21, 50),))
    ledger = parented(counters, *lanes((0, 0, 0))[:2], bulk, account=Account(gap_rows=(0, 0, 30)))
    assert ledger.balanced
    assert (ledger.lanes[2].delivered, ledger.lanes[2].pending, ledger.lanes[2].late) == (30, 40, 0)


def test_rows_that_were_shed_on_their_way_count_as_delivered() -> None:
    counters = {"readings_accepted": 100, "rows_committed.lane2": 100, "rows_shed.lane2.disk": 30}
    bulk = LaneAccount(Lane.BULK, 100, 60, 0, (gap(21, 50),))
    ledger = parented(counters, *lanes((0, 0, 0))[:2], bulk, account=Account(gap_rows=(0, 0, 10)))
    assert ledger.balanced
    assert (ledger.lanes[2].delivered, ledger.lanes[2].late) == (50, 20)


def test_rows_that_are_not_in_the_file_show_when_they_are_counted() -> None:
    counters = {"readings_accepted": 100, "rows_committed.lane2": 100}
    bulk = LaneAccount(Lane.BULK, 100, 0, 0, (), 90)
    assert balance(Accounts(counters, {}, (*lanes((0, 0, 0))[:2], bulk)), has_parent=False).lanes[2].residual == 10


def test_a_childs_branch_must_add_up_too() -> None:
    child = BranchAccount("gw", 1, 2, 90, 40, 30, 15, 5, 95, suspect=False)
    found = balance(Accounts({}, {}, lanes((0, 0, 0)), (child,)), has_parent=False)
    assert found.balanced
    assert (found.children[0].unseen, found.children[0].residual) == (5, 0)
    wrong = replace(child, rows=29)
    assert not balance(Accounts({}, {}, lanes((0, 0, 0)), (wrong,)), has_parent=False).balanced

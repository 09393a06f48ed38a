from hypothesis import given
from hypothesis import strategies as st

from holdfast.web.ledger import balance

COUNTS = st.integers(0, 10**9)


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
    ledger = balance(counters, rows, None if top else [n // 2 for n in rows])
    assert ledger.balanced
    assert (ledger.messages.quarantined, ledger.messages.duplicates) == (stale, duplicate)
    for lane, n in zip(ledger.lanes, rows, strict=True):
        assert lane.delivered + lane.pending + lane.kept == n
        assert (lane.kept == n) if top else (lane.kept == 0)


def test_a_lost_message_shows() -> None:
    ledger = balance({"messages_received": 5, "messages_accepted": 4}, [0, 0, 0], None)
    assert ledger.messages.residual == 1
    assert not ledger.balanced


def test_a_lost_row_shows_in_its_lane() -> None:
    ledger = balance({"readings_accepted": 5, "rows_committed.lane2": 5}, [0, 0, 4], [0, 0, 1])
    assert [lane.residual for lane in ledger.lanes] == [0, 0, 1]
    assert not ledger.balanced


def test_a_row_that_was_never_committed_shows() -> None:
    ledger = balance({"readings_accepted": 5, "rows_committed.lane2": 4}, [0, 0, 4], None)
    assert ledger.rows.residual == 1
    assert not ledger.balanced

"""Who has which messages in hand."""

from holdfast.journal.queued import Queued
from holdfast.queues.leases import Leases, culprits


def queued(place: int, source: str) -> Queued:
    return Queued(place, source, place, bytes(16), 0, 0, "", b"")


def test_a_source_is_with_one_lease_until_all_of_it_is_done() -> None:
    leases = Leases(10.0)
    leases.open("x", "app", [queued(1, "a"), queued(2, "a"), queued(3, "b")], 0.0)
    assert (leases.busy(), len(leases)) == (["a", "b"], 3)
    leases.done("x", [1, 3])
    assert leases.busy() == ["a"]
    leases.done("x", [2, 9])
    leases.done("x", [2])
    assert (leases.busy(), len(leases), leases.next_end()) == ([], 0, None)


def test_a_lease_is_prolonged_by_who_holds_it_and_by_nobody_else() -> None:
    leases = Leases(10.0)
    leases.open("x", "app", [queued(1, "a")], 0.0)
    assert leases.held("x", "app", [1], 9.0)
    assert leases.next_end() == 19.0
    assert not leases.held("x", "other", [1], 9.0)
    assert not leases.held("x", "app", [1, 2], 9.0)
    assert not leases.held("y", "app", [1], 9.0)
    assert not leases.held("x", "app", [1], 19.0)


def test_what_ran_out_is_taken_away_and_the_first_of_each_source_counts_as_tried() -> None:
    leases = Leases(10.0)
    leases.open("x", "app", [queued(1, "a"), queued(2, "b"), queued(3, "a")], 0.0)
    leases.open("y", "app", [queued(4, "c")], 5.0)
    assert leases.expired(9.0) == []
    (over,) = leases.expired(10.0)
    assert culprits(over) == [1, 2]
    assert leases.busy() == ["c"]


def test_a_message_given_back_frees_what_follows_of_its_source() -> None:
    leases = Leases(10.0)
    leases.open("x", "app", [queued(1, "a"), queued(2, "b"), queued(3, "a")], 0.0)
    leases.give_back("x", 1)
    leases.give_back("gone", 1)
    assert leases.busy() == ["b"]

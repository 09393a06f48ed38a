"""Refused messages in a real journal file: found by filter, taken out and re-labelled inside a commit."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.quarantine import MOST_BYTES, QuarantineFilter, topic_matcher
from holdfast.journal.records import QuarantineRow
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock

R = TypeVar("R")


def refused(number: int, reason: str = "stale", payload: bytes = b"x", topic: str = "a/b") -> QuarantineRow:
    return QuarantineRow(0, number, f"client-{number % 2}", topic, reason, "detail", payload)


def with_journal(
    folder: Path, messages: list[QuarantineRow], body: Callable[[Journal], R], write: Callable[[Transaction], None]
) -> R:
    async def run() -> R:
        journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), ManualClock())
        try:
            await journal.submit(lambda t: t.quarantine(messages, 100))
            await journal.submit(write)
            return body(journal)
        finally:
            journal.close()

    return asyncio.run(run())


def nothing(_: Transaction) -> None:
    return


@pytest.mark.parametrize(
    ("pattern", "topic", "matches"),
    [
        ("acme/+/up", "acme/one/up", True),
        ("acme/+/up", "acme/one/two/up", False),
        ("acme/#", "acme/one/up", True),
        ("acme/#", "acme", True),
        ("acme/#", "acmes", False),
        ("#", "anything/at/all", True),
        ("acme*up", "acme/one/up", True),
        ("a.b", "axb", False),
    ],
)
def test_topic_patterns_are_mqtt_filters_and_stars(pattern: str, topic: str, *, matches: bool) -> None:
    assert topic_matcher(pattern)(topic) is matches


def test_messages_are_found_newest_first_and_paged_by_id(tmp_path: Path) -> None:
    rows = [refused(i) for i in range(1, 8)]
    pages = with_journal(
        tmp_path, rows, lambda j: [[r.id for r in j.quarantined(3, before=b)] for b in (100, 5, 2)], nothing
    )
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]


def test_each_filter_narrows_the_search(tmp_path: Path) -> None:
    rows = [refused(1), refused(2, "malformed"), refused(3, topic="c/d"), refused(4)]
    filters = {
        QuarantineFilter(reason="malformed"): [2],
        QuarantineFilter(source="client-1"): [1, 3],
        QuarantineFilter(topic="c/+"): [3],
        QuarantineFilter(since_ns=3): [3, 4],
        QuarantineFilter(ids=(4, 1, 99)): [1, 4],
        QuarantineFilter(reason="stale", since_ns=2): [3, 4],
    }
    found = with_journal(
        tmp_path, rows, lambda j: [[r.id for r in j.quarantined_after(0, 9, f)] for f in filters], nothing
    )
    assert found == list(filters.values())


def test_a_page_of_large_messages_is_cut_but_never_empty(tmp_path: Path) -> None:
    rows = [refused(1, payload=bytes(MOST_BYTES + 1)), refused(2), refused(3, payload=bytes(MOST_BYTES))]
    pages = with_journal(
        tmp_path,
        rows,
        lambda j: [[r.id for r in j.quarantined_after(a, 9, QuarantineFilter())] for a in (0, 1)],
        nothing,
    )
    assert pages == [[1], [2]]


def test_taking_and_relabelling_tell_which_messages_were_there(tmp_path: Path) -> None:
    told: list[set[int]] = []

    def write(transaction: Transaction) -> None:
        told.append(transaction.take_quarantined([1, 3, 9]))
        told.append(transaction.requalify([(2, "malformed", "new"), (3, "malformed", "gone")]))

    rows = with_journal(tmp_path, [refused(i) for i in (1, 2, 3)], lambda j: j.quarantined(9), write)
    assert told == [{1, 3}, {2}]
    assert [(r.id, r.reason, r.detail) for r in rows] == [(2, "malformed", "new")]

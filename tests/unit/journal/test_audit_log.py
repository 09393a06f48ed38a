"""The audit of people: a chain that shows what was changed, and stays bounded."""

from pathlib import Path

import pytest
from tests.unit.journal.kept import NOW, a_store, do

from holdfast.journal import audit_log, register
from holdfast.journal.store import Store

DAY = 86_400 * 10**9


def a_log(folder: Path, lines: int = 5) -> Store:
    store = a_store(folder)
    for n in range(lines):
        do(store, lambda tx: audit_log.write(tx, NOW + n, {"who": "ann" if n % 2 else "bob", "what": f"n{n}"}))  # noqa: B023  # done now
    return store


def test_lines_come_newest_first_page_by_page_and_of_one_person(tmp_path: Path) -> None:
    store = a_log(tmp_path)
    found = audit_log.page(store.db, 1 << 36, 3)
    assert [(one.id, one.body["what"], one.is_whole) for one in found] == [
        (5, "n4", True),
        (4, "n3", True),
        (3, "n2", True),
    ]
    assert [one.id for one in audit_log.page(store.db, 3, 9)] == [2, 1]
    assert [one.id for one in audit_log.page(store.db, 1 << 36, 9, "ann")] == [4, 2]
    assert audit_log.broken_at(store.db) == 0


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("""UPDATE audit_log SET body = '{"who":"eve"}' WHERE id = 3""", 3),
        ("UPDATE audit_log SET at_ns = at_ns + 1 WHERE id = 1", 1),
        ("DELETE FROM audit_log WHERE id = 3", 4),
        ("DELETE FROM audit_log WHERE id = 3; UPDATE audit_log SET id = id - 1 WHERE id > 3", 3),
        ("UPDATE audit_log SET chain = zeroblob(32) WHERE id = 5", 5),
    ],
)
def test_whoever_changes_a_line_breaks_the_chain_there(tmp_path: Path, tampering: str, broken: int) -> None:
    store = a_log(tmp_path)
    store.db.execute(tampering)
    assert audit_log.broken_at(store.db) == broken
    assert broken in [one.id for one in audit_log.page(store.db, 1 << 36, 9) if not one.is_whole]


def test_the_oldest_lines_go_and_the_rest_still_proves_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "KEEP", 3)
    store = a_log(tmp_path, 6)
    assert [one.id for one in audit_log.page(store.db, 1 << 36, 9)] == [6, 5, 4]
    assert audit_log.broken_at(store.db) == 0
    store.db.execute("""UPDATE audit_log SET body = '{}' WHERE id = 5""")
    assert audit_log.broken_at(store.db) == 5


def test_once_a_day_the_head_goes_into_the_register_that_the_parent_watches(tmp_path: Path) -> None:
    store = a_log(tmp_path, 2)
    assert [one.kind for one in register.read_log(store.db)] == []
    _, chain = do(store, lambda tx: audit_log.write(tx, NOW + 2, {"what": "last of the day"}))
    do(store, lambda tx: audit_log.write(tx, NOW + DAY, {"what": "next day"}))
    (entry,) = register.read_log(store.db)
    assert (entry.kind, entry.body, entry.is_whole) == ("audit", {"rows": 3, "chain": chain}, True)

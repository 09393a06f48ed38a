"""The audit of people: a chain that shows what was changed, and stays bounded."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.journal.kept import NOW, a_store, do

from holdfast.journal import audit_log, register
from holdfast.journal.audit_log import ASKED, DONE, FAILED, UNKNOWN, Wanted
from holdfast.journal.store import Store

DAY = 86_400 * 10**9


def ask(store: Store, who: str, what: str, now: int = NOW) -> int:
    number, _ = do(store, lambda tx: audit_log.ask(tx, now, {"who": who, "what": what}))
    return int(number)


def answer(store: Store, of: int, status: int, now: int = NOW + 1) -> None:
    do(store, lambda tx: audit_log.answer(tx, now, of, {"who": "ann", "what": "x"}, status))


def a_log(folder: Path, lines: int = 5) -> Store:
    store = a_store(folder)
    for n in range(lines):
        do(store, lambda tx: audit_log.write(tx, NOW + n, {"who": "ann" if n % 2 else "bob", "what": f"n{n}"}))  # noqa: B023  # done now
    return store


def test_lines_come_newest_first_page_by_page_and_of_one_person(tmp_path: Path) -> None:
    store = a_log(tmp_path)
    found = audit_log.page(store.db, Wanted(), 3)
    assert [(one.id, one.body["what"], one.is_whole) for one in found] == [
        (5, "n4", True),
        (4, "n3", True),
        (3, "n2", True),
    ]
    assert [one.id for one in audit_log.page(store.db, Wanted(3), 9)] == [2, 1]
    assert [one.id for one in audit_log.page(store.db, Wanted(who="ann"), 9)] == [4, 2]
    assert audit_log.broken_at(store.db) == 0


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("""UPDATE audit_log SET body = '{"who":"eve"}' WHERE id = 3""", 3),
        ("UPDATE audit_log SET at_ns = at_ns + 1 WHERE id = 1", 1),
        ("DELETE FROM audit_log WHERE id = 3", 4),
        ("DELETE FROM audit_log WHERE id = 3; UPDATE audit_log SET id = id - 1 WHERE id > 3", 3),
        ("UPDATE audit_log SET chain = zeroblob(32) WHERE id = 5", 5),
        ("UPDATE audit_log SET body = 'no JSON' WHERE id = 2", 2),
    ],
)
def test_whoever_changes_a_line_breaks_the_chain_there(tmp_path: Path, tampering: str, broken: int) -> None:
    store = a_log(tmp_path)
    store.db.execute(tampering)
    assert audit_log.broken_at(store.db) == broken
    assert broken in [one.id for one in audit_log.page(store.db, Wanted(), 9) if not one.is_whole]


def test_the_oldest_lines_go_and_the_rest_still_proves_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "KEEP", 3)
    store = a_log(tmp_path, 6)
    assert [one.id for one in audit_log.page(store.db, Wanted(), 9)] == [6, 5, 4]
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


def test_a_change_is_one_line_with_what_came_of_it(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    first, second, third = ask(store, "ann", "one"), ask(store, "bob", "two"), ask(store, "ann", "three")
    answer(store, second, 404)
    answer(store, first, 201, NOW + 7)
    found = audit_log.page(store.db, Wanted(), 9)
    assert [(one.id, one.body["what"], one.step, one.status, one.ended_ns - NOW) for one in found] == [
        (third, "three", ASKED, 0, -NOW),
        (second, "two", FAILED, 404, 1),
        (first, "one", DONE, 201, 7),
    ]
    assert all(one.is_whole for one in found)
    store.db.execute("""UPDATE audit_log SET body = replace(body, '201', '202') WHERE id = 5""")
    assert [one.is_whole for one in audit_log.page(store.db, Wanted(), 9)] == [True, True, False]


def test_a_start_ends_what_was_left_open_as_unknown_once(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    done, left = ask(store, "ann", "one"), ask(store, "bob", "two")
    answer(store, done, 200)

    def settle() -> int:
        return int(do(store, lambda tx: audit_log.settle(tx, NOW + 9)))

    assert settle() == 1
    assert settle() == 0
    found = {one.id: (one.step, one.status, one.ended_ns) for one in audit_log.page(store.db, Wanted(), 9)}
    assert found == {done: (DONE, 200, NOW + 1), left: (UNKNOWN, 0, NOW + 9)}
    later = ask(store, "ann", "three")
    assert settle() == 1
    assert audit_log.page(store.db, Wanted(), 1)[0].id == later
    assert audit_log.broken_at(store.db) == 0


def test_lines_are_found_by_person_time_and_what_even_beside_one_that_is_no_json(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    for n, (who, what) in enumerate([("ann", "POST /api/v1/rules/a"), ("bob", "login"), ("ann", "DELETE /x/1")]):
        answer(store, ask(store, who, what, NOW + 10 * n), 200)
    do(store, lambda tx: audit_log.write(tx, NOW + 30, {"what": "to be spoilt"}))
    store.db.execute("UPDATE audit_log SET body = 'no JSON' WHERE id = 7")

    def found(**wanted: object) -> list[int]:
        return [one.id for one in audit_log.page(store.db, Wanted(**wanted), 9)]  # type: ignore[arg-type]  # each its own

    assert found() == [7, 5, 3, 1]
    assert found(who="ann") == [5, 1]
    assert found(since_ns=NOW + 10, until_ns=NOW + 20) == [3]
    assert found(what=("* /api/v1/rules/*", "log*")) == [3, 1]
    assert found(who="ann", what=("nothing",)) == []


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("DELETE FROM audit_log WHERE id > 4", 5),
        ("DELETE FROM audit_log", 1),
        ("DELETE FROM audit_log WHERE id < 3", 3),
    ],
)
def test_an_end_or_a_beginning_that_was_cut_off_is_found(tmp_path: Path, tampering: str, broken: int) -> None:
    store = a_log(tmp_path)
    do(store, lambda tx: audit_log.settle(tx, NOW))
    store.db.execute(tampering)
    assert audit_log.broken_at(store.db) == broken


def test_a_log_that_was_written_anew_is_not_what_the_register_and_a_former_look_saw(tmp_path: Path) -> None:
    store = a_log(tmp_path)
    seen = audit_log.head(store.db)
    do(store, lambda tx: audit_log.write(tx, NOW + DAY, {"what": "next day"}))
    store.db.execute("DELETE FROM audit_log")
    for n in range(9):
        do(store, lambda tx: audit_log.write(tx, NOW + n, {"what": "forged"}))  # noqa: B023  # done now
    assert audit_log.check(store.db).broken == 0
    assert audit_log.witness(store.db) == 5
    store.db.execute("DELETE FROM residency_log")
    assert audit_log.witness(store.db) == 0
    assert audit_log.witness(store.db, [seen]) == 5


def test_the_chain_is_checked_in_pieces_while_it_grows_and_its_oldest_rows_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "KEEP", 6)
    store = a_log(tmp_path, 8)
    found = audit_log.check(store.db, limit=2)
    for n in range(4):
        do(store, lambda tx: audit_log.write(tx, NOW + n, {"what": "more"}))  # noqa: B023  # done now
    turns = 0
    while not found.is_over:
        found, turns = audit_log.check(store.db, found, 2), turns + 1
    assert (found.broken, found.upto.id, turns) == (0, 12, 3)


def test_other_settings_than_at_the_last_start_are_a_line(tmp_path: Path) -> None:
    store = a_store(tmp_path)

    def notice(**parts: str) -> Any:
        return do(store, lambda tx: audit_log.notice(tx, NOW, parts))

    assert notice(mqtt="1", api="2") == []
    assert notice(mqtt="1", api="2") == []
    assert notice(mqtt="3", rules="4") == ["api", "mqtt", "rules"]
    (line,) = audit_log.page(store.db, Wanted(), 9)
    assert (line.body["what"], line.step) == ("settings: api, mqtt, rules", "")

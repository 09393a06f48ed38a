"""A journal of every schema opens, keeps everything, and goes on (stored/ holds one file a schema; store_one.py)."""

import gzip
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from tests.unit.journal.kept import NOW, a_store, do, fill, held, values
from tests.unit.journal.store_one import DAY, LATER, SECTIONS, STORED, store_one

from holdfast.journal import (
    alert_history,
    alert_labels,
    alerts,
    audit_log,
    child_devices,
    commanded,
    devices,
    dispatches,
    documents,
    maintenance,
    models,
    pieces,
    weaves,
)
from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.errors import JournalTooNew
from holdfast.journal.integrity import Damage, scan
from holdfast.journal.ledger import balance
from holdfast.journal.migrate import migrations
from holdfast.journal.mqtt_sessions import read_sessions, read_wills
from holdfast.journal.parent import CONSUMER
from holdfast.journal.reader import JournalReader
from holdfast.journal.store import FILE_NAME
from holdfast.model.lane import Lane, Stay
from holdfast.storage.space import INCREMENTAL
from holdfast.storage.sqlite import Connection, open_writer
from holdfast.stream import steps

SCHEMAS = [number for number, _ in migrations()]
NEWEST = SCHEMAS[-1]
FULL = 7
"""Stored files from this schema on hold something in every table; the older ones hold what their tests say."""


def since(schema: int) -> pytest.MarkDecorator:
    """Run a test with every stored file from a schema on."""
    return pytest.mark.parametrize("version", [number for number in SCHEMAS if number >= schema])


def laid_out(version: int, folder: Path) -> None:
    packed = (STORED / f"schema-{version}.db.gz").read_bytes()
    (folder / FILE_NAME).write_bytes(gzip.decompress(packed))


@cache
def migrated(version: int) -> bytes:
    """A stored file after today's node has opened and closed it."""
    with TemporaryDirectory() as folder:
        laid_out(version, Path(folder))
        a_store(Path(folder)).close()
        return (Path(folder) / FILE_NAME).read_bytes()


def opened(version: int, folder: Path) -> JournalReader:
    """A reader of a stored file that today's node has opened."""
    (folder / FILE_NAME).write_bytes(migrated(version))
    return JournalReader(folder / FILE_NAME)


def looked(version: int, folder: Path) -> Callable[[Callable[[Connection], Any]], Any]:
    """As `opened`, to ask the tables."""
    return opened(version, folder).look


def layout(path: Path) -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as db:
        return set(db.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master"))


@cache
def fresh_layout() -> set[tuple[str, str, str]]:
    with TemporaryDirectory() as folder:
        a_store(Path(folder)).close()
        return layout(Path(folder) / FILE_NAME)


def schema_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(next(db.execute("PRAGMA user_version"))[0])


def contents(path: Path, columns: dict[str, list[str]] | None = None) -> dict[str, tuple[list[str], list[Any]]]:
    """By table: its columns and its rows. columns: only these."""
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if columns is None:
            columns = {name: [one[1] for one in db.execute(f"PRAGMA table_info({name})")] for name in names}
        return {
            name: (of, sorted(db.execute(f"SELECT {', '.join(of)} FROM {name}"), key=repr))  # noqa: S608  # our own names
            for name, of in columns.items()
            if name in names
        }


def test_there_is_a_stored_journal_of_every_schema() -> None:
    assert list(range(1, NEWEST + 1)) == SCHEMAS
    assert set(SECTIONS) == set(SCHEMAS), "give the new schema a section in store_one.py"
    wanted = {f"schema-{number}.db.gz" for number in SCHEMAS}
    assert {path.name for path in STORED.iterdir()} == wanted, "run: python -m tests.unit.journal.store_one"


@since(1)
def test_a_stored_journal_is_of_the_schema_that_its_name_says_until_it_is_opened(tmp_path: Path, version: int) -> None:
    laid_out(version, tmp_path)
    assert schema_of(tmp_path / FILE_NAME) == version
    (tmp_path / FILE_NAME).write_bytes(migrated(version))
    assert schema_of(tmp_path / FILE_NAME) == NEWEST


@since(FULL)
def test_a_stored_journal_has_something_in_every_table(tmp_path: Path, version: int) -> None:
    laid_out(version, tmp_path)
    found = contents(tmp_path / FILE_NAME)
    assert [name for name, (_, rows) in found.items() if not rows] == []


def test_what_writes_the_newest_stored_journal_still_writes_one_with_the_same_tables(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(gzip.decompress(store_one(tmp_path).read_bytes()))
    fresh = {name: (columns, bool(rows)) for name, (columns, rows) in contents(path).items()}
    laid_out(NEWEST, tmp_path)
    assert {name: (columns, bool(rows)) for name, (columns, rows) in contents(path).items()} == fresh


@since(1)
def test_a_migrated_journal_is_laid_out_like_a_fresh_one(tmp_path: Path, version: int) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(migrated(version))
    assert layout(path) == fresh_layout()


@since(2)  # schema 2 replaced tables of schema 1
def test_no_row_of_an_older_schema_is_lost_or_changed(tmp_path: Path, version: int) -> None:
    path = tmp_path / FILE_NAME
    laid_out(version, tmp_path)
    before = contents(path)
    path.write_bytes(migrated(version))
    after = contents(path, {name: columns for name, (columns, _) in before.items()})
    starts, more = before.pop("incarnations")[1], after.pop("incarnations")[1]
    assert len(more) == len(starts) + 1
    assert set(more) > set(starts)
    assert after == before


@since(1)
def test_a_journal_of_an_older_schema_keeps_everything(tmp_path: Path, version: int) -> None:
    reader = opened(version, tmp_path)
    assert values(reader) == [float(n) for n in range(21, 61)]
    assert decode_readings(reader.read(Lane.NORMAL, 0, 9)[0].blob).texts == ("on",)
    assert [e.message for e in decode_events(reader.read(Lane.CRITICAL, 0, 9)[0].blob)] == ["hot"]
    assert reader.quarantined(9)[0].payload == b"{"
    assert np.frombuffer(reader.dedupe_keys()[0], "<u8").tolist() == [11, 12, 13]
    assert reader.retained() == {"a/b": b"kept"}
    assert reader.checkpoint("rules") == (60, b"state")
    assert reader.cursor(CONSUMER, Lane.BULK) == 30
    cut, chain = reader.cut(Lane.BULK)
    assert (cut, chain is None) == (20, version < FULL)  # the older files come from one whose rows went under schema 1


@since(1)
def test_its_chain_ledger_and_children_go_on(tmp_path: Path, version: int) -> None:
    laid_out(version, tmp_path)
    store, reader = a_store(tmp_path), JournalReader(tmp_path / FILE_NAME)
    (branch,) = reader.branches("leaf")
    assert (branch.number, branch.session, branch.series_known) == (0, 4, 1)
    assert (branch.marks[2].wm, branch.marks[2].rows, branch.marks[2].chain) == (25, 25, b"x" * 16)
    assert branch.incarnations[0].uuid == "c" * 32
    fill(store, 2)
    do(store, lambda tx: tx.count("readings_accepted", 20))
    assert held(reader)[-1] == (71, 80, "readings")
    assert not [d for lane in Lane for d in scan(reader, lane) if isinstance(d, Damage)]
    ledger = balance(reader.accounts(CONSUMER, count=True), has_parent=True)
    assert ledger.balanced, ledger


@since(FULL)
def test_damage_gaps_and_what_is_held_elsewhere_stay(tmp_path: Path, version: int) -> None:
    reader = opened(version, tmp_path)
    gaps = [(gap.origin, gap.lane, gap.first, gap.last, gap.reason.value) for gap in reader.gaps()]
    assert sorted(gaps) == [("", Lane.REGION, 1, 5, "damaged"), ("twig", Lane.BULK, 1, 5, "age")]
    (leaf,) = reader.branches("leaf")
    assert leaf.marks[Lane.BULK].safe == 20
    (twig,) = reader.branches("twig")
    assert (twig.marks[Lane.BULK].wm, twig.marks[Lane.BULK].gap_rows) == (5, 5)


@since(FULL)
def test_pieces_messages_and_documents_stay(tmp_path: Path, version: int) -> None:
    reader = opened(version, tmp_path)
    memory = reader.look(lambda db: pieces.read_memory(db, 0, LATER))
    assert [(one.rows, [file.name for file in one.files]) for one in memory.pieces] == [(10, ["a.parquet"])]
    assert (memory.done[Lane.BULK], len(memory.stragglers)) == (10, 1)
    assert [one.name for one in reader.look(pieces.read_trash)] == ["b.parquet"]
    assert [one.rows for one in reader.look(lambda db: pieces.read_losses(db, 0, DAY))] == [7]
    assert reader.look(lambda db: pieces.read_drops(db, DAY, DAY)) == [(DAY, DAY)]
    assert [(one.n, one.body) for one in reader.waiting("jobs", [], 9, 1000)] == [(1, b"1"), (2, b"2")]
    assert documents.read_updates(reader, "plan") == [b"update"]


@since(FULL)
def test_what_residency_keeps_is_still_kept_and_its_register_whole(tmp_path: Path, version: int) -> None:
    laid_out(version, tmp_path)
    store, reader = a_store(tmp_path), JournalReader(tmp_path / FILE_NAME)
    assert store.catalogue.stay_of[3] == Stay.SITE
    log, counts = reader.register()
    assert [(one.kind, one.is_whole) for one in log] == [("started", True)]
    assert counts == {DAY: {"rooms": {"stayed": 3}}}


@since(FULL)
def test_readings_are_told_to_the_rules_in_the_order_they_came(tmp_path: Path, version: int) -> None:
    """Rows 21 to 50 as a batch a commit; then the woven commit, and, from schema 8 on, one with steps."""
    told = list(weaves.told(opened(version, tmp_path), {Lane.BULK: 20, Lane.REGION: 5}))
    assert [one.rows for one in told] == [10, 10, 10, 13, *([5] if version >= 8 else [])]
    assert told[3].batch.series.tolist() == [0, 3, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3]
    assert told[3].batch.value.tolist() == [51, 0, 52, 53, 1, 54, 55, 56, 57, 58, 59, 60, 2]
    if version >= 8:
        assert told[4].steps == steps.encode([steps.Fed(NOW, 5), steps.Ticked(LATER)])


@since(5)
def test_mqtt_sessions_stay(tmp_path: Path, version: int) -> None:
    reader = opened(version, tmp_path)
    (session,) = read_sessions(reader)
    assert (session.client, session.received, [one.body for one in session.letters]) == ("panel", [7], [b"letter"])
    assert [one.body for one in read_wills(reader)] == ([b"will"] if version >= 6 else [])


@since(FULL)
def test_devices_and_commands_stay(tmp_path: Path, version: int) -> None:
    reader = opened(version, tmp_path)
    found = devices.stored(reader)
    assert [(one.name, one.labels, one.note) for one in found.devices] == [("d-1", ("north",), "by the door")]
    assert [(one.name, one.role) for one in found.names] == [("serial-7", "hardware")]
    assert [(one.messages, one.readings, one.refused) for one in found.counts] == [(3, 2, 1)]
    assert [one.missing for one in devices.gaps_of(reader, 1)] == [5]
    assert [(one.command.id, one.via) for one in reader.look(commanded.open_ones)] == [("old-1", "leaf")]


@since(6)
def test_childrens_devices_stay(tmp_path: Path, version: int) -> None:
    reader = opened(version, tmp_path)
    assert child_devices.stored(reader) == [("leaf", b"\x80")]
    if version < 7:
        assert reader.look(alerts.counts) == (0, 0)
        assert reader.look(alerts.silences) == []


@since(7)
def test_alerts_silences_and_what_channels_have_to_tell_stay(tmp_path: Path, version: int) -> None:
    look = looked(version, tmp_path)
    first, over = look(lambda db: alerts.find(db, 1)), look(lambda db: alerts.find(db, 2))
    assert (first.is_open, first.acked_by, first.comment, first.raised.message) == (True, "ann", "on my way", "m")
    assert (over.cleared_ns, over.cleared.kind) == (LATER, "alert.cleared")
    assert (first.metric, first.maintenance) == ("", 0)
    assert [(one.by, one.gone_ns > 0) for one in look(alerts.silences)] == [("bob", True), ("ann", False)]
    (waiting,) = look(lambda db: dispatches.of_alert(db, 1))
    assert (waiting.key, waiting.held, waiting.due_ns, waiting.text) == ("k1", 1, LATER, "words")
    assert look(lambda db: dispatches.who_knows(db, 1)) == [dispatches.Told("mail", 1, clears=True, text="words")]
    assert look(lambda db: dispatches.steps(db, 9)) == [dispatches.Step(1, "shift", 1, LATER, 60)]


@since(9)
def test_an_alert_of_one_metric_and_its_label_stay(tmp_path: Path, version: int) -> None:
    look = looked(version, tmp_path)
    (label,) = look(alert_labels.unsettled)
    assert (label.alert, label.label, label.known, label.comment) == (3, "rejected", "", "it was the lorry")
    found = look(lambda db: alerts.find_open(db, label.raised))
    assert (found.id, found.metric, found.rule) == (3, "vibration", "hot")


@since(7)
def test_an_alerts_story_and_planned_works_stay(tmp_path: Path, version: int) -> None:
    look = looked(version, tmp_path)
    lines, works = look(lambda db: alert_history.of_alert(db, 1)), look(maintenance.page)
    if version < 10:
        assert (lines, works) == ([], [])
        return
    assert [(one.kind, one.who, one.detail) for one in lines] == [
        ("told", "mail", ""),
        ("commented", "ann", "a fan is stuck"),
    ]
    assert [(one.name, one.why, one.to_ns) for one in works] == [("sundays", "cleaning", LATER)]
    (wet,) = look(lambda db: alerts.page(db, alerts.Wanted(rule="wet"), 9))
    assert wet.maintenance == works[0].id
    assert look(lambda db: alert_history.rule_text(db, "v1")) == '{"rule":"wet"}'


@since(FULL)
def test_the_audits_chain_goes_on_and_what_was_left_open_is_settled(tmp_path: Path, version: int) -> None:
    laid_out(version, tmp_path)
    store, reader = a_store(tmp_path), JournalReader(tmp_path / FILE_NAME)
    before = reader.look(lambda db: audit_log.stored(db, 0, 9))
    assert len(before) == (3 if version >= 11 else 0)
    assert do(store, lambda tx: audit_log.settle(tx, NOW + 1)) == (1 if version >= 11 else 0)
    do(store, lambda tx: audit_log.ask(tx, NOW + 2, {"who": "ann", "what": "rule.put"}))
    assert reader.look(audit_log.broken_at) == 0
    assert reader.look(lambda db: audit_log.stored(db, 0, 9))[: len(before)] == before


@since(FULL)
def test_models_books_and_labels_stay(tmp_path: Path, version: int) -> None:
    look = looked(version, tmp_path)
    labels = look(lambda db: models.labels(db, "pumps", 9))
    if version < 12:
        assert (look(models.books), labels) == ({}, [])
        return
    assert look(lambda db: models.find_book(db, "pumps")) == (b'{"versions":[]}', b"\x28watched")
    assert [(one.device, one.alert) for one in labels] == [("pump-2", 1), ("pump-1", 0)]


def test_an_older_program_refuses_a_newer_file_leaves_it_as_it_is_and_says_what_to_do(tmp_path: Path) -> None:
    laid_out(NEWEST, tmp_path)
    path = tmp_path / FILE_NAME
    open_writer(path).pragma("user_version", NEWEST + 1)
    before = path.read_bytes()
    with pytest.raises(JournalTooNew, match=f"schema {NEWEST + 1}.*up to {NEWEST}") as refused:
        a_store(tmp_path)
    assert refused.value.hint.startswith("upgrade Holdfast")
    assert path.read_bytes() == before


def test_a_file_from_before_learns_to_shrink(tmp_path: Path) -> None:
    laid_out(1, tmp_path)
    store = a_store(tmp_path)
    assert store.db.pragma("auto_vacuum") == INCREMENTAL

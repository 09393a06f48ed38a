"""A journal of every released schema opens, keeps everything, and goes on (stored/ holds one file a version)."""

import gzip
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.events import alert
from tests.unit.journal.kept import a_store, do, fill, held, values

from holdfast.journal import alert_history, alerts, child_devices, maintenance
from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.integrity import Damage, scan
from holdfast.journal.ledger import balance
from holdfast.journal.migrate import migrations
from holdfast.journal.mqtt_sessions import read_sessions, read_wills
from holdfast.journal.parent import CONSUMER
from holdfast.journal.reader import JournalReader
from holdfast.journal.store import FILE_NAME
from holdfast.model.lane import Lane
from holdfast.storage.space import INCREMENTAL
from holdfast.storage.sqlite import open_writer

STORED = Path(__file__).parent / "stored"


def laid_out(version: int, folder: Path) -> None:
    packed = (STORED / f"schema-{version}.db.gz").read_bytes()
    (folder / FILE_NAME).write_bytes(gzip.decompress(packed))


def test_there_is_a_stored_journal_of_every_older_schema() -> None:
    assert [number for number, _ in migrations()] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert {path.name for path in STORED.iterdir()} == {f"schema-{number}.db.gz" for number in (1, 2, 3, 4, 5, 6)}


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_a_journal_of_an_older_schema_keeps_everything(tmp_path: Path, version: int) -> None:
    laid_out(version, tmp_path)
    store, reader = a_store(tmp_path), JournalReader(tmp_path / FILE_NAME)
    assert store.schema_version == migrations()[-1][0]
    assert values(reader) == [float(n) for n in range(21, 61)]
    assert decode_readings(reader.read(Lane.NORMAL, 0, 9)[0].blob).texts == ("on",)
    assert [e.message for e in decode_events(reader.read(Lane.CRITICAL, 0, 9)[0].blob)] == ["hot"]
    assert reader.quarantined(9)[0].payload == b"{"
    assert np.frombuffer(reader.dedupe_keys()[0], "<u8").tolist() == [11, 12, 13]
    assert reader.retained() == {"a/b": b"kept"}
    assert reader.checkpoint("rules") == (60, b"state")
    assert reader.cursor(CONSUMER, Lane.BULK) == 30
    assert reader.cut(Lane.BULK) == (20, None)


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
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


def test_mqtt_sessions_stay_and_have_no_wills_yet(tmp_path: Path) -> None:
    laid_out(5, tmp_path)
    a_store(tmp_path)
    reader = JournalReader(tmp_path / FILE_NAME)
    (session,) = read_sessions(reader)
    assert (session.client, session.received, [one.body for one in session.letters]) == ("panel", [7], [b"letter"])
    assert read_wills(reader) == []


def test_wills_and_childrens_devices_stay_and_there_are_no_alerts_yet(tmp_path: Path) -> None:
    laid_out(6, tmp_path)
    a_store(tmp_path)
    reader = JournalReader(tmp_path / FILE_NAME)
    assert [one.body for one in read_wills(reader)] == [b"will"]
    assert child_devices.stored(reader) == [("leaf", b"\x80")]
    assert reader.look(alerts.counts) == (0, 0)
    assert reader.look(alerts.silences) == []


def test_alerts_from_before_their_story_was_kept_stay_and_have_none_yet(tmp_path: Path) -> None:
    laid_out(6, tmp_path)
    db = open_writer(tmp_path / FILE_NAME)
    for number, sql in migrations():
        if 6 < number < 10:
            db.execute(f"BEGIN IMMEDIATE; {sql}; PRAGMA user_version = {number}; COMMIT")
    event = msgspec.msgpack.encode(alert(1))
    facts = "node, device, rule, severity, event, raised_ns, heard_ns, raised"
    db.execute(f"INSERT INTO alerts ({facts}) VALUES ('gw', 'd1', 'hot', 'info', 'e', 1, 2, ?)", (event,))  # noqa: S608  # constants
    db.close()
    a_store(tmp_path)
    reader = JournalReader(tmp_path / FILE_NAME)
    (found,) = reader.look(lambda db: alerts.page(db, alerts.Wanted(), 9))
    assert (found.device, found.maintenance) == ("d1", 0)
    assert reader.look(lambda db: alert_history.of_alert(db, found.id)) == []
    assert reader.look(maintenance.page) == []


def test_a_file_from_before_learns_to_shrink(tmp_path: Path) -> None:
    laid_out(1, tmp_path)
    store = a_store(tmp_path)
    assert store.db.pragma("auto_vacuum") == INCREMENTAL

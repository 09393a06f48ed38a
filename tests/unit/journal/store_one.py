"""Writes the stored journal of the newest schema: python -m tests.unit.journal.store_one [FOLDER].

Run it in the commit that adds a schema, after giving that schema a section here: it writes stored/schema-N.db.gz with
the code of that commit, and what it wrote is never written again. Those of schemas 7 to 11 were made by this module in
a checkout of the last commit of each; 1 to 6 are older than it and hold less.
"""

import gzip
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tests.events import alert
from tests.messages import message
from tests.unit.journal.kept import NOW, do, fill, some

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
    queues,
    register,
    stays,
    weaves,
)
from holdfast.journal import mqtt_sessions as mqtt
from holdfast.journal.branches import write_safe
from holdfast.journal.integrity import isolate
from holdfast.journal.migrate import migrations
from holdfast.journal.opening import Access
from holdfast.journal.parent import CONSUMER
from holdfast.journal.pieces import Loss, Piece, PieceFile
from holdfast.journal.records import Branch, Gap, GapReason, Incarnation, Mark, QuarantineRow, Source
from holdfast.journal.rows import place_of
from holdfast.journal.settings import JournalSettings
from holdfast.journal.shedding import add_gap, drop_delivered
from holdfast.journal.store import FILE_NAME, Store
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.command import Command
from holdfast.model.lane import READING_LANES, Lane, Stay
from holdfast.model.series import Kind, Series
from holdfast.stream import steps

STORED = Path(__file__).parent / "stored"
DAY = NOW // register.DAY_NS
LATER = NOW + 3600 * 10**9


def spine(store: Store) -> None:
    """Schema 1: fifty readings, an alert, a text, a child's series, and what stands beside them."""
    fill(store, 5)
    oven = store.catalogue.intern(Series("gw", "oven", "state", "", Kind.TEXT))
    on = Batch(np.full(1, oven, np.int32), np.full(1, NOW), np.zeros(1), np.zeros(1, np.uint8), ("on",))

    def write(tx: Transaction) -> None:
        tx.append_readings(Lane.NORMAL, on)
        tx.append_events(Lane.CRITICAL, [alert(1, ts=NOW, message="hot")])
        tx.set_branch(Branch("leaf", session=4, incarnations=(Incarnation("c" * 32, (0, 0, 25)),)))
        tx.map_series("leaf", 0, 0, [Series("leaf", "room-9", "air.temperature", "Cel", Kind.FLOAT)])
        tx.set_mark("leaf", 0, Lane.BULK, Mark(25, b"x" * 16, head_seen=25, rows=25))
        tx.set_cursor(CONSUMER, Lane.BULK, 30)
        tx.quarantine([QuarantineRow(0, 1, "dev", "a/b", "malformed", "not JSON", b"{")], 9)
        tx.remember_keys(np.array([11, 12, 13], np.uint64), 9)
        tx.retain({"a/b": b"kept"})
        tx.checkpoint("rules", 60, b"state")
        tx.set_meta("fact", "small")
        counts = {"messages_received": 70, "messages_accepted": 69, "messages_rejected.malformed": 1}
        for name, n in {**counts, "readings_accepted": 51, "events_accepted": 1}.items():
            tx.count(name, n)

    do(store, write)


def durable(store: Store) -> None:
    """Schema 2: damage that was isolated, a child's gap, what is held elsewhere."""
    fill(store, 1, 5, Lane.REGION)

    def write(tx: Transaction) -> None:
        tx.count("readings_accepted", 5)
        tx.db.execute("UPDATE groups SET blob = x'00' WHERE place = ?", (place_of(Lane.REGION, 1),))
        isolate(tx, Lane.REGION, 1, NOW)
        tx.set_branch(Branch("twig"))
        tx.set_mark("twig", 0, Lane.BULK, Mark(5, b"t" * 16, head_seen=5, gap_rows=5))
        add_gap(tx, Gap(Lane.BULK, 1, 5, 50, GapReason.AGE, NOW, NOW, NOW, "twig"))
        tx.set_sources("leaf", [Source("bud", Lane.BULK, 5, b"s" * 16)])
        tx.add_elsewhere([Source("leaf", Lane.BULK, 20, b"e" * 16)])
        tx.check_elsewhere(Source("leaf", Lane.BULK, 20, b"e" * 16), holds=True)

    do(store, write)


def safe(store: Store) -> None:
    """Schema 3: a backup."""
    do(store, lambda tx: write_safe(tx.db, [("leaf", 0, int(Lane.BULK), 20)]))


def memory(store: Store) -> None:
    """Schema 4: the last ten readings woven with three that stay, pieces of the first ten, messages, a document."""
    do(store, woven)
    do(store, past)

    def write(tx: Transaction) -> None:
        queues.declare(tx, ["jobs"])
        queues.put(tx, [message(n, queue="jobs") for n in (1, 2)], None)
        documents.append_update(tx, "plan", "v1", b"update")
        register.write(tx, NOW, "started", {"rules": 1})

    do(store, write)


def woven(tx: Transaction) -> None:
    secret = tx.catalogue.intern(Series("gw", "room-1", "occupancy", "1", Kind.FLOAT))
    tx.store_series()
    stays.mark(tx, [secret], Stay.SITE, stays.MarkedBy.RULE)
    own = tx.catalogue.intern(Series("gw", "room-1", "air.temperature", "Cel", Kind.FLOAT))
    number = np.arange(51, 61)
    tx.append_readings(
        Lane.BULK,
        Batch(np.full(10, own, np.int32), NOW + number * 10**9, number.astype(float), np.zeros(10, np.uint8)),
    )
    kept = np.arange(3)
    tx.append_readings(
        Lane.SITE, Batch(np.full(3, secret, np.int32), NOW + kept, kept.astype(float), np.zeros(3, np.uint8))
    )
    site = READING_LANES.index(Lane.SITE)
    weaves.keep(tx, np.array([0, site, 0, 0, site, 0, 0, 0, 0, 0, 0, 0, site], np.uint8))
    register.count(tx, DAY, "rooms", "stayed", 3)
    tx.count("readings_accepted", 13)


def past(tx: Transaction) -> None:
    files = (PieceFile(0, "a.parquet", 100, 10, b"sums"), PieceFile(60, "b.parquet", 10, 1, b"sums", 0.5))
    piece = pieces.add_piece(tx.db, Piece(DAY, "*", 10, NOW + 10**9, NOW + 10**10, files))
    pieces.drop_file(tx.db, piece.id, files[1], NOW)
    pieces.add_loss(tx.db, Loss(DAY - 1, "*", 0, 7, "age", NOW))
    pieces.return_to_history(tx.db, place_of(Lane.REGION, 1))
    pieces.mark_pieced(tx.db, place_of(Lane.BULK, 1))
    pieces.add_alert_marks(tx.db, [(NOW, "gw", "press-1")])
    tx.set_cursor("history", Lane.BULK, 10)
    drop_delivered(tx, Lane.BULK, 20, 9)


def at_the_edge(store: Store) -> None:
    """Schema 5: an MQTT session, a device, a command that waits for its child."""
    session = [
        mqtt.put_session(1, "panel", None, 3600.0, 0),
        mqtt.subscribe(1, "a/#", 1, 0),
        mqtt.receive(1, 7),
        mqtt.put_letter(1, 1, 0, b"letter", released=False),
    ]
    do(store, mqtt.applying(session))

    def write(tx: Transaction) -> None:
        devices.write_devices(tx, [devices.DeviceRow(1, "d-1", "accepted", ("north",), "by the door", NOW)])
        devices.write_names(tx, 1, [devices.NameRow("serial-7", "hardware", 1, NOW)])
        devices.write_counts(tx, [devices.CountsRow(1, NOW, NOW, 3, 2, 1)], NOW)
        devices.write_learned(tx, [(1, b"learned")], NOW)
        devices.add_gaps(tx, [devices.GapRow(0, 1, NOW, LATER, 5)])
        waits = Command("old-1", "leaf", "press", "stop", b"{}", "local", NOW, LATER)
        commanded.insert(tx, commanded.Stored(waits, "leaf"))

    do(store, write)


def wills(store: Store) -> None:
    """Schema 6: a will, a child's device."""
    do(store, mqtt.applying([mqtt.put_will(1, b"will")]))

    def write(tx: Transaction) -> None:
        child_devices.put(tx, "leaf", 1, [("leaf", "press-1", b"\x80")])
        child_devices.set_mark(tx, "leaf", "1")

    do(store, write)


def told(store: Store) -> None:
    """Schema 7: alert 1 is open, acknowledged, told and held; 2 is over; one silence lasts, one was taken back."""

    def write(tx: Transaction) -> None:
        number = alerts.add(tx, alert(1, ts=NOW), NOW)
        alerts.acknowledge(tx, number, "ann", "on my way", NOW)
        over = alerts.add(tx, alert(2, ts=NOW, rule="cold"), NOW)
        alerts.close(tx, over, alert(3, ts=LATER, rule="cold", kind="alert.cleared"))
        lasts = alerts.silence(tx, alerts.Silence(0, "{}", "ann", "works", NOW, LATER))
        alerts.unsilence(tx, alerts.silence(tx, alerts.Silence(0, "{}", "bob", "slip", NOW, LATER)), NOW + 1)
        first = dispatches.Dispatch("mail", number, "k1", "raised", NOW, NOW, text="words")
        dispatches.put(tx, first)
        (waiting,) = dispatches.of_alert(tx.db, number)
        dispatches.hold(tx, [waiting.id], lasts, LATER)
        dispatches.told(tx, first)
        dispatches.set_step(tx, dispatches.Step(number, "shift", 1, LATER, 60))

    do(store, write)


def stepped(store: Store) -> None:
    """Schema 8: what the rules were told in a commit whose readings went to one lane."""
    batch = some(store, 5, 6)

    def write(tx: Transaction) -> None:
        tx.append_readings(Lane.REGION, batch)
        tx.count("readings_accepted", 5)
        weaves.note(tx, steps.encode([steps.Fed(NOW, 5), steps.Ticked(LATER)]), is_woven=False)

    do(store, write)


def labelled(store: Store) -> None:
    """Schema 9: alert 3, of the same rule as alert 1, about one metric; it was rejected and the rules don't know."""

    def write(tx: Transaction) -> None:
        event = alert(4, ts=NOW, why={"metric": "vibration"})
        number = alerts.add(tx, event, NOW)
        new = alert_labels.Labelled(event.id, number, event, 0, "rejected", "", "ann", "it was the lorry", NOW)
        alert_labels.put(tx, new)

    do(store, write)


def with_a_story(store: Store) -> None:
    """Schema 10: alert 1 has two lines; alert 4 was raised in a maintenance window by a rule whose text is kept."""

    def write(tx: Transaction) -> None:
        alert_history.add(tx, alert_history.Line(1, NOW, "told", "mail"))
        alert_history.add(tx, alert_history.Line(1, LATER, "commented", "ann", "a fan is stuck", "e1"))
        window = maintenance.Planned(0, "sundays", "{}", "", NOW, LATER, "", "cleaning", NOW)
        planned = maintenance.plan(tx, window)
        alerts.add(tx, alert(5, ts=NOW, rule="wet"), NOW, planned)
        alert_history.know_rule(tx, "v1", "wet", '{"rule":"wet"}', NOW)

    do(store, write)


def audited(store: Store) -> None:
    """Schema 11: a change that was asked for and made, and one that the node's end left open."""

    def write(tx: Transaction) -> None:
        who = {"who": "ann", "what": "rule.put"}
        number, _ = audit_log.ask(tx, NOW, who)
        audit_log.answer(tx, NOW, number, who, 200)
        audit_log.ask(tx, NOW, {"who": "bob", "what": "rule.delete"})
        audit_log.notice(tx, NOW, {"web": "digest"})

    do(store, write)


def modelled(store: Store) -> None:
    """Schema 12: a deployment's book and what its monitors learned, two labels, one of an alert."""

    def write(tx: Transaction) -> None:
        models.put_book(tx, "pumps", b'{"versions":[]}')
        models.put_watched(tx, "pumps", b"\x28watched")
        models.put_label(tx, models.StoredLabel("pumps", "pump-1", NOW, LATER, b'{"state":"worn"}'))
        models.put_label(tx, models.StoredLabel("pumps", "pump-2", NOW, LATER, b'{"state":"ok"}', alert=1))

    do(store, write)


SECTIONS: dict[int, Callable[[Store], None]] = {
    1: spine,
    2: durable,
    3: safe,
    4: memory,
    5: at_the_edge,
    6: wills,
    7: told,
    8: stepped,
    9: labelled,
    10: with_a_story,
    11: audited,
    12: modelled,
}
"""What fills the tables that a schema added, so that the file has something in every one."""


def written(folder: Path, upto: int) -> Path:
    """The file of a journal with the sections up to a schema in it, closed."""
    path = folder / FILE_NAME
    store = Store(Access(path), "gw", JournalSettings(), ManualClock(NOW), lambda: "a" * 32)
    for number in sorted(SECTIONS):
        if number <= upto:
            SECTIONS[number](store)
    store.close()
    return path


def store_one(into: Path) -> Path:
    """Write the newest schema's file; a stored file stays as it was written."""
    newest = migrations()[-1][0]
    target = into / f"schema-{newest}.db.gz"
    with tempfile.TemporaryDirectory() as folder:
        packed = gzip.compress(written(Path(folder), newest).read_bytes(), mtime=0)
    target.write_bytes(packed)
    return target


if __name__ == "__main__":
    print(store_one(Path(sys.argv[1]) if sys.argv[1:] else STORED))

"""The canonical workload on a gateway's and a hub's real journals, recorded write by write; what holds after any cut.

Reading number n of the gateway has the value n, so what must be where can be said without a model.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from tests.events import alert
from tests.messages import message
from tests.powerloss.edge import SENDER, Edge, check_gateway, check_hub, events_not_alerts
from tests.powerloss.images import Image
from tests.powerloss.vfs import Log, RecordingVfs

from holdfast.ingest.applying import Applied, apply_batch
from holdfast.ingest.service import open_body
from holdfast.ingest.settings import ChildrenSettings
from holdfast.ingest.welcoming import Door, open_session
from holdfast.journal import queues, register
from holdfast.journal.blobs import decode_readings
from holdfast.journal.integrity import Damage, scan
from holdfast.journal.ledger import balance
from holdfast.journal.mqtt_sessions import applying, receive
from holdfast.journal.opening import Access
from holdfast.journal.parent import ACCOUNT, CONSUMER, Account
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import Bound, GapReason, Group, GroupKind, QuarantineRow
from holdfast.journal.settings import JournalSettings
from holdfast.journal.shedding import drop_delivered, shed
from holdfast.journal.store import Store
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import OPEN_LANES, Lane
from holdfast.model.series import Kind, Series
from holdfast.uplink.errors import RowsMissing
from holdfast.uplink.greeting import greeting
from holdfast.uplink.mending import mend
from holdfast.uplink.naming import Trust
from holdfast.uplink.offers import encode
from holdfast.uplink.plan import Offer
from holdfast.wire.messages import Limits

NOW = 1_700_000_000_000_000_000
EVERYTHING = 10**9
MESSAGES, DONE = 20, 21


class Workload:
    """Both ends. `told` is called with what the outside was told: (whose promise, what is acked).

    vfs: SQLite's file layer, "" for the ordinary one; apart: a build that stores QoS 2 ids in a second transaction
    """

    def __init__(
        self,
        home: Path,
        vfs: str,
        told: Callable[[Any], None],
        seed: int,
        synchronous: str = "full",
        *,
        apart: bool = False,
    ) -> None:
        self.told = told
        self.rng = Random(seed)
        self._ids = (f"{n:032x}" for n in range(1, 10_000))
        self.gateway = self._open(home / "gw.db", "gw", vfs)
        self.hub = self._open(home / "hub.db", "hub", vfs)
        for store in (self.gateway, self.hub):
            store.db.pragma("wal_autocheckpoint", 30)
            store.db.pragma("synchronous", synchronous)
        self.reader = JournalReader(self.gateway.access)
        self.account = Account()
        self.edge = Edge(told, apart=apart)
        self.last = self.alerts = self.messages = 0
        self.session: tuple[int, int] | None = None
        self.door = Door("hub", self.hub.incarnation, ChildrenSettings(), Limits())
        self.bounds: dict[Lane, Bound] = {}

    def run(self, steps: int) -> None:
        """Intake, messages, sync with both ends' commits, consuming, shedding, summaries, dropping the delivered."""
        self.commit(self.hub, lambda tx: queues.declare(tx, ["orders"]))
        self.told(("base", events_not_alerts(self.reader, self.gateway)))
        self.commit(self.gateway, self.edge.began(self.last))
        self.told(("session", SENDER))
        for step in range(steps):
            self.intake()
            self.command(step)
            if step % 3 == 1:
                self.put()
            if step % 4 == 2:
                self.commit(self.gateway, self.edge.settle(self.last))
            if step % 5 == 4:
                self.consume()
            if step % 4 == 3:
                self.sync()
            if step % 9 == 6:
                self.make_room(summarise=step % 2 == 0)
            if step % 8 == 7:
                self.drop()
        self.sync()

    def close(self) -> None:
        """Close both."""
        self.reader.close()
        self.gateway.close()
        self.hub.close()

    def intake(self) -> None:
        """One commit as intake makes it."""
        n = self.rng.randrange(1, 30)
        first = self.last + 1
        batch = self._batch(first, n)
        beside = self.edge.beside(self.last + n)

        def write(tx: Transaction) -> None:
            beside(tx)
            tx.append_readings(Lane.BULK, batch)
            tx.append_readings(Lane.SITE, batch.take(np.array([0])))
            register.count(tx, 0, "rule", "stayed", 1)
            if first % 3 == 0:
                tx.append_events(Lane.CRITICAL, [alert(first, ts=NOW)])
                tx.count("events_accepted")
            tx.remember_keys(np.array([first], np.uint64), 100_000)
            tx.quarantine([QuarantineRow(0, NOW, "dev", "t", "malformed", "no", b"x" * 30)], 1000)
            tx.count("readings_accepted", n + 1)
            tx.count("messages_received", 2)
            tx.count("messages_accepted")
            tx.count("messages_rejected.malformed")

        self.commit(self.gateway, write)
        self.last += n
        if self.edge.apart:
            self.commit(self.gateway, applying([receive(SENDER, self.last)]))
        self.told(("gw", self.last))
        self.edge.stored(self.last)
        if first % 3 == 0:
            self.alerts += 1
            self.told(("alerts", self.alerts))

    def command(self, step: int) -> None:
        """One comes down, goes out, or ends."""
        if step % 3 == 0:
            self.commit(self.hub, self.edge.issue(via="gw"))
            self.commit(self.gateway, self.edge.issue(via=""))
            self.edge.taken()
        elif step % 3 == 1:
            self.commit(self.gateway, self.edge.send())
        else:
            self.commit(self.gateway, self.edge.end())
            self.edge.over()
            self.commit(self.gateway, self.edge.rename())

    def put(self) -> None:
        """An application puts one to three messages, and the last of those before once more."""
        first, last = max(1, self.messages), self.messages + self.rng.randrange(1, 4)
        offered = [message(n, body=b"x" * 50) for n in range(first, last + 1)]
        taken = self.commit(self.gateway, lambda tx: queues.put(tx, offered, None))
        assert taken.mark.n == last
        self.messages = last
        self.told(("messages", last))

    def consume(self) -> None:
        """A consumer at the hub is done with the two oldest."""
        reader = JournalReader(self.hub.access)
        handed = reader.waiting("orders", [], 2, 1000)
        reader.close()
        if handed:
            places = [one.place for one in handed]
            self.commit(self.hub, lambda tx: queues.ack(tx, "orders", places))
            self.told(("done", handed[-1].n))

    def sync(self) -> None:
        """Everything that waits goes up, batch by batch; every answer counts as acked."""
        if self.session is None:
            self._hello()
        for lane in OPEN_LANES:
            while self.bounds[lane].seq < self.gateway.state.heads[lane]:
                self._batch_up(lane)
        applied = {lane: self.bounds[lane].seq for lane in OPEN_LANES}

        def write(tx: Transaction) -> None:
            for lane, seq in applied.items():
                tx.set_cursor(CONSUMER, lane, seq)
            tx.set_meta(ACCOUNT, self.account.encode())

        self.commit(self.gateway, write)

    def make_room(self, *, summarise: bool) -> None:
        """Shed what waits; every second time leaving steps."""
        after = self.bounds[Lane.BULK].seq if self.bounds else 0
        step = 60_000_000_000 if summarise else 0
        self.commit(self.gateway, lambda tx: shed(tx, Lane.BULK, after, 3, GapReason.DISK, NOW, summary_step_ns=step))

    def drop(self) -> None:
        """Forget what the hub has."""
        for lane in Lane:
            upto = self.gateway.state.cursors.get((CONSUMER, lane), 0)
            self.commit(self.gateway, lambda tx: drop_delivered(tx, lane, upto, 5))  # noqa: B023  # run in this turn

    def commit(self, store: Store, write: Callable[[Transaction], Any]) -> Any:
        """Commit one write and return its result."""
        return commit(store, write)

    def _hello(self) -> None:
        hello = greeting(self.reader, "gw", len(self.gateway.catalogue), (0, 0, 0))
        opened = self.commit(self.hub, lambda tx: open_session(tx, self.door, hello, NOW))
        welcome = opened.welcome
        self.session = welcome.session, welcome.branch
        self.bounds = {lane: Bound(m.wm, m.chain) for lane, m in zip(OPEN_LANES, welcome.marks, strict=True)}

    def _batch_up(self, lane: Lane) -> None:
        assert self.session is not None
        session, branch = self.session
        (known,) = [b.series_known for b in JournalReader(self.hub.access).branches("gw")]
        offer = Offer(lane, self.bounds[lane].seq, 40, session, known)
        try:
            encoded = encode(
                self.reader, self.gateway.catalogue, offer, self.bounds[lane], branch, Trust(any_kind=True)
            )
        except RowsMissing as missing:
            self.commit(self.gateway, partial(mend, fault=missing, now_ns=NOW))
            return
        content, chains = open_body(encoded.body, Limits())
        reply = self.commit(self.hub, lambda tx: apply_batch(tx, self.door, "gw", content, chains, Applied()))
        assert reply.status == "applied", reply
        self.bounds[lane] = encoded.end
        self.account = self.account.with_gaps(lane, encoded.gap_rows)
        self.told(("hub", int(lane), encoded.end.seq))

    def _batch(self, first: int, n: int) -> Batch:
        one = self.gateway.catalogue.intern(Series("gw", f"room-{first % 5}", "m", "Cel", Kind.FLOAT))
        seq = np.arange(first, first + n)
        return Batch(np.full(n, one, np.int32), NOW + seq * 10**9, seq.astype(np.float64), np.zeros(n, np.uint8))

    def _open(self, path: Path, node: str, vfs: str) -> Store:
        access = Access(path, None, vfs)
        return Store(access, node, JournalSettings(), ManualClock(NOW), lambda: next(self._ids))


def record(
    home: Path, steps: int, seed: int, synchronous: str = "full", stored: bytes | None = None, *, apart: bool = False
) -> Log:
    """The log of a workload. stored: the gateway starts with this file, of an older schema."""
    log = Log()
    home.mkdir()
    if stored is not None:
        (home / "gw.db").write_bytes(stored)
    with RecordingVfs(log) as vfs:
        work = Workload(home, vfs.plain_name, log.mark, seed, synchronous, apart=apart)
        if stored is not None:
            work.last = work.gateway.state.heads[Lane.BULK]
        log.names_synced()
        work.run(steps)
        work.close()
    return log


def check(home: Path, image: Image) -> None:
    """What must hold after a power cut."""
    check_promises(home, image.marks)


def check_promises(home: Path, marks: Iterable[Any]) -> None:
    """G1: what was acked is there. G2: the hub has each row once, and its marks agree. G5: both ledgers balance."""
    acked: dict[Any, int] = {}
    for mark in marks:
        acked[mark[:-1]] = mark[-1]
    heads = look(home / "gw.db", "gw", acked)
    hub = look(home / "hub.db", "hub", acked)
    assert heads.get(MESSAGES, 0) >= acked.get(("messages",), 0), "a message that was acked is gone"
    assert hub.get(DONE, 0) >= acked.get(("done",), 0), "a message that a consumer had acked is back"
    assert heads.get(10 + Lane.CRITICAL, 0) >= acked.get(("alerts",), 0), "an alert that was acked is gone"
    for lane in Lane:
        wm = hub.get(int(lane), 0)
        told = acked.get(("hub", int(lane)), 0)
        assert wm >= told, f"the hub acked {told} of lane {int(lane)} and has {wm}"
        assert wm <= heads.get(10 + int(lane), 0), "the hub has rows that the gateway never committed"


def look(path: Path, node: str, acked: Mapping[Any, int]) -> dict[int, int]:
    """Open a journal as a restart would and check it; {lane: hub's mark of gw}, {10 + lane: head}, messages."""
    if not path.exists():
        assert node == "hub" or not acked, "the file is gone"
        return {}
    store = Store(Access(path), node, JournalSettings(), ManualClock(NOW))
    reader = JournalReader(path)
    try:
        return inspect(store, reader, acked)
    finally:
        reader.close()
        store.close()


def inspect(store: Store, reader: JournalReader, marks: Mapping[Any, int]) -> dict[int, int]:
    is_hub = store.node == "hub"
    acked = 0 if is_hub else marks.get(("gw",), 0)
    assert store.found.lost_transactions == 0, "a power cut is not damage"
    head = store.state.heads[Lane.BULK]
    assert head >= acked, f"{acked} rows were acked, the journal ends at {head}"
    damage = [d for lane in Lane for d in scan(reader, lane) if isinstance(d, Damage)]
    assert not damage, damage
    ledger = balance(reader.accounts(CONSUMER, count=True), has_parent=not is_hub)
    assert ledger.balanced, ledger
    found = {10 + int(lane): store.state.heads[lane] for lane in Lane}
    if is_hub:
        found.update(hub_marks(reader))
        found[DONE] = messages_done(reader)
        check_hub(reader)
    else:
        check_gateway(store, reader, {mark[0]: n for mark, n in marks.items() if len(mark) == 1})
        streams = store.db.execute("SELECT max(n) FROM queue_streams").fetchall()
        found[MESSAGES] = int(streams[0][0] or 0)
        keys = {int(k) for blob in reader.dedupe_keys() for k in np.frombuffer(blob, "<u8")}
        assert all(value in keys or value > acked for value in first_values(reader)), "a dedupe key is missing"
        stayed = sum(n for day in reader.register()[1].values() for rule in day.values() for n in rule.values())
        assert stayed == store.state.heads[Lane.SITE], "the register counts other rows than there are"
        assert all(is_itself(group) for group in reader.read(Lane.BULK, 0, EVERYTHING)), "a reading has another's value"
    return found


def messages_done(reader: JournalReader) -> int:
    """How many messages are acked at the hub; those that wait must follow them without a hole, each once."""
    depths = reader.queue_depths()
    if not depths:
        return 0
    (depth,) = depths
    assert depth.residual == 0, depth
    waiting = [one.n for one in reader.waiting("orders", [], EVERYTHING, EVERYTHING)]
    assert waiting == list(range(depth.acked + 1, depth.queued + 1)), "messages are missing, doubled or out of order"
    return depth.acked


def hub_marks(reader: JournalReader) -> dict[int, int]:
    """The hub's marks of the gateway; its rows must be exactly those, each once."""
    branches = reader.branches("gw")
    if not branches:
        return {}
    stored = [
        int(value)
        for group in reader.read(Lane.BULK, 0, EVERYTHING)
        if group.kind is GroupKind.READINGS
        for value in decode_readings(group.blob).value
    ]
    assert len(stored) == len(set(stored)), "a row is stored twice"
    mark = branches[0].marks[Lane.BULK]
    gaps = {
        seq
        for gap in reader.gaps()
        if gap.origin == "gw" and gap.lane is Lane.BULK
        for seq in range(gap.first, gap.last + 1)
    }
    expected = set(range(mark.start + 1, mark.wm + 1)) - gaps
    assert set(stored) == expected, "the hub's rows are not those its mark says"
    assert not branches[0].marks[Lane.SITE].head_seen, "the hub was told of rows that stay"
    return {int(lane): m.wm for lane, m in zip(Lane, branches[0].marks, strict=True)}


def is_itself(group: Group) -> bool:
    """Reading number n of the gateway has the value n, and stands at seq n."""
    if group.kind is not GroupKind.READINGS:
        return True
    values: list[float] = decode_readings(group.blob).value.tolist()
    return values == list(range(group.first, group.last + 1))


def first_values(reader: JournalReader) -> list[int]:
    """The first value of every stored group of readings: its dedupe key was written with it."""
    groups = reader.read(Lane.BULK, 0, EVERYTHING)
    return [int(decode_readings(g.blob).value[0]) for g in groups if g.kind is GroupKind.READINGS and g.last > 60]


def commit(store: Store, write: Callable[[Transaction], Any]) -> Any:
    (outcome,) = store.commit([write])
    if outcome.error is not None:
        raise outcome.error
    return outcome.result

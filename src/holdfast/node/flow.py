"""The way to the parent and the room that rows take, as the pages Sync and Storage show them. All of it blocks."""

import shutil
from typing import TYPE_CHECKING

from holdfast.journal.ledger import ChildRows, Ledger, balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.relief import level_of
from holdfast.model.lane import Lane
from holdfast.uplink.measuring import oldest_s
from holdfast.uplink.status import UplinkStatus
from holdfast.web.flow_answers import BackupRoom, ChildFlow, Flow, LaneFlow, LaneRoom, Room

if TYPE_CHECKING:
    from holdfast.node.node import Node


def flow(node: "Node", children: list[str]) -> Flow:
    """How rows flow; children: their names."""
    ledger = balance(node.journal.accounts(CONSUMER), has_parent=node.uplink is not None)
    status = None if node.uplink is None else node.uplink.status()
    lanes = _lanes(node, ledger, status)
    below = [_child(node, name, ledger.children) for name in children]
    if status is None:
        return Flow(lanes, below, balanced=ledger.balanced)
    link = status.link
    return Flow(
        lanes,
        below,
        breaker=link.phase,
        quiet_for_s=link.quiet_for_s,
        credits=link.credits,
        down_s=0.0 if status.is_up else node.clock.monotonic() - status.since,
        rows_sent=status.rows_sent,
        batches_sent=status.batches_sent,
        failures=status.failures,
        balanced=ledger.balanced,
    )


def _lanes(node: "Node", ledger: Ledger, status: UplinkStatus | None) -> list[LaneFlow]:
    found = []
    for one in ledger.lanes:
        lane = Lane(one.lane)
        waits = 0 if status is None else status.backlog[lane]
        found.append(
            LaneFlow(
                one.lane,
                waits,
                oldest_s(node.journal, node.clock, lane) if waits else 0.0,
                one.committed,
                one.delivered,
                one.kept,
                one.shed,
                one.residual,
                0 if status is None else status.link.batch_rows.get(lane, 0),
                status is not None and lane in status.link.in_flight,
            )
        )
    return found


def _child(node: "Node", name: str, rows: list[ChildRows]) -> ChildFlow:
    mine = [row for row in rows if row.child == name]
    return ChildFlow(
        name,
        0 if node.ingest is None else node.ingest.heard_ns.get(name, 0),
        sum(row.rows for row in mine),
        sum(row.gap_rows for row in mine),
        sum(row.unseen for row in mine),
        any(row.suspect for row in mine),
        sum(abs(row.residual) for row in mine),
    )


def room(node: "Node") -> Room:
    """The room that rows take."""
    journal, settings = node.journal, node.journal.settings
    used, disk = journal.used_bytes(), shutil.disk_usage(journal.folder)
    ledger = balance(journal.accounts(CONSUMER), has_parent=node.uplink is not None)
    marks = settings.levels
    shares = {"yellow": marks.yellow, "orange": marks.orange, "red": marks.red}
    counters = journal.counters()
    lanes = []
    for one in ledger.lanes:
        lane = Lane(one.lane)
        of_lane = settings.lane(lane)
        oldest = journal.oldest(lane, 0)
        dropped = counters.get(f"rows_dropped.lane{one.lane}", 0)
        # What the parent has is in the journal, too, until it's dropped.
        rows = one.pending + one.kept + max(0, one.delivered - dropped)
        lanes.append(LaneRoom(one.lane, rows, oldest or 0, of_lane.max_age, of_lane.when_full, dropped))
    return Room(
        used,
        settings.quota,
        journal.size_bytes(),
        journal.wal_bytes(),
        level_of(used, settings).name.lower(),
        {name: round(settings.quota * share) for name, share in shares.items()},
        journal.condition.value,
        disk.free,
        disk.total,
        lanes,
        _backup(node),
        node.keeper is not None,
    )


def _backup(node: "Node") -> BackupRoom | None:
    settings = node.plan.settings.backup
    if node.backups is None or settings is None:
        return None
    sizes = [file.stat().st_size for file in node.backups.files()]
    return BackupRoom(node.backups.newest_ns, settings.every, len(sizes), sum(sizes))

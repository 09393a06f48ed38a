"""The way to the parent and the room that rows take, of a real node."""

import asyncio
from pathlib import Path

from tests.events import alert
from tests.unit.node.test_health import with_parent

from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.model.lane import Lane
from holdfast.node.flow import flow, room
from holdfast.node.node import Node
from holdfast.node.settings import read_plan
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.flow_answers import Flow, Room


def looked(folder: Path, text: str, events: int) -> tuple[Flow, Room, int]:
    """A node's answers once it has stored some events a minute old; and the time, ns UTC."""
    (folder / "node.yaml").write_text(
        f"node: gw\njournal: {{ballast: 0MB, quota: 10MB, bulk: {{max_age: 1d}}}}\n{text}"
    )

    async def scene() -> tuple[Flow, Room, int]:
        clock = SystemClock()
        node = Node(read_plan(folder / "node.yaml"), clock, Telemetry(clock, lambda _: None))
        made_ns = clock.wall_ns() - 60 * 10**9

        def write(tx: Transaction) -> None:
            told = [alert(n, id=f"{n}", ts=made_ns) for n in range(events)]
            if told:
                tx.append_events(Lane.CRITICAL, told)
                tx.count("events_accepted", events)

        await node.start()
        try:
            await node.journal.submit(write)
            await asyncio.sleep(0.3)  # for the uplink to fail once
            found = await asyncio.to_thread(lambda: (flow(node, ["press"]), room(node)))
            return *found, clock.wall_ns()
        finally:
            await node.stop(0.5)

    return asyncio.run(scene())


def test_what_waits_for_the_parent_is_told_by_lane_with_the_age_of_the_oldest(tmp_path: Path) -> None:
    found, _, _ = looked(tmp_path, with_parent(tmp_path), 3)
    first = found.lanes[0]
    assert (first.waits, first.committed, first.delivered, first.kept, first.residual) == (3, 3, 0, 0, 0)
    assert 59 < first.oldest_s < 80
    assert found.lanes[2].waits == found.lanes[2].oldest_s == 0
    assert found.balanced
    assert found.down_s > 0
    assert (found.failures >= 1, found.breaker in ("closed", "open", "half_open")) == (True, True)


def test_without_a_parent_rows_are_kept_and_nothing_waits(tmp_path: Path) -> None:
    found, _, _ = looked(tmp_path, "", 3)
    assert (found.lanes[0].waits, found.lanes[0].kept, found.breaker, found.down_s) == (0, 3, "", 0.0)


def test_a_child_that_was_never_heard_is_told_as_such(tmp_path: Path) -> None:
    found, _, _ = looked(tmp_path, "", 0)
    assert [(child.name, child.heard_ns, child.rows) for child in found.children] == [("press", 0, 0)]


def test_the_journals_room_is_told_with_its_levels_and_what_happens_when_its_full(tmp_path: Path) -> None:
    _, found, now_ns = looked(tmp_path, with_parent(tmp_path), 3)
    assert found.levels == {"yellow": 7_000_000, "orange": 8_500_000, "red": 9_500_000}
    assert (found.quota_bytes, found.level, found.condition) == (10_000_000, "green", "ok")
    assert 0 < found.used_bytes < 1_000_000
    assert 0 < found.disk_free_bytes <= found.disk_bytes
    first, _, bulk, *_ = found.lanes
    assert (first.rows, first.when_full, first.dropped) == (3, "refuse", 0)
    assert 59 < (now_ns - first.oldest_ns) / 10**9 < 80
    assert (bulk.rows, bulk.oldest_ns, bulk.max_age_s) == (0, 0, 86_400.0)
    assert found.backup is None


def test_backups_are_counted(tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "gw-20260101T000000Z.db").write_bytes(b"x" * 10)
    _, found, _ = looked(tmp_path, "backup: {folder: copies, every: 2h}\n", 0)
    assert found.backup is not None
    assert (found.backup.every_s, found.backup.files >= 1, found.backup.bytes >= 10) == (7200.0, True, True)

"""A node's log and steps as rows of its journal: in which lane, counted where, kept back by what."""

import asyncio
from pathlib import Path

from tests.unit.node.test_health import with_parent
from tests.unit.node.test_settings import plan_of

from holdfast.journal.blobs import decode_readings
from holdfast.journal.ledger import Ledger, balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.transaction import REPORTS
from holdfast.kernel.clock import SystemClock
from holdfast.model.lane import Lane
from holdfast.node.node import Node
from holdfast.node.reporting import reports_of
from holdfast.node.settings import read_plan
from holdfast.telemetry.happenings import Telemetry
from holdfast.wire.reports import LOG, SentLine, decode_line

SENDS = "telemetry: {log: {send: true}}\n"


def after_its_start(folder: Path, text: str) -> tuple[list[SentLine | None], dict[Lane, int], Ledger]:
    """Start a node and end it: what lies in the lanes for the parent, their heads, and the ledger."""
    (folder / "node.yaml").write_text(f"node: gw\njournal: {{ballast: 0MB}}\n{with_parent(folder)}{text}")

    async def scene() -> tuple[list[SentLine | None], dict[Lane, int], Ledger]:
        clock = SystemClock()
        node = Node(read_plan(folder / "node.yaml"), clock, Telemetry(clock, lambda _: None))
        reports_of(node)
        try:
            await node.start()
            await node.surroundings.drain()
            found = []
            for lane in (Lane.BULK, Lane.REGION):
                for group in node.journal.read(lane, 0, 10_000):
                    batch = decode_readings(group.blob)
                    assert group.origin == REPORTS.peer
                    assert {node.journal.catalogue[int(one)].metric for one in batch.series} == {LOG}
                    found += [decode_line(batch.texts[int(value)]) for value in batch.value]
            ledger = balance(node.journal.accounts(CONSUMER, count=True), has_parent=True)
            return found, {lane: node.journal.head(lane) for lane in Lane}, ledger
        finally:
            await node.stop(1.0)

    return asyncio.run(scene())


def test_lines_lie_in_lane_2_and_the_ledger_knows_them(tmp_path: Path) -> None:
    found, heads, ledger = after_its_start(tmp_path, SENDS)
    assert "NodeStarted" in {one.name for one in found if one is not None}
    assert heads[Lane.BULK] == ledger.rows.reports == len(found)
    assert (ledger.balanced, ledger.rows.residual, ledger.rows.readings) == (True, 0, 0)


def test_neither_summaries_of_everything_nor_health_that_stays_keep_lines_back(tmp_path: Path) -> None:
    (tmp_path / "send").mkdir()
    text = "telemetry: {metrics: {every: 1h, send: false}, log: {send: true}}\n"
    found, heads, _ = after_its_start(tmp_path / "send", text)
    assert heads[Lane.BULK] == len(found) > 0


def test_a_rule_that_keeps_the_nodes_own_series_keeps_its_log_too(tmp_path: Path) -> None:
    found, heads, ledger = after_its_start(tmp_path, SENDS + "residency: [{series: '*/*', stay: site}]\n")
    assert (found, heads[Lane.BULK], heads[Lane.SITE], ledger.balanced) == ([], 0, 0, True)


def test_what_stays_in_a_region_is_said_there_without_words_about_it(tmp_path: Path) -> None:
    text = SENDS + "region: eu-1\nresidency: [{series: '*/*', stay: region}]\n"
    found, heads, _ = after_its_start(tmp_path, text)
    assert heads[Lane.REGION] == len(found) > 0
    assert {key for one in found if one is not None for key in one.fields} <= {"trust", "state", "condition"}


def test_sending_to_nobody_or_next_to_nothing_is_refused(tmp_path: Path) -> None:
    problems = plan_of(tmp_path, "node: gw\ntelemetry: {log: {send: warning}, traces: {send: on}, send_per_day: 1kB}\n")
    assert [one.partition(": ")[2] for one in problems] == [
        "telemetry.log.send: `parent` is missing: there is nobody to send them to",
        "telemetry.traces.send: `parent` is missing: there is nobody to send them to",
        "telemetry.send_per_day: expected at least 10kB",
    ]


def test_off_is_off(tmp_path: Path) -> None:
    found, heads, _ = after_its_start(tmp_path, "telemetry: {log: {send: off}}\n")
    assert (found, heads[Lane.BULK]) == ([], 0)

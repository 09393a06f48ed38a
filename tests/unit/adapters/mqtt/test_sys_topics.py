from tests.unit.adapters.mqtt.doubles import Site, publish, subscribe

from holdfast import __version__


def test_the_broker_says_how_it_is_every_ten_seconds_and_stores_nothing() -> None:
    site = Site()
    told: list[str] = []
    site.broker.on_retained(lambda topic, _: told.append(topic))
    site.broker.tick(0.0)
    client = site.joined("s")
    client.wire.said()
    heard = client.send(subscribe("$SYS/broker/version", 1))
    version = f"holdfast {__version__}".encode()
    assert heard == [b"\x90\x03\0\x01\x01", publish("$SYS/broker/version", version, retain=True)]
    client.send(subscribe("$SYS/broker/clients/connected", 0))
    client.wire.said()
    site.broker.tick(9.9)
    assert client.wire.said() == []
    site.broker.tick(10.0)
    assert publish("$SYS/broker/clients/connected", b"1") in client.wire.said()
    assert (told, site.inbox.arrivals) == ([], [])

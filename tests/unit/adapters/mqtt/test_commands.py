"""Commands handed to the broker reach the device's own session, and only that one says it has them."""

from tests.unit.adapters.mqtt.doubles import Client, Site, publish, subscribe

from holdfast.adapters.mqtt.commanding import CommandPublisher
from holdfast.adapters.mqtt.packets import packet

TOPIC = "devices/press-1/commands/c1"


def hand_over(site: Site, heard: list[str], expires_s: float = 9.0) -> bool:
    return CommandPublisher(site.broker, site.clock).hand_over(
        TOPIC,
        b"{}",
        owner="devices/press-1",
        reply_to=f"{TOPIC}/result",
        correlation=b"c1",
        expires_s=expires_s,
        heard=lambda: heard.append("yes"),
    )


def ack(client: Client, pid: int) -> None:
    client.send(packet(0x40, pid.to_bytes(2, "big")))


def test_nobody_but_the_device_is_the_device() -> None:
    site, heard = Site(), list[str]()
    watcher = site.joined("logger")
    watcher.send(subscribe("#", 1), subscribe("devices/+/commands/+", 1))
    assert not hand_over(site, heard)
    assert watcher.wire.said() == []
    device = site.joined("press")
    device.send(subscribe("devices/press-1/commands/+", 1))
    assert hand_over(site, heard)
    assert device.wire.said() == [publish(TOPIC, b"{}", pid=1)]
    assert watcher.wire.said() == [publish(TOPIC, b"{}", pid=1)]
    ack(watcher, 1)
    assert heard == []
    ack(device, 1)
    ack(device, 1)
    assert heard == ["yes"]


def test_a_device_whose_name_begins_alike_is_another() -> None:
    site, heard = Site(), list[str]()
    site.joined("p11").send(subscribe("devices/press-11/commands/+", 1))
    assert not hand_over(site, heard)


def test_what_waits_in_the_session_is_dropped_at_the_deadline() -> None:
    site, heard = Site(), list[str]()
    device = site.joined("press")
    device.send(subscribe("devices/press-1/commands/+", 1))
    for _ in range(200):  # more than the window
        assert hand_over(site, heard)
    sent = len(device.wire.said())
    site.clock.advance(10.0)
    for pid in range(1, sent + 1):
        ack(device, pid)
    assert len(heard) == sent
    assert device.wire.said() == []


def test_at_qos_2_the_device_has_it_with_its_pubrec() -> None:
    site, heard = Site(), list[str]()
    device = site.joined("press", version=5)
    device.send(subscribe("devices/press-1/commands/+", 2, said=b""))
    assert hand_over(site, heard)
    (frame,) = device.wire.said()
    assert frame[0] >> 1 & 3 == 2
    assert b"c1/result" in frame
    pid = (1).to_bytes(2, "big")
    (answer,) = device.send(packet(0x50, pid))
    assert (answer[0] >> 4, heard) == (6, ["yes"])
    device.send(packet(0x50, pid), packet(0x70, pid))
    assert heard == ["yes"]


def test_a_device_that_turns_it_down_does_not_have_it() -> None:
    site, heard = Site(), list[str]()
    device = site.joined("press", version=5)
    device.send(subscribe("devices/press-1/commands/+", 1, said=b""))
    assert hand_over(site, heard)
    device.send(packet(0x40, (1).to_bytes(2, "big"), b"\x83"))
    assert heard == []

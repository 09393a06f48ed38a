"""What CONNACK says to an MQTT 5 client about the terms of its connection. Pure."""

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.packets import Connect
from holdfast.adapters.mqtt.properties import Prop
from holdfast.adapters.mqtt.settings import MqttSettings


def keep_alive(connect: Connect, settings: MqttSettings) -> int:
    """The keep-alive that holds, seconds: a client of MQTT 5 may be told a shorter one than it asked for."""
    asked, longest = connect.keep_alive_s, int(settings.max_keep_alive)
    return longest if connect.version == packets.V5 and (not asked or asked > longest) else asked


def said(connect: Connect, client: str, expiry_s: float, settings: MqttSettings) -> list[tuple[Prop, int | str]]:
    """The properties of an accepting CONNACK; none for 3.1.1. What isn't said has the protocol's default."""
    if connect.version != packets.V5:
        return []
    properties: list[tuple[Prop, int | str]] = [
        (Prop.RECEIVE_MAXIMUM, settings.receive_maximum),
        (Prop.MAXIMUM_PACKET_SIZE, settings.max_packet),
    ]
    if settings.topic_aliases:
        properties.append((Prop.TOPIC_ALIAS_MAXIMUM, settings.topic_aliases))
    if int(expiry_s) != connect.session_expiry_s:
        properties.append((Prop.SESSION_EXPIRY, int(expiry_s)))
    if not connect.client:
        properties.append((Prop.ASSIGNED_CLIENT_ID, client))
    granted = keep_alive(connect, settings)
    if granted != connect.keep_alive_s:
        properties.append((Prop.SERVER_KEEP_ALIVE, granted))
    return properties

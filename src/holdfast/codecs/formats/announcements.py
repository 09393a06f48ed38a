"""Retained messages that describe other messages: Home Assistant's discovery, Zigbee2MQTT's list of devices."""

from collections.abc import Mapping
from typing import Any

from holdfast.codecs.announced import Announced
from holdfast.codecs.formats.jsons import decode_json
from holdfast.codecs.refused import wrong
from holdfast.codecs.sink import Origin, Sink
from holdfast.codecs.topics import joined

_MOST = 5_000


class AnnouncementSource:
    """Learns units by state topic (discovery) or by device and member (Zigbee2MQTT); gives no readings."""

    def __init__(self, announced: Announced) -> None:
        self._announced = announced

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Learn what the payload says; an empty one takes a description back, which changes nothing here.

        Raises:
            Refused: when it's no JSON.
        """
        del message, sink, origin
        if not payload:
            return
        said = decode_json(payload)
        if isinstance(said, list):
            for device in said[:_MOST]:
                self._zigbee(device)
        elif isinstance(said, dict):
            self._discovery(said)
        else:
            wrong("an announcement is an object or a list of devices")

    def _discovery(self, said: Mapping[str, Any]) -> None:
        """One entity, or with `cmps` all of a device's; keys may be abbreviated, `~` is the base of topics."""
        base = said.get("~")
        parts = said.get("cmps", said.get("components"))
        entities = list(parts.values())[:_MOST] if isinstance(parts, dict) else [said]
        for entity in entities:
            if not isinstance(entity, dict):
                continue
            topic = entity.get("stat_t", entity.get("state_topic", said.get("stat_t", said.get("state_topic"))))
            unit = entity.get("unit_of_meas", entity.get("unit_of_measurement"))
            template = entity.get("val_tpl", entity.get("value_template"))
            if isinstance(topic, str) and isinstance(unit, str) and template is None:
                own = entity.get("~", base)
                self._announced.tell(_based(topic, own) if isinstance(own, str) else topic, unit=unit)

    def _zigbee(self, device: Any) -> None:
        if not isinstance(device, dict):
            return
        name, definition = device.get("friendly_name"), device.get("definition")
        exposes = definition.get("exposes") if isinstance(definition, dict) else None
        if isinstance(name, str) and isinstance(exposes, list):
            for expose in exposes[:_MOST]:
                self._expose(joined(*name.split("/")), expose, 0)

    def _expose(self, device: str, expose: Any, depth: int) -> None:
        if not isinstance(expose, dict) or depth > 3:
            return
        unit, member = expose.get("unit"), expose.get("property")
        if isinstance(unit, str) and isinstance(member, str):
            self._announced.tell(device, member, unit=unit)
        features = expose.get("features")
        for feature in features[:_MOST] if isinstance(features, list) else ():
            self._expose(device, feature, depth + 1)


def _based(topic: str, base: str) -> str:
    if topic.startswith("~"):
        return base + topic[1:]
    return topic[:-1] + base if topic.endswith("~") else topic

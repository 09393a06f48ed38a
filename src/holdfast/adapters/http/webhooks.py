"""LoRaWAN network servers' webhooks: to which MQTT topic a message would have gone. Pure; the message stays as it is.

Sources: The Things Stack v3, "Webhooks" (bodies are those of its MQTT topics, told apart by their members);
ChirpStack v4, "HTTP integration" (`?event=up`), bodies as those of its MQTT integration; v3 the same with `devEUI`.
"""

import msgspec
from msgspec import Raw, Struct, field

from holdfast.adapters.http.envelope import Message, topic_fault
from holdfast.adapters.http.errors import BodyInvalid, TopicUnusable

_NO = Raw()
EVENTS = frozenset(("up", "join", "ack", "txack", "log", "status", "location", "integration"))
"""ChirpStack v4, "Event types"."""


class _Application(Struct):
    application_id: str = ""


class _Ids(Struct):
    device_id: str = ""
    application_ids: _Application = field(default_factory=_Application)


class _TheThings(Struct):
    """Which of the members with a message is there."""

    end_device_ids: _Ids
    uplink_message: Raw = _NO
    uplink_normalized: Raw = _NO
    join_accept: Raw = _NO
    downlink_queued: Raw = _NO
    downlink_sent: Raw = _NO
    downlink_ack: Raw = _NO
    downlink_nack: Raw = _NO
    downlink_failed: Raw = _NO
    downlink_queue_invalidated: Raw = _NO
    location_solved: Raw = _NO
    service_data: Raw = _NO


_PLACES = {
    "uplink_message": "up",
    "uplink_normalized": "up/normalized",
    "join_accept": "join",
    "downlink_queued": "down/queued",
    "downlink_sent": "down/sent",
    "downlink_ack": "down/ack",
    "downlink_nack": "down/nack",
    "downlink_failed": "down/failed",
    "downlink_queue_invalidated": "down/queue_invalidated",
    "location_solved": "location/solved",
    "service_data": "service/data",
}


class _Info(Struct, rename="camel"):
    application_id: str = ""
    dev_eui: str = ""


class _ChirpStack(Struct):
    info: _Info | None = field(default=None, name="deviceInfo")
    application: str | int = field(default="", name="applicationID")
    eui: str = field(default="", name="devEUI")


_read_the_things = msgspec.json.Decoder(_TheThings)
_read_chirpstack = msgspec.json.Decoder(_ChirpStack)


def the_things(body: bytes, tenant: str = "") -> Message:
    """A webhook of The Things Stack, as its message on `v3/APPLICATION[@TENANT]/devices/DEVICE/…`.

    Raises:
        BodyInvalid: it's none.
        TopicUnusable: its ids can't stand in a topic.
    """
    hint = "point a webhook of The Things Stack v3, format JSON, here"
    try:
        said = _read_the_things.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BodyInvalid(f"no webhook of The Things Stack: {error}", hint) from error
    kinds = [where for name, where in _PLACES.items() if getattr(said, name) is not _NO]
    if len(kinds) != 1:
        raise BodyInvalid(f"no webhook of The Things Stack: it has none of {', '.join(list(_PLACES)[:3])} …", hint)
    ids = said.end_device_ids
    application = ids.application_ids.application_id + (f"@{tenant}" if tenant else "")
    return _message(("v3", application, "devices", ids.device_id, *kinds[0].split("/")), body)


def chirpstack(body: bytes, event: str) -> Message:
    """A post of ChirpStack's HTTP integration, as its message on `application/ID/device/EUI/event/EVENT`.

    Raises:
        BodyInvalid: it's none.
        TopicUnusable: its ids can't stand in a topic.
    """
    hint = "set ChirpStack's HTTP integration, encoding JSON, to this address: it adds `?event=…` itself"
    if event not in EVENTS:
        raise BodyInvalid(f"`event={event[:20]}` is none of ChirpStack's", hint)
    try:
        said = _read_chirpstack.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BodyInvalid(f"no message of ChirpStack: {error}", hint) from error
    application, eui = str(said.application), said.eui
    if said.info is not None:
        application, eui = said.info.application_id, said.info.dev_eui
    return _message(("application", application, "device", eui, "event", event), body)


def _message(levels: tuple[str, ...], body: bytes) -> Message:
    topic = "/".join(levels)
    if not all(levels) or any("/" in level for level in levels):
        raise TopicUnusable(
            "the message doesn't say of which device and application it is", "is it a network server's?"
        )
    if fault := topic_fault(topic):
        raise TopicUnusable(fault, "ids have no +, # or NUL")
    return Message(topic, body)

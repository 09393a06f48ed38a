"""Downlinks as network servers take them over MQTT, and what they say became of one. Pure.

Sources: The Things Stack v3, "MQTT server" (`v3/APP@TENANT/devices/ID/down/push`, events `down/queued`, `sent`, `ack`,
`nack`, `failed`, with our `correlation_ids`); ChirpStack v4, "MQTT integration" (`command/down` of the device, with our
`id`, a UUID, which names one item of its queue; events `txack`, `ack`, `log`).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID, uuid5

import msgspec
from msgspec import Meta, Struct, field

from holdfast.codecs.lorawan.calls import Call

MOST_BYTES = 242
"""Of a payload at the best data rate of any region (LoRaWAN Regional Parameters RP002)."""
OURS = "holdfast:"
"""What our correlation ids begin with, before the command's id."""
_SPACE = UUID("5f1f3c5e-7d0a-4f53-9a5e-0b6b9f0d5f10")
_HEX = re.compile(r"[0-9a-f]{32}")
_THE_THINGS = re.compile(r"(v3/[^/]+/devices/([^/]+))/(up|down/(queued|sent|ack|nack|failed))")
_CHIRPSTACK = re.compile(r"(application/[^/]+/device/([^/]+))/event/(up|txack|ack|log)")
Server = Literal["the-things-stack", "chirpstack"]
Priority = Literal["LOWEST", "LOW", "BELOW_NORMAL", "NORMAL", "ABOVE_NORMAL", "HIGH", "HIGHEST"]
_ERROR = 300
_UNHEARD = "the device didn't acknowledge it"


class DownlinkInvalid(ValueError):
    """No downlink can be made of it; the text says why."""


class Place(NamedTuple):
    """What a topic is about. base: of the device's topics; device: by its last level; event: `up`, `sent`, `ack`."""

    server: Server
    base: str
    device: str
    event: str


class Wish(Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of the command `downlink`.

    frm_payload: base64; decoded_payload: an object for the device's own script, or else for the network server's
    replace:     instead of all that waits there (The Things Stack)
    """

    f_port: Annotated[int, Meta(ge=1, le=223)] | None = None
    frm_payload: str | None = None
    decoded_payload: dict[str, Any] | None = None
    confirmed: bool = False
    priority: Priority = "NORMAL"
    replace: bool = False


class Event(NamedTuple):
    """What a network server says of one of our downlinks.

    end:   None = it's on its way, True = done, False = failed
    doubt: the device may have done it all the same
    """

    key: str
    word: str
    end: bool | None
    detail: str = ""
    facts: Mapping[str, Any] = MappingProxyType({})
    doubt: bool = False


_wish = msgspec.json.Decoder(Wish)


def place_of(topic: str) -> Place | None:
    """What a topic is about; None = it's no device's of a network server that takes downlinks."""
    if found := _THE_THINGS.fullmatch(topic):
        return Place("the-things-stack", found[1], found[2], found[4] or found[3])
    if found := _CHIRPSTACK.fullmatch(topic):
        return Place("chirpstack", found[1], found[2], found[3])
    return None


def wish_of(params: bytes) -> Wish:
    """A command's parameters.

    Raises:
        DownlinkInvalid: when they can't be a downlink.
    """
    try:
        wish = _wish.decode(params)
    except msgspec.MsgspecError as error:
        raise DownlinkInvalid(f"the parameters aren't a downlink's: {error}") from None
    if (wish.frm_payload is None) is (wish.decoded_payload is None):
        raise DownlinkInvalid("give exactly one of `frm_payload` (base64) and `decoded_payload`")
    if wish.frm_payload is not None:
        _check(_bytes(wish.frm_payload))
        if wish.f_port is None:
            raise DownlinkInvalid("`f_port` is missing: 1 to 223")
    return wish


def encoding(wish: Wish) -> Call:
    """The call of a script's `encodeDownlink`."""
    said: dict[str, Any] = {"data": wish.decoded_payload}
    if wish.f_port is not None:
        said["fPort"] = wish.f_port
    return Call("encodeDownlink", msgspec.json.encode(said))


def encoded(wish: Wish, result: dict[str, Any]) -> Wish:
    """The wish with what a script's `encodeDownlink` returned: `{fPort, bytes}`.

    Raises:
        DownlinkInvalid: when that is no downlink.
    """
    said, port = result.get("bytes"), result.get("fPort", wish.f_port)
    if not isinstance(said, list) or not all(isinstance(one, int) and 0 <= one <= 255 for one in said):
        raise DownlinkInvalid("the script's encodeDownlink returned no bytes")
    if not isinstance(port, int) or not 1 <= port <= 223:
        raise DownlinkInvalid("the script's encodeDownlink returned no fPort, and `f_port` isn't given")
    _check(bytes(said))
    payload = base64.b64encode(bytes(said)).decode()
    return msgspec.structs.replace(wish, f_port=port, frm_payload=payload, decoded_payload=None)


def message(place: Place, wish: Wish, number: str) -> tuple[str, bytes]:
    """Topic and payload that ask the network server for a downlink. number: the command's id.

    Raises:
        DownlinkInvalid: when this server can't be asked for it.
    """
    if place.server == "the-things-stack":
        one = {
            "f_port": wish.f_port,
            "frm_payload": wish.frm_payload,
            "decoded_payload": wish.decoded_payload,
            "confirmed": wish.confirmed,
            "priority": wish.priority,
            "correlation_ids": [OURS + number],
        }
        said = {"downlinks": [{name: value for name, value in one.items() if value is not None}]}
        return f"{place.base}/down/{'replace' if wish.replace else 'push'}", msgspec.json.encode(said)
    if wish.replace:
        raise DownlinkInvalid("ChirpStack's queue can't be replaced over MQTT: leave `replace` out")
    if wish.f_port is None:
        raise DownlinkInvalid("`f_port` is missing: 1 to 223")
    body: dict[str, Any] = {
        "id": queue_id(number),
        "devEui": place.device,
        "confirmed": wish.confirmed,
        "fPort": wish.f_port,
    }
    body |= {"data": wish.frm_payload} if wish.frm_payload is not None else {"object": wish.decoded_payload}
    return f"{place.base}/command/down", msgspec.json.encode(body)


def key_of(server: Server, number: str) -> str:
    """What the server's events call a command's downlink."""
    return number if server == "the-things-stack" else queue_id(number)


def queue_id(number: str) -> str:
    """A command's id as ChirpStack wants ids."""
    return str(UUID(number) if _HEX.fullmatch(number) else uuid5(_SPACE, number))


class _Frame(Struct):
    correlation_ids: list[str] = field(default_factory=list)
    f_port: int = 0
    f_cnt: int = 0
    confirmed: bool = False


class _Fault(Struct):
    name: str = ""
    message_format: str = ""


class _Failed(Struct):
    downlink: _Frame = field(default_factory=_Frame)
    error: _Fault = field(default_factory=_Fault)


class _Told(Struct):
    correlation_ids: list[str] = field(default_factory=list)
    downlink_queued: _Frame | None = None
    downlink_sent: _Frame | None = None
    downlink_ack: _Frame | None = None
    downlink_nack: _Frame | None = None
    downlink_failed: _Failed | None = None


class _Item(Struct, rename="camel"):
    queue_item_id: str = ""
    acknowledged: bool = False
    f_cnt_down: int = 0
    gateway_id: str = ""
    level: str = ""
    code: str = ""
    description: str = ""
    context: dict[str, str] = field(default_factory=dict)


_told = msgspec.json.Decoder(_Told)
_item = msgspec.json.Decoder(_Item)


def event_of(place: Place, payload: bytes, *, confirmed: bool | None = None) -> Event | None:
    """What a message on an event's topic says of one of our downlinks; None = nothing that can be read.

    confirmed: was it asked for with a confirmation? None = it isn't known; ChirpStack doesn't say it in `txack`
    """
    try:
        if place.server == "the-things-stack":
            return _the_things(place.event, _told.decode(payload))
        return _chirpstack(place.event, _item.decode(payload), confirmed=confirmed)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _the_things(word: str, said: _Told) -> Event | None:
    failed = said.downlink_failed
    frame = getattr(said, f"downlink_{word}", None) if failed is None else failed.downlink
    if not isinstance(frame, _Frame):
        return None
    names = [one.removeprefix(OURS) for one in (*frame.correlation_ids, *said.correlation_ids) if one.startswith(OURS)]
    if not names:
        return None
    facts = {"event": word, "f_port": frame.f_port, "f_cnt": frame.f_cnt}
    if failed is not None:
        why = failed.error.message_format or failed.error.name or "the network server says no more"
        return Event(names[0], word, end=False, detail=why[:_ERROR])
    match word:
        case "ack":
            return Event(names[0], word, end=True, facts=facts)
        case "nack":
            return Event(names[0], word, end=False, detail=_UNHEARD, doubt=True)
        case "sent":  # a gateway was told to send it; a confirmed one ends with `ack` or `nack`
            return Event(names[0], word, end=None if frame.confirmed else True, facts=facts)
    return Event(names[0], word, end=None)


def _chirpstack(word: str, said: _Item, *, confirmed: bool | None) -> Event | None:
    if word == "log":
        key = said.context.get("queue_item_id", "") or said.context.get("device_queue_item_id", "")
        if said.level != "ERROR" or not key:
            return None
        return Event(key, word, end=False, detail=f"{said.code}: {said.description}"[:_ERROR])
    if not said.queue_item_id:
        return None
    facts = {"event": word, "f_cnt": said.f_cnt_down}
    if word == "ack":
        if said.acknowledged:
            return Event(said.queue_item_id, word, end=True, facts=facts)
        return Event(said.queue_item_id, word, end=False, detail=_UNHEARD, doubt=True)
    return Event(said.queue_item_id, word, end=None if confirmed else True, facts=facts)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DownlinkInvalid("`frm_payload` is no base64") from None


def _check(payload: bytes) -> None:
    if not 1 <= len(payload) <= MOST_BYTES:
        raise DownlinkInvalid(f"a downlink carries 1 to {MOST_BYTES} bytes, not {len(payload)}")

"""Uplink messages of network servers, as JSON, told apart by their members. Pure.

Sources: The Things Stack v3, "Data Formats" (MQTT `v3/{application}/devices/{device}/up`); ChirpStack v4, "Event types"
(`application/{id}/device/{devEui}/event/up`), and v3, "Event types", with its JSON and its Protobuf-JSON marshaler;
Helium Console, "HTTP and MQTT integrations: uplink format"; Actility ThingPark, "LRC-AS tunnel interface".
"""

import base64
import binascii
import math
from collections.abc import Callable
from datetime import UTC
from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct, field

from holdfast.codecs.instants import to_ns
from holdfast.codecs.lorawan.contract import Decoded, Uplink
from holdfast.codecs.refused import Refused
from holdfast.kernel.clock import NS_PER_MS

_ID_LIMIT = 200
_EUI_BYTES = 8
_LATEST_MS = 4_102_444_800_000
"""2100-01-01, as in `codecs.times`."""
_Number = float | Annotated[str, Meta(max_length=40)] | None
"""ThingPark's older versions write numbers as text."""


class UplinkInvalid(ValueError):
    """Not an uplink message that can be read; the text says what was expected. `is_json`: it is JSON at least."""

    def __init__(self, detail: str, *, is_json: bool) -> None:
        super().__init__(detail)
        self.is_json = is_json


class NetworkUplink(Struct, frozen=True, kw_only=True):
    """An uplink as a network server passes it on.

    eui, device: the DevEUI as the server spells it, and the server's name for the device; "" = not told
    uplink:  port, bytes and when the network received it; None when it carries no payload
    time_ns: when the network received it, ns UTC; when this node got it, if the network doesn't say
    id:      the same for each copy of this uplink
    models:  what the server calls the device's type, best first: `brand/model`, or the device profile's name
    decoded: what the server decoded itself
    rssi, snr, gateway: of the gateway that heard it best, dBm and dB
    """

    eui: str
    device: str
    uplink: Uplink | None
    time_ns: int
    id: str
    models: tuple[str, ...]
    decoded: Decoded | None
    rssi: float | None
    snr: float | None
    gateway: str


_ABSENT = Raw()


class _Which(Struct):
    """Whose message it is: the members that only one server's have."""

    uplink_message: Raw = _ABSENT
    device_info: Raw = field(default=_ABSENT, name="deviceInfo")
    thing_park: Raw = field(default=_ABSENT, name="DevEUI_uplink")
    dev_eui: Raw = _ABSENT
    dev_eui_v3: Raw = field(default=_ABSENT, name="devEUI")


def read_uplink(message: bytes, received_ns: int) -> NetworkUplink:
    """A network server's uplink message. received_ns: when this node got it, for scripts if the server tells no time.

    Raises:
        UplinkInvalid: when it is no server's that is known.
    """
    try:
        which = _which(message)
        if which.uplink_message is not _ABSENT:
            return _the_things(message, received_ns)
        if which.device_info is not _ABSENT:
            return _chirpstack(message, received_ns)
        if which.thing_park is not _ABSENT:
            return _actility(message, received_ns)
        if which.dev_eui_v3 is not _ABSENT:
            return _chirpstack_3(message, received_ns)
        if which.dev_eui is not _ABSENT:
            return _helium(message, received_ns)
    except msgspec.ValidationError as error:
        raise UplinkInvalid(str(error), is_json=True) from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UplinkInvalid(f"not JSON: {error}", is_json=False) from None
    expected = (
        "`uplink_message` (The Things Stack), `deviceInfo` or `devEUI` (ChirpStack), `dev_eui` (Helium) "
        "or `DevEUI_uplink` (ThingPark)"
    )
    raise UplinkInvalid(f"no network server's uplink: expected {expected}", is_json=True)


class _Gateway(Struct):
    gateway_id: str = ""


class _Heard(Struct):
    gateway_ids: _Gateway = field(default_factory=_Gateway)
    rssi: float | None = None
    snr: float | None = None


class _Versions(Struct):
    brand_id: str = ""
    model_id: str = ""


class _EndDevice(Struct):
    device_id: str = ""
    dev_eui: str = ""


class _Message(Struct):
    f_port: int = 0
    f_cnt: int = 0
    frm_payload: bytes = b""
    session_key_id: str = ""
    received_at: str | None = None
    decoded_payload: dict[str, Any] | None = None
    decoded_payload_warnings: list[str] | None = None
    normalized_payload: list[dict[str, Any]] | dict[str, Any] | None = None
    rx_metadata: list[_Heard] = field(default_factory=list)
    version_ids: _Versions = field(default_factory=_Versions)


class _TheThings(Struct):
    uplink_message: _Message
    end_device_ids: _EndDevice = field(default_factory=_EndDevice)
    received_at: str | None = None


def _the_things(raw: bytes, received_ns: int) -> NetworkUplink:
    said = _read_the_things(raw)
    message, device = said.uplink_message, said.end_device_ids
    time_ns = _ns(message.received_at or said.received_at) or received_ns
    best = max(message.rx_metadata, key=lambda h: _loudness(h.rssi), default=_Heard())
    session = message.session_key_id
    return NetworkUplink(
        eui=device.dev_eui,
        device=device.device_id,
        uplink=_uplink(message.f_port, message.frm_payload, time_ns),
        time_ns=time_ns,
        id=f"{session}:{message.f_cnt}"[:_ID_LIMIT] if session else _digest(raw),
        models=(f"{message.version_ids.brand_id}/{message.version_ids.model_id}",),
        decoded=_the_things_decoded(message),
        rssi=best.rssi,
        snr=best.snr,
        gateway=best.gateway_ids.gateway_id[:_ID_LIMIT],
    )


def _the_things_decoded(message: _Message) -> Decoded | None:
    data, normalized = message.decoded_payload, message.normalized_payload
    if data is None and normalized is None:
        return None
    if isinstance(normalized, dict):
        normalized = [normalized]
    return Decoded({"data": data or {}, "warnings": message.decoded_payload_warnings or []}, normalized)


class _ReceivedInfo(Struct, rename="camel"):
    gateway_id: str = ""
    rssi: float | None = None
    snr: float | None = None


class _DeviceInfo(Struct, rename="camel"):
    device_profile_name: str = ""
    device_name: str = ""
    dev_eui: str = ""


class _ChirpStack(Struct, rename="camel"):
    device_info: _DeviceInfo
    deduplication_id: str = ""
    time: str | None = None
    f_port: int = 0
    data: bytes = b""
    object: dict[str, Any] | None = None
    rx_info: list[_ReceivedInfo] = field(default_factory=list)


def _chirpstack(raw: bytes, received_ns: int) -> NetworkUplink:
    said = _read_chirpstack(raw)
    time_ns = _ns(said.time) or received_ns
    best = max(said.rx_info, key=lambda h: _loudness(h.rssi), default=_ReceivedInfo())
    return NetworkUplink(
        eui=said.device_info.dev_eui,
        device=said.device_info.device_name,
        uplink=_uplink(said.f_port, said.data, time_ns),
        time_ns=time_ns,
        id=said.deduplication_id[:_ID_LIMIT] or _digest(raw),
        models=(said.device_info.device_profile_name,),
        decoded=None if said.object is None else Decoded({"data": said.object}),
        rssi=best.rssi,
        snr=best.snr,
        gateway=best.gateway_id[:_ID_LIMIT],
    )


class _ReceivedInfo3(Struct):
    gateway: str = field(default="", name="gatewayID")
    time: str | None = None
    rssi: float | None = None
    lora_snr: float | None = field(default=None, name="loRaSNR")


class _ChirpStack3(Struct):
    dev_eui: str = field(name="devEUI")
    device_name: str = field(default="", name="deviceName")
    profile: str = field(default="", name="deviceProfileName")
    f_port: int = field(default=0, name="fPort")
    f_cnt: int = field(default=0, name="fCnt")
    data: bytes | None = None
    object: dict[str, Any] | None = None
    object_json: str = field(default="", name="objectJSON")
    published_at: str | None = field(default=None, name="publishedAt")
    heard: list[_ReceivedInfo3] | None = field(default=None, name="rxInfo")


def _chirpstack_3(raw: bytes, received_ns: int) -> NetworkUplink:
    said = _read_chirpstack_3(raw)
    best = max(said.heard or (), key=lambda h: _loudness(h.rssi), default=_ReceivedInfo3())
    time_ns = _ns(best.time or said.published_at) or received_ns
    data = said.object
    if data is None and said.object_json:
        data = _read_object(said.object_json)
    return NetworkUplink(
        eui=_hex(said.dev_eui),
        device=said.device_name,
        uplink=_uplink(said.f_port, said.data or b"", time_ns),
        time_ns=time_ns,
        id=_digest(raw),
        models=(said.profile,),
        decoded=None if data is None else Decoded({"data": data}),
        rssi=best.rssi,
        snr=best.lora_snr,
        gateway=_hex(best.gateway)[:_ID_LIMIT],
    )


def _hex(identifier: str) -> str:
    """An EUI in hex: the Protobuf-JSON marshaler writes its bytes in base64."""
    try:
        raw = base64.b64decode(identifier, validate=True)
    except (ValueError, binascii.Error):
        return identifier
    return raw.hex() if len(raw) == _EUI_BYTES else identifier


class _Hotspot(Struct):
    name: str = ""
    id: str = ""
    rssi: float | None = None
    snr: float | None = None


class _Payload(Struct):
    payload: Any = None


class _Helium(Struct):
    dev_eui: str
    name: str = ""
    port: int = 0
    payload: bytes | None = None
    uuid: str = ""
    reported_at: float | None = None
    decoded: _Payload | None = None
    hotspots: list[_Hotspot] = field(default_factory=list)


def _helium(raw: bytes, received_ns: int) -> NetworkUplink:
    said = _read_helium(raw)
    best = max(said.hotspots, key=lambda h: _loudness(h.rssi), default=_Hotspot())
    reported = said.reported_at
    time_ns = received_ns if reported is None or not 0 <= reported < _LATEST_MS else round(reported) * NS_PER_MS
    data = None if said.decoded is None else said.decoded.payload
    return NetworkUplink(
        eui=said.dev_eui,
        device=said.name,
        uplink=_uplink(said.port, said.payload or b"", time_ns),
        time_ns=time_ns,
        id=said.uuid[:_ID_LIMIT] or _digest(raw),
        models=(),
        decoded=Decoded({"data": data}) if isinstance(data, dict) else None,
        rssi=best.rssi,
        snr=best.snr,
        gateway=(best.name or best.id)[:_ID_LIMIT],
    )


class _Model(Struct):
    producer: str = field(default="", name="pId")
    model: str = field(default="", name="mId")


class _Driver(Struct):
    mod: _Model = field(default_factory=_Model)


class _Frame(Struct):
    eui: str = field(name="DevEUI")
    time: str | None = field(default=None, name="Time")
    port: _Number = field(default=None, name="FPort")
    count: _Number = field(default=None, name="FCntUp")
    payload_hex: str = ""
    decoded: Any = field(default=None, name="payload")
    rssi: _Number = field(default=None, name="LrrRSSI")
    snr: _Number = field(default=None, name="LrrSNR")
    gateway: str = field(default="", name="Lrrid")
    driver: _Driver = field(default_factory=_Driver, name="DriverCfg")


class _ThingPark(Struct):
    frame: _Frame = field(name="DevEUI_uplink")


def _actility(raw: bytes, received_ns: int) -> NetworkUplink:
    said = _read_actility(raw).frame
    time_ns = _ns(said.time) or received_ns
    try:
        payload = bytes.fromhex(said.payload_hex)
    except ValueError:
        raise UplinkInvalid("`payload_hex` is no hex", is_json=True) from None
    return NetworkUplink(
        eui=said.eui,
        device="",
        uplink=_uplink(int(_number(said.port) or 0), payload, time_ns),
        time_ns=time_ns,
        id=f"{said.eui}:{said.count}:{time_ns}"[:_ID_LIMIT] if said.count is not None else _digest(raw),
        models=(f"{said.driver.mod.producer}/{said.driver.mod.model}",),
        decoded=Decoded({"data": said.decoded}) if isinstance(said.decoded, dict) else None,
        rssi=_number(said.rssi),
        snr=_number(said.snr),
        gateway=said.gateway[:_ID_LIMIT],
    )


def _number(said: _Number) -> float | None:
    try:
        number = None if said is None else float(said)
    except ValueError:
        number = math.nan
    if number is not None and not math.isfinite(number):
        raise UplinkInvalid(f"`{said}` is no number", is_json=True)
    return number


_which = msgspec.json.Decoder(_Which).decode
_read_the_things = msgspec.json.Decoder(_TheThings).decode
_read_chirpstack = msgspec.json.Decoder(_ChirpStack).decode
_read_chirpstack_3 = msgspec.json.Decoder(_ChirpStack3).decode
_read_helium = msgspec.json.Decoder(_Helium).decode
_read_actility = msgspec.json.Decoder(_ThingPark).decode
_read_object: Callable[[str], dict[str, Any]] = msgspec.json.Decoder(dict[str, Any]).decode


def _uplink(port: int, payload: bytes, received_ns: int) -> Uplink | None:
    return Uplink(port, payload, received_ns) if payload else None


def _digest(raw: bytes) -> str:
    return blake2b(raw, digest_size=12).hexdigest()


def _loudness(rssi: float | None) -> float:
    return float("-inf") if rssi is None else rssi


def _ns(said: str | None) -> int | None:
    """A server's time, ns UTC; None when it tells none, or the zero of its language: no reason to lose the values."""
    try:
        return None if said is None else to_ns(said, "iso8601", UTC)
    except Refused:
        return None

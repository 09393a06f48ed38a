"""Uplink messages of network servers: The Things Stack v3 and ChirpStack v4, as JSON. Pure.

Sources: The Things Stack, "Data Formats" (MQTT `v3/{application}/devices/{device}/up`); ChirpStack v4, "Event types"
(`application/{id}/device/{devEui}/event/up`, JSON marshaler).
"""

from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, field

from holdfast.codecs.lorawan.contract import Decoded, Uplink
from holdfast.kernel.clock import NS_PER_S

_NS_PER_US = 1000
_ID_LIMIT = 200


class UplinkInvalid(ValueError):
    """Not an uplink message that can be read; the text says what was expected. `is_json`: it is JSON at least."""

    def __init__(self, detail: str, *, is_json: bool) -> None:
        super().__init__(detail)
        self.is_json = is_json


class NetworkUplink(Struct, frozen=True):
    """An uplink as a network server passes it on.

    uplink:  port, bytes and when the network received it; None when it carries no payload
    time_ns: when the network received it, ns UTC; when this node got it, if the network doesn't say
    id:      the same for each copy of this uplink
    models:  what the server calls the device's type, best first: `brand/model`, or the device profile's name
    decoded: what the server decoded itself
    rssi, snr, gateway: of the gateway that heard it best, dBm and dB
    """

    uplink: Uplink | None
    time_ns: int
    id: str
    models: tuple[str, ...]
    decoded: Decoded | None
    rssi: float | None
    snr: float | None
    gateway: str


class _Gateway(Struct):
    gateway_id: str = ""


class _Heard(Struct):
    gateway_ids: _Gateway = field(default_factory=_Gateway)
    rssi: float | None = None
    snr: float | None = None


class _Versions(Struct):
    brand_id: str = ""
    model_id: str = ""


class _Message(Struct):
    f_port: int = 0
    f_cnt: int = 0
    frm_payload: bytes = b""
    session_key_id: str = ""
    received_at: datetime | None = None
    decoded_payload: dict[str, Any] | None = None
    normalized_payload: list[dict[str, Any]] | None = None
    rx_metadata: list[_Heard] = field(default_factory=list)
    version_ids: _Versions = field(default_factory=_Versions)


class _ReceivedInfo(Struct, rename="camel"):
    gateway_id: str = ""
    rssi: float | None = None
    snr: float | None = None


class _DeviceInfo(Struct, rename="camel"):
    device_profile_name: str = ""


class _Either(Struct):
    """Both servers' messages in one; their members have different names."""

    uplink_message: _Message | None = None
    received_at: datetime | None = None
    device_info: _DeviceInfo | None = field(default=None, name="deviceInfo")
    deduplication: str = field(default="", name="deduplicationId")
    time: datetime | None = None
    port: int = field(default=0, name="fPort")
    data: bytes = b""
    object: dict[str, Any] | None = None
    heard: list[_ReceivedInfo] = field(default_factory=list, name="rxInfo")


_decode = msgspec.json.Decoder(_Either).decode


def read_uplink(message: bytes, received_ns: int) -> NetworkUplink:
    """A network server's uplink message. received_ns: when this node got it, for scripts if the server tells no time.

    Raises:
        UplinkInvalid: when it is neither server's.
    """
    try:
        both = _decode(message)
    except msgspec.ValidationError as error:
        raise UplinkInvalid(str(error), is_json=True) from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UplinkInvalid(f"not JSON: {error}", is_json=False) from None
    if both.uplink_message is not None:
        return _the_things(both, both.uplink_message, message, received_ns)
    if both.device_info is not None:
        return _chirpstack(both, both.device_info, message, received_ns)
    expected = "expected `uplink_message` (The Things Stack) or `deviceInfo` (ChirpStack v4)"
    raise UplinkInvalid(f"no network server's uplink: {expected}", is_json=True)


def _the_things(both: _Either, message: _Message, raw: bytes, received_ns: int) -> NetworkUplink:
    time_ns = _ns(message.received_at or both.received_at) or received_ns
    best = max(message.rx_metadata, key=lambda h: _loudness(h.rssi), default=_Heard())
    session = message.session_key_id
    decoded = message.decoded_payload
    return NetworkUplink(
        uplink=_uplink(message.f_port, message.frm_payload, time_ns),
        time_ns=time_ns,
        id=f"{session}:{message.f_cnt}"[:_ID_LIMIT] if session else _digest(raw),
        models=(f"{message.version_ids.brand_id}/{message.version_ids.model_id}",),
        decoded=None if decoded is None else Decoded({"data": decoded}, message.normalized_payload),
        rssi=best.rssi,
        snr=best.snr,
        gateway=best.gateway_ids.gateway_id[:_ID_LIMIT],
    )


def _chirpstack(both: _Either, device: _DeviceInfo, raw: bytes, received_ns: int) -> NetworkUplink:
    time_ns = _ns(both.time) or received_ns
    best = max(both.heard, key=lambda h: _loudness(h.rssi), default=_ReceivedInfo())
    return NetworkUplink(
        uplink=_uplink(both.port, both.data, time_ns),
        time_ns=time_ns,
        id=both.deduplication[:_ID_LIMIT] or _digest(raw),
        models=(device.device_profile_name,),
        decoded=None if both.object is None else Decoded({"data": both.object}),
        rssi=best.rssi,
        snr=best.snr,
        gateway=best.gateway_id[:_ID_LIMIT],
    )


def _uplink(port: int, payload: bytes, received_ns: int) -> Uplink | None:
    return Uplink(port, payload, received_ns) if payload else None


def _digest(raw: bytes) -> str:
    return blake2b(raw, digest_size=12).hexdigest()


def _loudness(rssi: float | None) -> float:
    return float("-inf") if rssi is None else rssi


def _ns(moment: datetime | None) -> int | None:
    if moment is None or moment.tzinfo is None:
        return None
    seconds = moment.timestamp()
    return round(seconds * (NS_PER_S // _NS_PER_US)) * _NS_PER_US

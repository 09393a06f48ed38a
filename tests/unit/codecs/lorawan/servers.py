"""Uplinks as network servers publish them, for tests."""

import base64
import json
from typing import Any

EUI = "70B3D57ED0000001"
RECEIVED = "2026-11-21T10:00:00.123456789Z"
RECEIVED_NS = 1_795_255_200_123_456_789


def the_things(payload: bytes, *, port: int = 85, count: int = 1, model: str = "am107", **more: Any) -> bytes:
    """Fields as in The Things Stack's documentation, "Data Formats"; `more` goes into `uplink_message`."""
    message = {
        "end_device_ids": {"device_id": "room-1", "dev_eui": EUI, "application_ids": {"application_id": "site"}},
        "correlation_ids": ["as:up:01"],
        "received_at": "2026-11-21T10:00:00.4Z",
        "uplink_message": {
            "session_key_id": "AYfg8rhha5n+",
            "f_port": port,
            "f_cnt": count,
            "frm_payload": base64.b64encode(payload).decode(),
            "rx_metadata": [
                {"gateway_ids": {"gateway_id": "far"}, "rssi": -110, "channel_rssi": -110, "snr": -3.5},
                {"gateway_ids": {"gateway_id": "near"}, "rssi": -47, "channel_rssi": -47, "snr": 9.25},
            ],
            "settings": {"data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}}},
            "received_at": RECEIVED,
            "version_ids": {"brand_id": "north", "model_id": model},
            **more,
        },
    }
    return json.dumps(message).encode()


def chirpstack(payload: bytes, *, port: int = 85, count: int = 1, profile: str = "north-room", **more: Any) -> bytes:
    """Fields as in ChirpStack v4's documentation, "Event types"; `more` stands beside them."""
    message = {
        "deduplicationId": f"3ac7e3c4-4401-4b8d-9386-{count:012}",
        "time": RECEIVED,
        "deviceInfo": {
            "tenantName": "site",
            "applicationId": "17c82e96-be03-4f38-aef3-f83d48582d97",
            "deviceProfileName": profile,
            "deviceName": "room 1",
            "devEui": EUI,
        },
        "devAddr": "00189440",
        "fCnt": count,
        "fPort": port,
        "data": base64.b64encode(payload).decode(),
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "uplinkId": 4217106255, "rssi": -36, "snr": 10.5}],
        "txInfo": {"frequency": 868100000},
        **more,
    }
    return json.dumps(message).encode()


def chirpstack_3(payload: bytes, **more: Any) -> bytes:
    """Fields as in ChirpStack v3's documentation, "Event types", Protobuf-JSON; `more` stands beside them."""
    message = {
        "applicationID": "1",
        "applicationName": "site",
        "deviceName": "room 1",
        "deviceProfileName": "north-room",
        "devEUI": base64.b64encode(bytes.fromhex(EUI)).decode(),
        "rxInfo": [
            {"gatewayID": base64.b64encode(bytes(8)).decode(), "time": None, "rssi": -90, "loRaSNR": 1},
            {"gatewayID": "AAAAAAAAAAE=", "time": RECEIVED, "rssi": -48, "loRaSNR": 9.5},
        ],
        "fCnt": 10,
        "fPort": 85,
        "data": base64.b64encode(payload).decode(),
        **more,
    }
    return json.dumps(message).encode()


def helium(payload: bytes, /, **more: Any) -> bytes:
    """Fields as in Helium Console's documentation, "Integrations"; `more` stands beside them."""
    message = {
        "app_eui": "6081F9A4D8E2B0C1",
        "dev_eui": EUI,
        "devaddr": "14000048",
        "fcnt": 2,
        "hotspots": [
            {"id": "11x", "name": "far-blue-fox", "rssi": -110, "snr": -3, "spreading": "SF9BW125"},
            {"id": "11y", "name": "near-red-fox", "rssi": -45, "snr": 8.5, "spreading": "SF9BW125"},
        ],
        "id": "7a1f",
        "name": "room 1",
        "payload": base64.b64encode(payload).decode(),
        "payload_size": len(payload),
        "port": 85,
        "reported_at": RECEIVED_NS // 1_000_000,
        "type": "uplink",
        "uuid": "e50d0b0c-0b40-4b7e-b0b3-2f0f9c0a5b0a",
        **more,
    }
    return json.dumps(message).encode()


def thing_park(raw: bytes, /, **more: Any) -> bytes:
    """Fields as in ThingPark's "LRC-AS tunnel interface", older numbers as text; `more` goes into the frame."""
    frame = {
        "Time": "2026-11-21T11:00:00.123456+01:00",
        "DevEUI": EUI,
        "FPort": "85",
        "FCntUp": "7011",
        "payload_hex": raw.hex(),
        "LrrRSSI": "-60.000000",
        "LrrSNR": "9.750000",
        "Lrrid": "08040059",
        "DriverCfg": {"mod": {"pId": "north", "mId": "am107", "ver": "1"}},
        **more,
    }
    return json.dumps({"DevEUI_uplink": frame}).encode()

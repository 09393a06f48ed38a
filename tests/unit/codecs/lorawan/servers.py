"""Uplinks as The Things Stack v3 and ChirpStack v4 publish them, for tests."""

import base64
import json
from typing import Any

RECEIVED = "2026-11-21T10:00:00.123456789Z"
RECEIVED_NS = 1_795_255_200_123_457_000
"""To the microsecond, as times are kept."""


def the_things(payload: bytes, *, port: int = 85, count: int = 1, model: str = "am107", **more: Any) -> bytes:
    """Fields as in The Things Stack's documentation, "Data Formats"; `more` goes into `uplink_message`."""
    message = {
        "end_device_ids": {"device_id": "room-1", "application_ids": {"application_id": "site"}},
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
            "devEui": "0101010101010101",
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

"""What stands between OTLP/JSON and protobuf's own JSON."""

import base64
import json
from typing import Any

IDS = {"traceId", "spanId", "parentSpanId"}


def with_base64_ids(body: bytes) -> str:
    """OTLP/JSON as `json_format` reads it: the one thing they differ in is that OTLP writes ids as hex digits."""

    def mended(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: base64.b64encode(bytes.fromhex(one)).decode() if key in IDS else mended(one)
                for key, one in value.items()
            }
        return [mended(one) for one in value] if isinstance(value, list) else value

    return json.dumps(mended(json.loads(body)))

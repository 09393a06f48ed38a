"""Untyped JSON (RFC 8259), bounded in depth."""

from typing import Any

import msgspec

from holdfast.codecs.parsing import bounds_faults, explain_json
from holdfast.codecs.refused import Refused

_decode = msgspec.json.Decoder().decode


def decode_json(payload: bytes) -> Any:
    """The value that `payload` holds.

    Raises:
        Refused: when it's no JSON, not UTF-8, nests too deep or holds a number beyond float64.
    """
    for fault in bounds_faults((payload,)):
        raise Refused(fault.reason, fault.detail)
    try:
        return _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(*explain_json(payload, error)) from None

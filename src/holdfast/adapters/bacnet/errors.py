"""What goes wrong on a BACnet link before it's a device's trouble.

FrameInvalid   bytes that aren't BACnet/IP, or not as they should be; counted and dropped
Refused        a device answered with an Error, Reject or Abort
"""

from holdfast.adapters.errors import DeviceFaulted


class FrameInvalid(ValueError):
    """Bytes that can't be read."""


class Refused(DeviceFaulted):
    """An Error, Reject or Abort PDU (clauses 20.1.7 to 20.1.9).

    kind: error, reject or abort; code: its name as in clause 21, as `write-access-denied`
    """

    def __init__(self, kind: str, code: str) -> None:
        super().__init__(f"the device says {kind} {code}", _HINTS.get(code, ""))
        self.kind, self.code = kind, code


_HINTS = {
    "unknown-object": "there's no such object: `holdfast bacnet discover --yaml` lists what there is",
    "unknown-property": "the object has no such property",
    "write-access-denied": "the device lets nobody write this, or not at this priority",
    "value-out-of-range": "the device has narrower limits: set `min` and `max` of the point",
    "invalid-data-type": "the object holds another type of value",
    "unrecognized-service": "the device can't do this at all",
    "no-space-to-add-list-element": "the device takes no more subscriptions; what has none is polled",
}

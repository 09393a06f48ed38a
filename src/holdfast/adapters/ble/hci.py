"""HCI events to advertisements: LE Advertising Report and its extended form (Core 5.4, Vol 4 Part E §7.7.65). Pure."""

from holdfast.adapters.ble.advertisements import Heard, mac_of

_LE_META = 0x3E
_REPORT, _EXTENDED = 0x02, 0x0D
_HEAD, _EXTENDED_HEAD = 9, 24
_COMPLETE = 0


def reports(event: bytes, at_ns: int) -> list[Heard]:
    """The advertisements of an HCI event (code, length, parameters); none of any other event.

    What is cut off or doesn't fit is left out: a radio's next report comes soon. So are pieces of long extended
    advertisements (data status 1 and 2, §7.7.65.13).
    """
    if len(event) < 4 or event[0] != _LE_META or event[1] != len(event) - 2:
        return []
    if event[2] == _REPORT:
        return _plain(event, at_ns)
    return _long(event, at_ns) if event[2] == _EXTENDED else []


def _plain(event: bytes, at_ns: int) -> list[Heard]:
    found = list[Heard]()
    at = 4
    for _ in range(event[3]):
        # event type, address type, address, length; then data and RSSI
        if at + _HEAD > len(event):
            break
        end = at + _HEAD + event[at + 8]
        if end >= len(event):
            break
        rssi = int.from_bytes(event[end : end + 1], "little", signed=True)
        found.append(Heard(mac_of(event[at + 2 : at + 8]), rssi, at_ns, event[at + _HEAD : end]))
        at = end + 1
    return found


def _long(event: bytes, at_ns: int) -> list[Heard]:
    found = list[Heard]()
    at = 4
    for _ in range(event[3]):
        # type (2), address type, address, 2 PHYs, set, TX power, RSSI (13), interval (2), direct address (7), length
        if at + _EXTENDED_HEAD > len(event):
            break
        end = at + _EXTENDED_HEAD + event[at + 23]
        if end > len(event):
            break
        if event[at] >> 5 & 3 == _COMPLETE:
            rssi = int.from_bytes(event[at + 13 : at + 14], "little", signed=True)
            found.append(Heard(mac_of(event[at + 3 : at + 9]), rssi, at_ns, event[at + _EXTENDED_HEAD : end]))
        at = end
    return found
